"""The bytes that are alive at once: every storage that an operation makes, until the last tensor on it is gone.

It sees what passes PyTorch's dispatcher, on any device, and on "meta", where tensors have shapes and no memory: a step that
no machine here could hold is counted in a second or two. What a kernel needs for itself while it runs is not seen.

One pass answers for slices of every size. It has ROWS rows, so many that what grows with them is known by its size.
"""

import weakref
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Storage = torch.UntypedStorage
ROWS = 2**24
SMALL = ROWS  # bytes: the weights of all but the largest layers are smaller, and nothing is that has a number for each row


class Live(TorchDispatchMode):
    """Counts inside the block. peaks: rows -> the most bytes at once, were the pass not of ROWS rows but of so many."""

    def __init__(self, rows: Collection[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peaks = dict.fromkeys(rows, 0.0)
        self._fixed = self._growing = 0
        self._known: dict[int, weakref.ref[Storage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return out

    def _add(self, storage: Storage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known or not size:
            return

        def gone(_: Any) -> None:
            del self._known[key]
            self._count(-size)

        self._known[key] = weakref.ref(storage, gone)
        self._count(size)
        for rows, peak in self.peaks.items():
            self.peaks[rows] = max(peak, self._fixed + rows / ROWS * self._growing)

    def _count(self, size: int) -> None:
        if abs(size) < SMALL:
            self._fixed += size
        else:
            self._growing += size


def held(*tensors: Tensor) -> int:
    """The bytes of the storages of some tensors, each once."""
    return sum({id(storage): storage.nbytes() for storage in (t.untyped_storage() for t in tensors)}.values())
