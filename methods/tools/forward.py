"""Forward mode: a function's value and its derivative along a direction, in one pass."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad


def jvp(f: Callable[..., Tensor], primals: Sequence[Tensor], tangents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """f(*primals) and its derivative along `tangents`, of the shape of the value; reverse mode goes through both.

    Dual tensors and not `torch.func.jvp`, which wraps them: what is saved for the backward pass can then be recomputed
    (bench/layers/recompute.py). It does not nest.
    """
    with forward_ad.dual_level() as level:
        duals = [forward_ad.make_dual(p, t, level=level)  # type: ignore[no-untyped-call]
                 for p, t in zip(primals, tangents, strict=True)]
        value, tangent = forward_ad.unpack_dual(f(*duals), level=level)
    return value, torch.zeros_like(value) if tangent is None else tangent


def softmax(x: Tensor, dim: int) -> Tensor:
    """torch.softmax, with a backward pass through its tangent: PyTorch's formula for that writes over what it has kept."""
    value, tangent = forward_ad.unpack_dual(x)
    if tangent is None:
        return torch.softmax(x, dim)
    p = torch.softmax(value, dim)
    dual: Tensor = forward_ad.make_dual(p, p * (tangent - (p * tangent).sum(dim, keepdim=True)))  # type: ignore[no-untyped-call]
    return dual
