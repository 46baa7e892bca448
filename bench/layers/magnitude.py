"""Layers and sums that keep magnitudes: unit variance in, unit variance out.

A weight is a direction for each output: it is normalised where it is used, so its length has no effect, and written back to
its sphere after every optimizer step (`project`), so that the learning rate alone says how far a step turns it. The
paper's small constant in the norm of a weight is left out: projecting then changes nothing but rounding. Layers of a network
that was trained with it have it as their `floor`.

Reference: Karras et al. (arXiv 2312.02696), equations 47, 66, 81, 88 and 103.
"""

from collections.abc import Callable
from math import prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers.affine import Conv2d, Linear, affine, scaled
from bench.layers.precision import at_least_float32

FLOOR = 1e-4  # of a pixel's magnitude
SILU = 0.596  # the root mean square of silu of a standard normal


class MPLinear(Linear):
    """x -> W x with rows of W of norm 1; `lowered`: in bfloat16. floor: added to the root mean square of a row."""

    floor = 0.0

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return _applied(F.linear, x, _directions(self.weight, self.floor), self.lowered)


class MPConv(Conv2d):
    """A convolution that keeps the resolution, with filters of norm 1; with `gain` times one factor that starts at zero.
    floor: as of `MPLinear`."""

    floor = 0.0

    def __init__(self, inputs: int, outputs: int, size: int, gain: bool = False) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2, bias=False)
        nn.init.normal_(self.weight)
        self.gain = nn.Parameter(torch.zeros(())) if gain else None

    def forward(self, x: Tensor) -> Tensor:
        weight = _directions(self.weight, self.floor)
        weight = weight if self.gain is None else weight * self.gain
        return _applied(lambda x, w: F.conv2d(x, w, padding=self.padding), x, weight, self.lowered)


@torch.no_grad()
def project(net: nn.Module) -> None:
    """Put the trained weights of such layers in `net` on their spheres, a mean square of 1 for every output. The network stays
    the same function, up to a floor's share; frozen weights stay as they are."""
    for layer in net.modules():
        if isinstance(layer, MPLinear | MPConv) and layer.weight.requires_grad:
            layer.weight.copy_(_directions(layer.weight) * sqrt(prod(layer.weight.shape[1:])))


def mp_silu(x: Tensor) -> Tensor:
    """silu, of unit magnitude for standard normal inputs."""
    return scaled(F.silu(x), 1 / SILU)


def mp_sum(a: Tensor, b: Tensor, share: float = 0.5) -> Tensor:
    """a and b in the proportion 1 - share : share, of unit magnitude where they are and do not depend on each other."""
    size = sqrt((1 - share) ** 2 + share**2)
    return scaled(a, (1 - share) / size) + scaled(b, share / size)


def mp_cat(a: Tensor, b: Tensor) -> Tensor:
    """a and b along their channels, of equal weight in what follows whatever their numbers of channels."""
    size = sqrt((a.shape[1] + b.shape[1]) / 2)
    return torch.cat([scaled(a, size / sqrt(a.shape[1])), scaled(b, size / sqrt(b.shape[1]))], 1)


def pixel_norm(x: Tensor, dim: int = 1) -> Tensor:
    """x over its root mean square along `dim`, computed in float32 at least and returned in the dtype of x."""
    wide = at_least_float32(x)
    return (wide * (wide.square().mean(dim, keepdim=True) + FLOOR**2).rsqrt()).to(x.dtype)


def added_norm(x: Tensor, dim: int = 1) -> Tensor:
    """`pixel_norm` with the floor beside the root mean square, as EDM2's released networks have it."""
    wide = at_least_float32(x)
    size: Tensor = torch.linalg.vector_norm(wide, dim=dim, keepdim=True) / sqrt(x.shape[dim])
    return (wide / (size + FLOOR)).to(x.dtype)


def _directions(weight: Tensor, floor: float = 0.0) -> Tensor:
    norm = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
    norm = norm + floor * sqrt(prod(weight.shape[1:])) if floor else norm
    unit: Tensor = weight / norm.clamp(min=torch.finfo(weight.dtype).tiny)
    return unit


def _applied(product: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor, lowered: bool) -> Tensor:
    if lowered:
        x, weight = x.to(torch.bfloat16), weight.to(torch.bfloat16)

    def linear(x: Tensor) -> Tensor:
        return product(x, weight)

    return affine(linear, linear, x, weight)
