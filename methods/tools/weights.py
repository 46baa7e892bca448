"""Weights of a loss by its own size: what is far off counts less than in proportion."""

import torch
from torch import Tensor


def adaptive(raw: Tensor, power: float, floor: float) -> Tensor:
    """S / sg[(S + c)^p] of S >= 0, any shape. p = 1 is close to a constant, with the gradient of a logarithm; p = 0 is S."""
    with torch.no_grad():
        scale = (raw + floor).pow(power)
    return raw / scale
