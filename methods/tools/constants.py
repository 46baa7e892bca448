"""Grids, tables and the like that a step needs and no step changes: made once on the host, and kept where they are used."""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

T = TypeVar("T")


def for_real(make: Callable[..., T], *arguments: object) -> T:
    """make(*arguments), computed on the host even while a mode counts or traces what a step does."""
    with _disable_current_modes():
        return make(*arguments)


def constant(make: Callable[..., Tensor], *arguments: Hashable, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """make(*arguments) on the device and in the type of `like` (or in `dtype`): the same tensor each time; do not write to it.

    A copy to a device in every step would wait for it, and so would whatever the host computes from.
    """
    if torch.compiler.is_compiling():  # a graph keeps nothing from call to call, and computes it on the spot
        return make(*arguments).to(like.device, dtype or like.dtype)
    return _kept(make, arguments, like.device, dtype or like.dtype)


@lru_cache(maxsize=256)
def _kept(make: Callable[..., Tensor], arguments: tuple[Hashable, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    return for_real(make, *arguments).to(device, dtype)


def forget() -> None:
    """Let go of all that is kept."""
    _kept.cache_clear()
