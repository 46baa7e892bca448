"""A light critic on samples themselves, at any time of their way: what plays against a generator in a few methods.

    h <- silu( a(s,t) * (W h) + b(s,t) )      in each layer,      logits = W h

Of points dense layers; of images 3x3 convolutions, the later ones with stride 2 until a side is 4 or odd, and a logit for each
place that is left. It shares no feature with a metric; the critics of papers see those of a large network.
"""

from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import Conv2d, Linear, Mask, TimeEmbedding, at_least_float32, linear, modulation, told, zeroed

SIDE, MOST = 4, 4
"""Places on a side that have a logit, where halving comes to it; the widest layer in widths of the first."""


class Critic(nn.Module):
    """critic(x, s, t, condition=None, dropout=None) -> logits (B, places) in the dtype of x; s, t (B,). Zero before training.

    `width`: of the layers of points, and of the first one of images. No dropout.
    """

    def __init__(
        self, shape: tuple[int, ...], *, width: int | None = None, embedding: int = 64, time_scale: float = 4.0,
        classes: int = 0, augment: int = 0,
    ) -> None:
        super().__init__()
        self.classes, self.augment, images = classes, augment, len(shape) == 3
        self.widths = _doubled(width or 32, min(shape[1:])) if images else 3 * [width or 128]
        sizes = [shape[0], *self.widths]
        made = [_conv(a, b, 1 + (i > 0)) if images else linear(a, b) for i, (a, b) in enumerate(pairwise(sizes))]
        self.layers = nn.ModuleList(made)
        self.head = zeroed(Conv2d(sizes[-1], 1, 1) if images else Linear(sizes[-1], 1))
        self.time = TimeEmbedding(embedding, time_scale)
        self.label = Linear(classes + augment, embedding, bias=False) if classes + augment else None
        self.modulation = modulation(embedding, self.widths)

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        embedded, y = self.time(s, t), told(condition, self.classes, self.augment, s)
        if self.label is not None:
            embedded = embedded + self.label(y)
        changes = self.modulation(embedded).split([w for width in self.widths for w in (width, width)], 1)
        h = x
        for layer, a, b in zip(self.layers, changes[::2], changes[1::2], strict=True):
            h = at_least_float32(layer(h))
            h = F.silu(torch.addcmul(_beside(b, h), _beside(a, h), h))
        out: Tensor = self.head(h)
        return out.flatten(1).to(x.dtype)


def _doubled(width: int, side: int) -> list[int]:
    """Widths of the layers of images with that side: one, and one for each halving."""
    widths = [width]
    while side > SIDE and side % 2 == 0:
        widths.append(min(2 * widths[-1], MOST * width))
        side //= 2
    return widths


def _conv(inputs: int, outputs: int, stride: int) -> Conv2d:
    layer = Conv2d(inputs, outputs, 3, stride, padding=1)
    nn.init.normal_(layer.weight, std=1 / sqrt(9 * inputs))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _beside(change: Tensor, h: Tensor) -> Tensor:
    return change.reshape(change.shape + (1,) * (h.ndim - 2))
