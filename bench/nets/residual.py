"""The residual block of the published U-Nets, and what tells those of one network from another's.

    h = conv( resample( silu( norm(x) ) ) )
    h = silu( norm(h + b) )  or  silu( a norm(h) + b ),     a and b of the times
    x <- c (skip(x) + conv( dropout(h) )),     then  x <- c (x + attention(x))  where it attends
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import Attention, Conv2d, Down, GroupNorm, Kernel, Linear, Mask, Up, at_least_float32, keyed_dropout, scaled
from bench.nets.unet import Checkpoint

Layer = TypeVar("Layer", Linear, Conv2d)
RESAMPLED: dict[str, Callable[[str], nn.Module]] = {"same": lambda filter: nn.Identity(), "down": Down, "up": Up}


class Fill(NamedTuple):
    """How the weights of layers begin: most, the last of a block, and those of attention but its last."""

    most: Callable[[Linear | Conv2d], object]
    last: Callable[[Linear | Conv2d], object]
    attention: Callable[[Linear | Conv2d], object]


class Style(NamedTuple):
    """What all blocks of a network have in common.

    eps: of group norms. scale: c, which keeps the variance or is 1. adaptive: times scale and shift behind the second norm,
    where others shift before it. project: the skip of a block that resamples is a 1 x 1 convolution even where the width
    stays. head: channels of a head of attention; None: one head. filter: of bench/layers/resample.py.
    """

    eps: float
    scale: float
    adaptive: bool
    project: bool
    head: int | None
    filter: str
    fill: Fill


class Place(NamedTuple):
    """Where a block stands. size: same, down or up. joins: it also takes what a block of the encoder left."""

    inputs: int
    outputs: int
    size: str = "same"
    attends: bool = False
    joins: bool = False


class Block(nn.Module):
    """block(x, change, dropout) -> x: change is (B, 2 x width), scales and shifts, or (B, width), shifts, of the times."""

    def __init__(self, place: Place, style: Style, rate: float, name: str, kernel: Kernel, keep: Checkpoint) -> None:
        super().__init__()
        (inputs, outputs, size, attends, _), fill = place, style.fill
        self.style, self.width, self.rate, self.name, self.keep = style, outputs, rate, name, keep
        self.norm = GroupNorm(inputs, style.eps)
        self.resample = RESAMPLED[size](style.filter)
        self.first = filled(Conv2d(inputs, outputs, 3, padding=1), fill.most)
        self.norm_again = GroupNorm(outputs, style.eps)
        self.second = filled(Conv2d(outputs, outputs, 3, padding=1), fill.last)
        projects = inputs != outputs or (style.project and size != "same")
        self.skip = filled(Conv2d(inputs, outputs, 1), fill.most) if projects else None
        self.attention = _attention(outputs, style, kernel) if attends else None

    def forward(self, x: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        return self.keep.block(lambda x, change: self._changed(x, change, dropout), x, change)

    def _changed(self, x: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        def resampled(x: Tensor) -> Tensor:
            h: Tensor = self.resample(F.silu(self.norm(x)))
            return h

        def timed(h: Tensor, change: Tensor) -> Tensor:
            timed = self._scaled(h, change) if self.style.adaptive else self.norm_again(at_least_float32(h) + change)
            return keyed_dropout(F.silu(timed.to(h.dtype)), self.rate, self.name, dropout)

        h: Tensor = self.first(self.keep.norm(resampled, x))
        h = self.second(self.keep.norm(timed, h, change[:, :, None, None]))
        x = self.resample(x)
        h = self._sum(x if self.skip is None else self.skip(x), h)
        return h if self.attention is None else self._sum(h, self.attention(h))

    def _scaled(self, h: Tensor, change: Tensor) -> Tensor:
        """a (w norm(h) + v) + b, the norm's own w and v taken together with a and b before they meet what is large."""
        norm, (scale, shift) = self.norm_again, change.chunk(2, dim=1)
        white = F.group_norm(at_least_float32(h), norm.groups, eps=norm.eps)
        return torch.addcmul(norm.bias * scale + shift, white, norm.weight * scale)

    def _sum(self, x: Tensor, h: Tensor) -> Tensor:
        return x + h if self.style.scale == 1 else scaled(x + h, self.style.scale)


def filled(layer: Layer, fill: Callable[[Linear | Conv2d], object]) -> Layer:
    """The layer, after `fill`."""
    fill(layer)
    return layer


def _attention(width: int, style: Style, kernel: Kernel) -> Attention:
    attention = Attention(width, kernel, heads_of(width, style.head), style.eps)
    style.fill.attention(attention.qkv)
    style.fill.last(attention.project)
    return attention


def heads_of(width: int, head: int | None) -> int:
    """How many heads of `head` channels, or of more where that does not divide the width."""
    most = 1 if head is None else max(width // head, 1)
    return max(n for n in range(1, most + 1) if width % n == 0)
