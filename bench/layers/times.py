"""The embedding of times and labels in the published U-Nets, and of a second time beside them.

    silu( W_2 silu( W_1 (e(s) + G (e(t-s) - e(0)) + A a + L y) ) ),     e(t) = [sin(w t), cos(w t)]

G is the one layer that the published networks of one time do not have. On the diagonal what it takes is exactly zero, and so
is its weight before training: a network trained at s = t only does not depend on t at all, as with `TimeEmbedding`.

Reference: Karras et al. (arXiv 2206.00364), the code of its networks; Song et al. (arXiv 2011.13456); Dhariwal & Nichol
(arXiv 2105.05233). They embed ln(sigma) / 4 of one noise level, which is infinite at both ends of our clock.
"""

from math import pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers.affine import Linear, affine
from bench.layers.blocks import angles, zeroed
from bench.layers.labels import told

PERIOD = 10_000.0


def half(channels: int) -> int:
    """How many frequencies `channels` features have. Raises ValueError for an odd number of them."""
    if channels % 2:
        raise ValueError(f"backbone.channels must be an even number, sines and cosines, got {channels}")
    return channels // 2


def positional(count: int, endpoint: bool) -> Tensor:
    """`count` angular frequencies in geometric progression from 1 down to 1 / PERIOD; without the `endpoint`, to above it."""
    return PERIOD ** -(torch.arange(count) / max(count - endpoint, 1))


def fourier(count: int, scale: float) -> Tensor:
    """`count` random angular frequencies, normal with the standard deviation 2 pi `scale`."""
    return 2 * pi * scale * torch.empty(count).normal_()


class Times(nn.Module):
    """times(s, t, condition=None) -> (B, width), for s, t (B,) and a `condition` as in bench/layers/labels.py.

    late: y enters behind W_2, without a bias, and not scaled by the root of `classes`. `gap` is G. The frequencies are part
    of the state, for they may be random.
    """

    frequencies: Tensor

    def __init__(self, frequencies: Tensor, width: int, classes: int = 0, augment: int = 0, late: bool = False) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        features = 2 * len(frequencies)
        self.classes, self.augments, self.late = classes, augment, late
        self.first, self.second = Linear(features, width), Linear(width, width)
        self.gap = zeroed(Linear(features, features, bias=False))
        self.label = Linear(classes, width if late else features, bias=not late) if classes else None
        self.augment = Linear(augment, features, bias=False) if augment else None

    def forward(self, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        y, a = torch.split(told(condition, self.classes, self.augments, s), [self.classes, self.augments], 1)
        angle, turn = (angles(time, self.frequencies) for time in (s, t - s))
        turned = affine(lambda c: c - 1, lambda dc: dc, turn.cos())
        h = torch.cat([angle.sin(), angle.cos()], 1) + self.gap(torch.cat([turn.sin(), turned], 1))
        if self.augment is not None:
            h = h + self.augment(a)
        if self.label is not None and not self.late:
            h = h + self.label(sqrt(self.classes) * y)
        h = self.second(F.silu(self.first(h)))
        if self.label is not None and self.late:
            h = h + self.label(y)
        return F.silu(h)
