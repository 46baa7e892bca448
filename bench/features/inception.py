"""The Inception-v3 of FID: TensorFlow's 2015 network up to its 2,048 pooled features (Szegedy et al., arXiv 1512.00567).

It differs from torchvision's: average pools leave the padding out of the average, the last block pools by maximum, and there
are no auxiliary classes. Batch normalisation (no scale, epsilon 1e-3) is folded into the convolutions.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

WIDTH = 2048
EPSILON = 1e-3


class Convolution(NamedTuple):
    """What a file holds of one layer: weight (O, I, h, w), and beta, mean, var (O,) of its batch normalisation."""

    weight: Tensor
    beta: Tensor
    mean: Tensor
    var: Tensor


class Conv(nn.Module):
    """A convolution with its batch normalisation folded in, and a rectifier. side: int, or (height, width).

    averaged: as if its input were averaged over 3 x 3 before; the average of its output is the same, and of fewer channels.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int | tuple[int, int], stride: int = 1, padded: bool = True,
        averaged: bool = False,
    ) -> None:
        super().__init__()
        self.averaged = averaged
        h, w = (side, side) if isinstance(side, int) else side
        padding = (h // 2, w // 2) if padded else 0
        # No random start: it would cost a second, and draw from the global generator.
        self.conv: nn.Conv2d = skip_init(nn.Conv2d, inputs, outputs, (h, w), stride=stride, padding=padding)

    def fold(self, layer: Convolution) -> None:
        """Take over a layer's numbers."""
        scale = (layer.var.double() + EPSILON).rsqrt()
        self.conv.weight.copy_(layer.weight.double() * scale[:, None, None, None])
        assert self.conv.bias is not None
        self.conv.bias.copy_(layer.beta.double() - layer.mean.double() * scale)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.averaged:
            x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return F.relu_(x)


class Branches(nn.Module):
    """Several ways for the same input, their outputs side by side as channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _shrink() -> nn.Module:
    return nn.MaxPool2d(3, 2)


def _a(inputs: int, pooled: int) -> Branches:
    return Branches(
        Conv(inputs, 64, 1),
        nn.Sequential(Conv(inputs, 48, 1), Conv(48, 64, 5)),
        nn.Sequential(Conv(inputs, 64, 1), Conv(64, 96, 3), Conv(96, 96, 3)),
        Conv(inputs, pooled, 1, averaged=True),
    )


def _b(inputs: int) -> Branches:
    return Branches(
        Conv(inputs, 384, 3, stride=2, padded=False),
        nn.Sequential(Conv(inputs, 64, 1), Conv(64, 96, 3), Conv(96, 96, 3, stride=2, padded=False)),
        _shrink(),
    )


def _c(inputs: int, n: int) -> Branches:
    wide, tall = (1, 7), (7, 1)
    return Branches(
        Conv(inputs, 192, 1),
        nn.Sequential(Conv(inputs, n, 1), Conv(n, n, wide), Conv(n, 192, tall)),
        nn.Sequential(Conv(inputs, n, 1), Conv(n, n, tall), Conv(n, n, wide), Conv(n, n, tall), Conv(n, 192, wide)),
        Conv(inputs, 192, 1, averaged=True),
    )


def _d(inputs: int) -> Branches:
    return Branches(
        nn.Sequential(Conv(inputs, 192, 1), Conv(192, 320, 3, stride=2, padded=False)),
        nn.Sequential(Conv(inputs, 192, 1), Conv(192, 192, (1, 7)), Conv(192, 192, (7, 1)),
                      Conv(192, 192, 3, stride=2, padded=False)),
        _shrink(),
    )


def _e(inputs: int, pooled: nn.Module) -> Branches:
    def both() -> Branches:
        return Branches(Conv(384, 384, (1, 3)), Conv(384, 384, (3, 1)))

    return Branches(
        Conv(inputs, 320, 1),
        nn.Sequential(Conv(inputs, 384, 1), both()),
        nn.Sequential(Conv(inputs, 448, 1), Conv(448, 384, 3), both()),
        pooled,
    )


class Inception(nn.Module):
    """Frozen, float32, in channels-last memory (on a CPU about half the time of the usual order)."""

    def __init__(self, layers: Sequence[Convolution]) -> None:
        """layers: all 94 convolutions, in the order of `convolutions`."""
        super().__init__()
        self.blocks = nn.Sequential(
            Conv(3, 32, 3, stride=2, padded=False), Conv(32, 32, 3, padded=False), Conv(32, 64, 3), _shrink(),
            Conv(64, 80, 1), Conv(80, 192, 3, padded=False), _shrink(),
            _a(192, 32), _a(256, 64), _a(288, 64), _b(288),
            _c(768, 128), _c(768, 160), _c(768, 160), _c(768, 192), _d(768),
            _e(1280, Conv(1280, 192, 1, averaged=True)), _e(2048, nn.Sequential(nn.MaxPool2d(3, 1, 1), Conv(2048, 192, 1))),
        )  # fmt: skip
        self.requires_grad_(False)
        for conv, layer in zip(self.convolutions(), layers, strict=True):
            conv.fold(layer)
        self.eval().to(memory_format=torch.channels_last)

    def convolutions(self) -> Iterator[Conv]:
        """In the order of the blocks, branch after branch, within a branch from its input to its output."""
        return (module for module in self.modules() if isinstance(module, Conv))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, 2048) of normalised images (B, 3, 299, 299)."""
        out: Tensor = self.blocks(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))
        return out
