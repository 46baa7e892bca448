"""The precision of a network's passes: products in bfloat16 where a network is lowered, and float32 where it matters.

A lowered network runs its convolutions and matrix products in bfloat16 and hands those tensors on. Its time embedding and
modulations, its norms, softmax and spectral mixing run in float32, and so does all that happens outside of it: losses,
gradients of parameters, optimizer and averages. A network that is not lowered runs in its parameters' precision, whatever
autocast its caller has on.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Forward = TypeVar("Forward", bound=Callable[..., Tensor])


class Lowerable(nn.Module):
    """What can be lowered. Its `forward` is decorated with `in_its_precision`."""

    lowered = False


def in_its_precision(forward: Forward) -> Forward:
    """The same `forward(self, x, ...)` under autocast to bfloat16 if the network is lowered, and without autocast if not."""

    @wraps(forward)
    def run(self: Lowerable, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.lowered):
            return forward(self, x, *args, **kwargs)

    return run  # type: ignore[return-value]


def no_autocast(x: Tensor) -> AbstractContextManager[None]:
    """What runs inside the block runs in the precision of its tensors."""
    return torch.autocast(x.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """x, in float32 if it is of less."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
