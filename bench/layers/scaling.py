"""The scale w of guidance as an input of a network, beside its times and its class, whose embedding is e.

    e + g W_2 silu( W_1 [e, g] ),     g = 1 - 1/w

At w = 1 that is e, to the bit, whatever is trained, and so it is at every scale before training: W_2 is zero there. What the
scale changes depends on the times and on the class, for guidance is a difference between classes.

Reference: Geng et al. (arXiv 2512.02012) tell a network 1 - 1/w; what is made of it here is ours.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers.affine import Linear
from bench.layers.blocks import linear, zeroed


class Scaling(nn.Module):
    """scaling(e, w) -> (B, width), for e (B, width) and scales w (B,) above 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = linear(width + 1, width), zeroed(Linear(width, width, bias=False))

    def forward(self, e: Tensor, w: Tensor) -> Tensor:
        g = (1 - 1 / w)[:, None].to(e.dtype)
        change: Tensor = self.second(F.silu(self.first(torch.cat([e, g], 1))))
        return e + g * change
