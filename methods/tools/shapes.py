"""Samples and their times as shapes: per-sample numbers (B,) beside arrays (B, ...)."""

import torch
from torch import Tensor


def everywhere(t: Tensor, x: Tensor) -> Tensor:
    """A time () on the CPU as the times (B,) of samples `x` (B, ...), on their device and without a copy to it."""
    return torch.full((len(x),), t.item(), dtype=t.dtype, device=x.device)


def align(t: Tensor, x: Tensor) -> Tensor:
    """Reshape times (B,) to broadcast against `x` (B, ...)."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def squared(r: Tensor) -> Tensor:
    """|r|^2 per sample: the sum over all but the first dimension, as the papers write it. (B, ...) -> (B,)."""
    return r.square().flatten(1).sum(1)


def mean_square(r: Tensor) -> Tensor:
    """|r|^2 as the papers take it that say so: the mean over a sample's elements. (B, ...) -> (B,)."""
    return r.square().flatten(1).mean(1)
