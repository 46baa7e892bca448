"""A network of a plan and a style: the way through, which DDPM++, NCSN++ and ADM have in common."""

from collections.abc import Iterator
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import KERNELS, Conv2d, GroupNorm, Linear, Mask, Modulated, Times, mixed, scaled, zeroed
from bench.nets.plan import Plan
from bench.nets.residual import Block, Style, filled
from bench.nets.unet import CHECKPOINTS


class PublishedUNet(Modulated):
    """net(x, s, t, condition=None, dropout=None) -> v, shape and dtype of x (B, C, H, W); s, t (B,), in any order.

    `condition` is as in bench/layers/labels.py. Parameters but those of `time.gap`, which a second time needs, are as many as
    in the published network of one time. Unlike there the last convolution, and so the output, is zero before training.
    Dropout acts before each block's second convolution, under the names "block0", "block1", ...; a neural operator mixes its
    time slots after each block (`Backbone.operator`), and `mixing` is empty otherwise. `sides` see the image once more on
    each lower level (NCSN++).
    """

    def __init__(
        self, channels: int, plan: Plan, style: Style, time: Times, dropout: float, kernel: str, checkpoint: str
    ) -> None:
        super().__init__()
        self.time, self.keep = time, CHECKPOINTS[checkpoint]
        self.stem = filled(Conv2d(channels, plan.stem, 3, padding=1), style.fill.most)
        down, up = list(plan.down()), list(plan.up())
        blocks = [Block(place, style, dropout, f"block{i}", KERNELS[kernel], self.keep) for i, place in enumerate(down + up)]
        self.encoder, self.decoder = nn.ModuleList(blocks[: len(down)]), nn.ModuleList(blocks[len(down) :])
        self.norm = GroupNorm(plan.widths[0], style.eps)
        self.head = zeroed(Conv2d(plan.widths[0], channels, 3, padding=1))
        self.widths = [block.width for block in blocks]
        self.splits = [(1 + style.adaptive) * width for width in self.widths]
        self.early = sum(self.splits[: len(down) + 2])  # the way up begins with two blocks in the middle
        self.modulation = _modulation(time.second.out_features, self.splits, style)
        self.joins, self.halves = [place.joins for place in up], [place.size == "down" for place in down]
        self.sides, self.mixing = nn.ModuleList(), nn.ModuleList()

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        changes = iter(torch.split(self.changes(s, t, condition), self.splits, dim=1))
        h, left = self._down(x, changes, dropout)
        done = len(self.encoder)
        for i, block in enumerate(self.decoder):
            h = torch.cat([h, left.pop()], 1) if self.joins[i] else h
            h = mixed(self.mixing, done + i, block(h, next(changes), dropout))
        out: Tensor = self.head(self.keep.norm(lambda h: F.silu(self.norm(h)), h))
        return out.to(x.dtype)

    def _down(self, x: Tensor, changes: Iterator[Tensor], dropout: Mask | None) -> tuple[Tensor, list[Tensor]]:
        """The lowest level, and what the way down has left for the way up."""
        h, side, sides = self.stem(x), x, iter(self.sides)
        left = [h]
        for i, block in enumerate(self.encoder):
            h = mixed(self.mixing, i, block(h, next(changes), dropout))
            if len(self.sides) and self.halves[i]:
                h = side = scaled(h + next(sides)(side), sqrt(0.5))
            left.append(h)
        return h, left


def _modulation(inputs: int, splits: list[int], style: Style) -> Linear:
    """One product for what the times change in all blocks; each part begins as a layer of its own, scales about 1."""
    layer = Linear(inputs, sum(splits))
    with torch.no_grad():
        for weight, bias in zip(torch.split(layer.weight, splits), torch.split(layer.bias, splits), strict=True):
            part = filled(Linear(inputs, len(bias)), style.fill.most)
            weight.copy_(part.weight)
            bias.copy_(part.bias)
            if style.adaptive:
                bias[: len(bias) // 2] += 1
    return layer
