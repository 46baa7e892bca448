"""Forward mode through affine maps, without PyTorch's products by zero.

The derivative of a product has a term for each factor. For a factor without a tangent - a weight, a constant - PyTorch
multiplies by zeros all the same: under forward mode a linear layer or a convolution costs three products, not two, and a
product with a number many times its own time on a CPU. The tangent of an affine map is its linear part of the tangent;
said so, the values are the same.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.forward_ad import make_dual, unpack_dual

Map = Callable[[Tensor], Tensor]


def affine(f: Map, linear: Map, x: Tensor, *constants: Tensor | None) -> Tensor:
    """f(x) for an affine f with the linear part `linear`, differentiable in every mode.

    `constants` are the tensors that f closes over. Where one of them moves too, f is differentiated by PyTorch.
    """
    try:
        value, tangent = unpack_dual(x)
        moving = any(c is not None and unpack_dual(c).tangent is not None for c in constants)
    except RuntimeError:  # a vmap inside of forward mode: it has no rule for looking at tangents
        return f(x)
    if tangent is None or moving:
        return f(x)
    pair: Tensor = make_dual(f(value), linear(tangent))  # type: ignore[no-untyped-call]
    return pair


def scaled(x: Tensor, factor: float) -> Tensor:
    """factor * x."""
    return affine(lambda x: x * factor, lambda dx: dx * factor, x)


class Linear(nn.Linear):
    """nn.Linear; `lowered`: in bfloat16 (bench/layers/precision.py)."""

    lowered = False

    def forward(self, x: Tensor) -> Tensor:
        x, weight, bias = _operands(self, x)
        return affine(lambda x: F.linear(x, weight, bias), lambda dx: F.linear(dx, weight), x, weight, bias)


class Conv2d(nn.Conv2d):
    """nn.Conv2d; `lowered`: in bfloat16 (bench/layers/precision.py)."""

    lowered = False

    def forward(self, x: Tensor) -> Tensor:
        x, weight, bias = _operands(self, x)
        return affine(
            lambda x: self._conv_forward(x, weight, bias), lambda dx: self._conv_forward(dx, weight, None), x, weight, bias
        )


def _operands(layer: Linear | Conv2d, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    if not layer.lowered:
        return x, layer.weight, layer.bias
    bias = None if layer.bias is None else layer.bias.to(torch.bfloat16)
    return x.to(torch.bfloat16), layer.weight.to(torch.bfloat16), bias
