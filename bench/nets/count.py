"""Counting network evaluations where they happen, so that a declared NFE can be checked against the true one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass
class Count:
    """Forward calls of a network, and the rows (samples) that they carried."""

    calls: int = 0
    rows: int = 0


@contextmanager
def counting(net: nn.Module) -> Iterator[Count]:
    """Count the calls of `net` inside the block; the result stays readable after it.

    Exactly this object is counted, be it a copy of another network or not; a copy made of it inside the block is
    another network. A call under forward mode is one call. Outside the block the network carries no hook.
    """
    count = Count()
    counted: nn.Module | None = net

    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        if module is counted:
            count.calls += 1
            count.rows += output.shape[0]

    handle = net.register_forward_hook(hook)
    try:
        yield count
    finally:
        handle.remove()
        counted = None  # copies made inside the block keep the hook: let it hold on to nothing
