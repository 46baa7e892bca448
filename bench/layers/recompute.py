"""Activation checkpointing that goes through forward mode.

A dual tensor is a value and a tangent. What is checkpointed takes and gives both as plain tensors, so that PyTorch's
checkpoint sees an ordinary function, which makes its duals itself when it runs again in the backward pass.
"""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

Call = Callable[..., Tensor]


def recomputed(f: Call, *inputs: Tensor) -> Tensor:
    """f(*inputs), of which the backward pass keeps the inputs and computes the rest once more.

    f is deterministic. Inside of `torch.func`'s transforms and of a compiled graph, which decides for itself what to keep,
    it is a plain call. Under forward mode the gradients of shared parameters are summed in another order.
    """
    if not _can_be():
        return f(*inputs)
    if any(forward_ad.unpack_dual(x).tangent is not None for x in inputs):
        return _recomputed_dual(f, *inputs)
    out: Tensor = checkpoint(f, *inputs, use_reentrant=False, preserve_rng_state=False)
    return out


def recomputed_in_forward_mode(f: Call, *inputs: Tensor) -> Tensor:
    """f(*inputs), and `recomputed` where a tangent is carried along.

    A norm's tangent keeps several times what the norm keeps, and computing it again costs no more than writing it.
    """
    if _can_be() and any(forward_ad.unpack_dual(x).tangent is not None for x in inputs):
        return _recomputed_dual(f, *inputs)
    return f(*inputs)


def _can_be() -> bool:
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    return torch.is_grad_enabled() and not torch.compiler.is_compiling() and not transformed


def _recomputed_dual(f: Call, *inputs: Tensor) -> Tensor:
    values, tangents = zip(*(forward_ad.unpack_dual(x) for x in inputs), strict=True)
    moving = [i for i, tangent in enumerate(tangents) if tangent is not None]
    levels = [nullcontext()]  # that of the forward pass is open; each run in a backward pass opens its own

    def both(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        with levels.pop() if levels else forward_ad.dual_level():
            arguments = list(tensors[: len(inputs)])
            for i, tangent in zip(moving, tensors[len(inputs) :], strict=True):
                arguments[i] = forward_ad.make_dual(arguments[i], tangent)  # type: ignore[no-untyped-call]
            value, tangent = forward_ad.unpack_dual(f(*arguments))
            return value, tangent

    pair = checkpoint(both, *values, *(tangents[i] for i in moving), use_reentrant=False, preserve_rng_state=False)
    dual: Tensor = forward_ad.make_dual(*pair)  # type: ignore[no-untyped-call]
    return dual
