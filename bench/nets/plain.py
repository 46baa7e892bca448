"""A plain MLP on (s, t, x): the network of the self-distillation paper's checkerboard, for reproducing its table.

    v = s_d Dense( GELU Dense( ... GELU Dense(s, t, x / s_d) ) )

No time embedding, no residuals, no normalisation; variance-keeping initial weights and a random last layer, so it is not
zero before training, and on the diagonal it does see both times. Matched comparisons use `MLP`.

Reference: arXiv 2505.18825, appendix G and the authors' released configuration (width 512, five hidden layers).
"""

from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import Mask, at_least_float32, linear


class PlainMLP(nn.Module):
    """net(x, s, t, condition=None, dropout=None) -> v, shape and dtype of x (B, *shape); s, t (B,), in any order.

    `scale` is s_d, by which inputs are divided and outputs multiplied: the data's standard deviation. No dropout.
    """

    def __init__(self, shape: tuple[int, ...], *, width: int = 512, depth: int = 5, scale: float = 0.577) -> None:
        super().__init__()
        sizes = [prod(shape) + 2, *[width] * depth]
        self.scale = scale
        self.hidden = nn.ModuleList(linear(a, b) for a, b in pairwise(sizes))
        self.head = linear(width, prod(shape))

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        h = torch.cat([s[:, None], t[:, None], x.flatten(1) / self.scale], dim=1)
        for layer in self.hidden:
            h = F.gelu(at_least_float32(layer(h)), approximate="tanh")
        out: Tensor = self.head(h)
        return (self.scale * out).reshape(x.shape).to(x.dtype)
