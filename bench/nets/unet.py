"""A two-time U-Net of the DDPM++ class, written from the papers.

GroupNorm-SiLU-conv residual blocks whose second norm is scaled and shifted by time, last convolutions zero before
training, residual sums rescaled by 1/sqrt(2), skips from every encoder block to a decoder block, single-head attention
at chosen resolutions. Average pooling and nearest upsampling between the levels; all modulations come from one product.
The last decoder block of a level already has the width of the level above it. A neural operator mixes its time slots
after each block (`Backbone.operator`); `mixing` is empty otherwise.

Reference: Ho et al. (arXiv 2006.11239), Song et al. (arXiv 2011.13456, DDPM++), Dhariwal & Nichol (arXiv 2105.05233).
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import (
    KERNELS,
    Attention,
    Conv2d,
    GroupNorm,
    Kernel,
    Mask,
    Modulated,
    TimeEmbedding,
    affine,
    doubled,
    groups_of,
    keyed_dropout,
    mixed,
    modulation,
    normalized,
    recomputed,
    recomputed_in_forward_mode,
    scaled,
    zeroed,
)

Pass = Callable[..., Tensor]  # (f, *inputs) -> f(*inputs)


def plain(f: Pass, *inputs: Tensor) -> Tensor:
    """f(*inputs)."""
    return f(*inputs)


class Checkpoint(NamedTuple):
    """How norms with their activations, and how whole blocks are called."""

    norm: Pass
    block: Pass


CHECKPOINTS = {
    "none": Checkpoint(recomputed_in_forward_mode, plain), "norms": Checkpoint(recomputed, plain),
    "blocks": Checkpoint(plain, recomputed),
}


class UNet(Modulated):
    """net(x, s, t, condition=None, dropout=None) -> v, shape and dtype of x (B, C, H, W); s, t (B,), in any order.

    Level i has channels * multipliers[i] channels at the resolution H / 2^i, with `blocks` residual blocks down and
    blocks + 1 up. `attention` lists resolutions (heights); those that no level has are ignored. The lowest level
    attends once more in its middle, unless the list is empty. `embedding` defaults to 4 * channels. The output is zero
    before training. Dropout acts before each block's second convolution, under the names "block0", "block1", ...
    """

    def __init__(
        self, shape: tuple[int, ...], *, channels: int = 32, multipliers: Sequence[int] = (1, 2, 2), blocks: int = 2,
        attention: Sequence[int] = (8,), attention_kernel: str = "exact", dropout: float = 0.0,
        time_scale: float = 4.0, embedding: int | None = None, classes: int = 0, checkpoint: str = "none",
    ) -> None:
        super().__init__()
        sides = heights(shape, len(multipliers), "unet")
        widths = [channels * multiplier for multiplier in multipliers]
        made: list[Block] = []

        def block(inputs: int, outputs: int, attends: bool) -> Block:
            kernel = KERNELS[attention_kernel] if attends else None
            made.append(Block(inputs, outputs, dropout, f"block{len(made)}", kernel, CHECKPOINTS[checkpoint]))
            return made[-1]

        self.stem = conv(shape[0], widths[0])
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        width, skips = widths[0], [widths[0]]
        for level, outputs in enumerate(widths):
            if level:
                skips.append(width)
            for _ in range(blocks):
                self.encoder.append(block(width, outputs, sides[level] in attention))
                width = outputs
                skips.append(width)
        self.middle = block(width, width, len(attention) > 0)
        for level in reversed(range(len(widths))):
            for outputs in [widths[level]] * blocks + [widths[max(level - 1, 0)]]:
                self.decoder.append(block(width + skips.pop(), outputs, sides[level] in attention))
                width = outputs
        self.norm = GroupNorm(width)
        self.head = zeroed(conv(width, shape[0]))
        embedding = embedding or 4 * channels
        self.time = TimeEmbedding(embedding, time_scale, classes)
        self.widths = [b.width for b in made]
        self.modulation = modulation(embedding, self.widths)
        self.splits = [2 * width for width in self.widths]
        self.early = sum(self.splits[: len(self.encoder) + 1])
        self.blocks = blocks
        self.keep = CHECKPOINTS[checkpoint]
        self.mixing = nn.ModuleList()

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        changes = iter(torch.split(self.changes(s, t, condition), self.splits, dim=1))
        h = self.stem(x)
        skips = [h]
        for i, block in enumerate(self.encoder):
            if i and i % self.blocks == 0:
                h = F.avg_pool2d(h, 2)
                skips.append(h)
            h = mixed(self.mixing, i, block(h, next(changes), dropout))
            skips.append(h)
        done = len(self.encoder)
        h = mixed(self.mixing, done, self.middle(h, next(changes), dropout))
        for i, block in enumerate(self.decoder):
            if i and i % (self.blocks + 1) == 0:
                h = affine(doubled, doubled, h)
            h = mixed(self.mixing, done + 1 + i, block(torch.cat([h, skips.pop()], 1), next(changes), dropout))
        out: Tensor = self.head(self.keep.norm(lambda h: F.silu(self.norm(h)), h))
        return out.to(x.dtype)


class Block(nn.Module):
    """x -> (skip(x) + residual(x, time)) / sqrt(2), then the same with attention where a kernel is given."""

    def __init__(
        self, inputs: int, outputs: int, rate: float, name: str, kernel: Kernel | None, keep: Checkpoint
    ) -> None:
        super().__init__()
        self.width, self.rate, self.name, self.keep = outputs, rate, name, keep
        self.groups = groups_of(outputs)
        self.norm = GroupNorm(inputs)
        self.first = conv(inputs, outputs)
        self.second = zeroed(conv(outputs, outputs))
        self.skip = conv(inputs, outputs, size=1) if inputs != outputs else None
        self.attention = Attention(outputs, kernel) if kernel else None

    def forward(self, x: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        return self.keep.block(lambda x, change: self._residual(x, change, dropout), x, change)

    def _residual(self, x: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        scale, shift = change[:, :, None, None].chunk(2, dim=1)

        def modulated(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
            h = F.silu(torch.addcmul(shift, normalized(h, self.groups), scale).to(h.dtype))
            return keyed_dropout(h, self.rate, self.name, dropout)

        h: Tensor = self.first(self.keep.norm(lambda x: F.silu(self.norm(x)), x))
        h = self.second(self.keep.norm(modulated, h, scale, shift))
        h = scaled((x if self.skip is None else self.skip(x)) + h, sqrt(0.5))
        if self.attention is not None:
            h = scaled(h + self.attention(h), sqrt(0.5))
        return h


def conv(inputs: int, outputs: int, size: int = 3) -> Conv2d:
    """A convolution that keeps the resolution, and the variance of a white input; zero bias."""
    layer = Conv2d(inputs, outputs, size, padding=size // 2)
    nn.init.normal_(layer.weight, std=1 / sqrt(inputs * size**2))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def heights(shape: tuple[int, ...], levels: int, name: str) -> list[int]:
    """The resolution of each level. Raises ValueError for what is not an image or cannot be halved that often."""
    if len(shape) != 3:
        raise ValueError(f"backbone.name={name} needs images (C, H, W), and this data has shape {shape}: use mlp")
    divisor = 2 ** (levels - 1)
    if shape[1] % divisor or shape[2] % divisor:
        raise ValueError(
            f"backbone.multipliers has {levels} levels, which need sides divisible by {divisor}; "
            f"this data has {shape[1]} x {shape[2]}: use fewer multipliers"
        )
    return [shape[1] // 2**level for level in range(levels)]
