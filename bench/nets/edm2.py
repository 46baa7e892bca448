"""The magnitude-preserving U-Net of EDM2 with two times, as the self-distillation paper trains it on images.

Every weight has rows of norm 1 (bench/layers/magnitude.py); there are no biases and no norms with parameters, and a channel of
ones beside the image takes their part. Encoder blocks normalise each pixel; all blocks add a residual and an attention with
cosines of 64 channels a head at 3 : 7. Time enters as one factor a channel, 1 before training. v = d net(x / d, s, t - s) with
the data's standard deviation d. As published, a network that was trained at s = t only does see both times.

With `published` it is EDM2's own network of one time, whose weights it takes, and a second time beside it that starts at zero.

Published are 54,673,314 parameters on CIFAR-10 and 124,264,485 at 64 pixels: those here and the 128 of the learned loss weight
(bench/layers/weight.py).

Reference: Karras et al. (arXiv 2312.02696), configuration G; two times: Boffi et al. (arXiv 2505.18825), appendix.
"""

from collections.abc import Callable, Sequence
from math import pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import (
    FLOOR,
    KERNELS,
    Kernel,
    Mask,
    Modulated,
    MPConv,
    MPLinear,
    added_norm,
    affine,
    angles,
    at_least_float32,
    doubled,
    fourier,
    keyed_dropout,
    mixed,
    mp_cat,
    mp_silu,
    mp_sum,
    one_hot,
    pixel_norm,
    positional,
    scaled,
)
from bench.nets.residual import heads_of
from bench.nets.unet import CHECKPOINTS, Checkpoint, heights

BALANCE = 0.3  # of a residual in a sum
LARGEST = 256.0  # activation that a block hands on
HEAD = 64  # channels of an attention head


class EDM2(Modulated):
    """net(x, s, t, condition=None, dropout=None) -> v, shape and dtype of x (B, C, H, W); s, t (B,), in any order.

    Level i has channels * multipliers[i] channels at the resolution H / 2^i, with `blocks` residual blocks down and
    blocks + 1 up, besides one that changes the resolution and two at the bottom. `attention` lists resolutions (heights);
    those that no level has are ignored. The first block at the bottom attends too, unless the list is empty. The output is
    zero before training. Dropout acts before each block's second convolution, under the names "block0", "block1", ...
    published: embedding and norms are those of EDM2's released networks (`PublishedTime`, `added_norm`).
    """

    def __init__(
        self, shape: tuple[int, ...], *, channels: int = 128, multipliers: Sequence[int] = (2, 2, 2), blocks: int = 4,
        attention: Sequence[int] = (16,), attention_kernel: str = "exact", dropout: float = 0.13,
        time_scale: float = 1.0, data_scale: float = 0.5, classes: int = 0, checkpoint: str = "none",
        published: bool = False,
    ) -> None:
        super().__init__()
        sides, levels = heights(shape, len(multipliers), "edm2"), [channels * multiplier for multiplier in multipliers]
        made: list[Block] = []

        def block(
            inputs: int, outputs: int, encodes: bool, attends: bool = False, resampled: Resampling | None = None
        ) -> Block:
            kernel = KERNELS[attention_kernel] if attends else None
            keep, name = CHECKPOINTS[checkpoint], f"block{len(made)}"
            norm = added_norm if published else pixel_norm
            made.append(Block(inputs, outputs, encodes, resampled, dropout, name, kernel, keep, norm))
            return made[-1]

        self.stem = MPConv(shape[0] + 1, levels[0], 3)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        width, skips = levels[0], [levels[0]]
        for level, outputs in enumerate(levels):
            if level:
                self.encoder.append(block(width, width, True, resampled=halved))
                skips.append(width)
            for _ in range(blocks):
                self.encoder.append(block(width, outputs, True, sides[level] in attention))
                width = outputs
                skips.append(width)
        self.decoder.extend([block(width, width, False, len(attention) > 0), block(width, width, False)])
        for level in reversed(range(len(levels))):
            if level < len(levels) - 1:
                self.decoder.append(block(width, width, False, resampled=doubled))
            for _ in range(blocks + 1):
                self.decoder.append(block(width + skips.pop(), levels[level], False, sides[level] in attention))
                width = levels[level]
        self.head = MPConv(width, shape[0], 3, gain=True)
        self.time = (PublishedTime if published else MPTime)(levels[0], max(levels), time_scale, classes)
        self.widths = [b.width for b in made]
        self.modulation = MPLinear(max(levels), sum(self.widths))
        self.early = sum(self.widths[: len(self.encoder) + 2])  # with the two blocks at the bottom
        self.scale = data_scale
        self.mixing = nn.ModuleList()
        for layer in self.modules():
            if published and isinstance(layer, MPLinear | MPConv):
                layer.floor = FLOOR

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        changes = torch.split(self.changes(s, t, condition), self.widths, dim=1)
        h = self.stem(torch.cat([scaled(x, 1 / self.scale), torch.ones_like(x[:, :1])], 1))
        skips, done = [h], len(self.encoder)
        for i, block in enumerate(self.encoder):
            h = mixed(self.mixing, i, block(h, changes[i], dropout))
            skips.append(h)
        for i, block in enumerate(self.decoder, done):
            joined = mp_cat(h, skips.pop()) if block.inputs > h.shape[1] else h
            h = mixed(self.mixing, i, block(joined, changes[i], dropout))
        return scaled(at_least_float32(self.head(h)), self.scale).to(x.dtype)


Resampling = Callable[[Tensor], Tensor]
Norm = Callable[[Tensor, int], Tensor]


class Block(nn.Module):
    """x -> the sum of x and a residual that time scales, then the same with attention where a kernel is given.

    An encoder's block changes the number of channels and normalises pixels before the residual branches off; a decoder's
    changes them beside it.
    """

    def __init__(
        self, inputs: int, outputs: int, encodes: bool, resampled: Resampling | None, rate: float, name: str,
        kernel: Kernel | None, keep: Checkpoint, norm: Norm,
    ) -> None:
        super().__init__()
        self.inputs, self.width, self.encodes, self.resampled = inputs, outputs, encodes, resampled
        self.rate, self.name, self.keep, self.norm = rate, name, keep, norm
        self.skip = MPConv(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.first = MPConv(outputs if encodes else inputs, outputs, 3)
        self.second = MPConv(outputs, outputs, 3)
        self.gain = nn.Parameter(torch.zeros(()))
        self.attention = CosineAttention(outputs, kernel, norm) if kernel else None

    def forward(self, x: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        return self.keep.block(lambda x, change: self._residual(x, change, dropout), x, change)

    def _residual(self, x: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        x = x if self.resampled is None else self.resampled(x)
        x = self.keep.norm(lambda x: self.norm(x, 1), self.skip(x)) if self.encodes else x
        factor = affine(lambda c: 1 + self.gain * c, lambda dc: self.gain * dc, change[:, :, None, None], self.gain)

        def modulated(h: Tensor, factor: Tensor) -> Tensor:
            return keyed_dropout(mp_silu(h * factor.to(h.dtype)), self.rate, self.name, dropout)

        h: Tensor = self.second(self.keep.norm(modulated, self.first(self.keep.norm(mp_silu, x)), factor))
        x = mp_sum(x if self.encodes else self.skip(x), h, BALANCE)
        if self.attention is not None:
            x = mp_sum(x, self.attention(x), BALANCE)
        return x.clamp(-LARGEST, LARGEST)


class CosineAttention(nn.Module):
    """Self-attention over the pixels of (B, C, H, W), without the residual; queries, keys and values are normalised."""

    def __init__(self, channels: int, kernel: Kernel, norm: Norm) -> None:
        super().__init__()
        self.kernel, self.norm = kernel, norm
        self.heads = heads_of(channels, HEAD)
        self.qkv = MPConv(channels, 3 * channels, 1)
        self.project = MPConv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).reshape(x.shape[0], 3 * self.heads, x.shape[1] // self.heads, -1)
        q, k, v = self.norm(parts, 2).transpose(2, 3).chunk(3, dim=1)  # (B, heads, pixels, channels of a head)
        out: Tensor = self.project(self.kernel(q, k, v).transpose(2, 3).reshape(x.shape))
        return out


class MPTime(nn.Module):
    """mp_silu of the sum of linear maps of e(s), of e(t-s) and, with classes, of the class: (B,), (B,) -> (B, width).

    e is sinusoidal with angular frequencies from `scale` down to scale / 10000. The null class is zero, and
    `condition` None is it.
    """

    frequencies: Tensor

    def __init__(self, channels: int, width: int, scale: float, classes: int) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"backbone.channels x backbone.multipliers[0] must be even for the time embedding, got {channels}")
        self.register_buffer("frequencies", scale * positional(channels // 2, endpoint=False), persistent=False)
        self.classes = classes
        self.start, self.gap = MPLinear(channels, width), MPLinear(channels, width)
        self.label = MPLinear(classes, width) if classes else None

    def forward(self, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self._summed(s, t)
        if self.label is None:
            if condition is not None:
                raise ValueError("the network was built without classes (backbone.classes=0) and got class labels")
            return mp_silu(h)
        if condition is None:
            return mp_silu(scaled(h, sqrt(0.5)))
        labels = one_hot(condition, self.classes).to(h.dtype)
        return mp_silu(mp_sum(h, self.label(labels * sqrt(self.classes))))

    def _summed(self, s: Tensor, t: Tensor) -> Tensor:
        return mp_sum(self.start(self._embedded(s)), self.gap(self._embedded(t - s)))

    def _embedded(self, time: Tensor) -> Tensor:
        angle = angles(time, self.frequencies)
        return scaled(torch.cat([angle.cos(), angle.sin()], 1), sqrt(2))


class PublishedTime(MPTime):
    """EDM2's e, cosines of random frequencies and phases, which are part of the state, and a gap that starts at zero:
    the linear map of e(s), and `gain` times that of e(t-s) - e(0)."""

    phases: Tensor

    def __init__(self, channels: int, width: int, scale: float, classes: int) -> None:
        super().__init__(channels, width, scale, classes)
        self.register_buffer("frequencies", scale * fourier(channels, 1.0))
        self.register_buffer("phases", 2 * pi * torch.empty(channels).uniform_())
        self.gain = nn.Parameter(torch.zeros(()))

    def _summed(self, s: Tensor, t: Tensor) -> Tensor:
        turned = self._embedded(t - s) - scaled(self.phases.cos(), sqrt(2))
        h: Tensor = self.start(self._embedded(s)) + self.gain * self.gap(turned)
        return h

    def _embedded(self, time: Tensor) -> Tensor:
        angle = affine(lambda a: a + self.phases, lambda da: da, angles(time, self.frequencies))
        return scaled(angle.cos(), sqrt(2))


def halved(h: Tensor) -> Tensor:
    """Average pooling of (B, C, H, W) to half the resolution."""
    return F.avg_pool2d(h, 2)
