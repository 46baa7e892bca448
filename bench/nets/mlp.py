"""A residual MLP on flattened samples: the network for points and for small images on one CPU core.

    h <- h + W_2 silu( a(s,t) * W_1 rms_norm(h) + b(s,t) )      in each block,      v = W ( a(s,t) * h + b(s,t) )

Time enters through a and b only, and those of all blocks come from one product. There is nothing else: at a batch of
128 the matrix products are what a step costs, in forward mode too. The last modulation lets v be a linear map of x that
changes with time, which is most of what a velocity is, without spending a block on it. The norm has no parameters; it
bounds what a block adds far from the data, where self-distillation evaluates a young network and would otherwise
diverge. A neural operator mixes its time slots after each block (`Backbone.operator`); `mixing` is empty otherwise.
"""

from math import prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import (
    Linear,
    Mask,
    Modulated,
    TimeEmbedding,
    at_least_float32,
    keyed_dropout,
    linear,
    mixed,
    modulation,
    zeroed,
)


class MLP(Modulated):
    """net(x, s, t, condition=None, dropout=None) -> v, shape and dtype of x (B, *shape); s, t (B,), in any order.

    `width` and `depth` default to 128 x 4 for points and to 256 x 3 for everything else. The output is zero before
    training. Dropout acts in each block after the silu, under the names "block0", "block1", ...
    """

    def __init__(
        self, shape: tuple[int, ...], *, width: int | None = None, depth: int | None = None, embedding: int = 64,
        time_scale: float = 4.0, dropout: float = 0.0, classes: int = 0,
    ) -> None:
        super().__init__()
        features = prod(shape)
        width = width or (128 if features <= 2 else 256)
        depth = depth or (4 if features <= 2 else 3)
        self.dropout = dropout
        self.time = TimeEmbedding(embedding, time_scale, classes)
        self.modulation = modulation(embedding, [width] * (depth + 1))
        self.stem = linear(features, width)
        self.first = nn.ModuleList(linear(width, width, bias=False) for _ in range(depth))
        self.second = nn.ModuleList(_damped(linear(width, width, bias=False), depth) for _ in range(depth))
        self.head = zeroed(Linear(width, features))
        self.widths = [width] * depth
        self.early = 2 * width * max(1, 2 * depth // 3)
        self.mixing = nn.ModuleList()

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        changes = self.changes(s, t, condition).chunk(2 * len(self.first) + 2, dim=1)
        h = at_least_float32(self.stem(x.flatten(1)))
        for i, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            inner = F.silu(torch.addcmul(changes[2 * i + 1], first(F.rms_norm(h, h.shape[1:])), changes[2 * i]))
            h = h + second(keyed_dropout(inner, self.dropout, f"block{i}", dropout))
            h = mixed(self.mixing, i, h)
        h = torch.addcmul(changes[-1], h, changes[-2])
        out: Tensor = self.head(h)
        return out.reshape(x.shape).to(x.dtype)


def _damped(layer: Linear, depth: int) -> Linear:
    """Scale a block's last layer so that the variance of the residual stream does not grow with the depth."""
    with torch.no_grad():
        layer.weight.div_(sqrt(depth))
    return layer
