"""The bytes that are alive at once: every storage that an operation makes, until the last tensor on it is gone.

It sees what passes PyTorch's dispatcher, on any device, and on "meta", where tensors have shapes and no memory: a step that
no machine here could hold is counted in a second or two. What a kernel needs for itself while it runs is not seen.

A network repeats itself, and so does a table of methods: what an operation makes of the same shapes is looked up.

One pass answers for slices of every size. It has ROWS rows, so many that what grows with them is known by its size.
"""

import weakref
from collections.abc import Collection
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

Storage = torch.UntypedStorage
ROWS = 2**24
SMALL = ROWS  # bytes: the weights of all but the largest layers are smaller, and nothing is that has a number for each row
_made: dict[Any, Any] = {}  # operation with the shapes that it is given -> those that it makes; None: of memory that is not new


class Live(TorchDispatchMode):
    """Counts in the block. rows: those whose peaks are asked."""

    def __init__(self, rows: Collection[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rows = rows
        self._fixed = self._growing = 0
        self._tops = {0: 0}  # bytes that grow with the rows -> the most of the others that there were beside them
        self._known: dict[int, weakref.ref[Storage]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled, and the guard against it loads the compiler

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = _run(func, args, kwargs or {})
        for leaf in (out,) if isinstance(out, Tensor) else tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return out

    def _add(self, storage: Storage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known or not size:
            return

        def gone(_: Any) -> None:
            del self._known[key]
            self._peak()
            self._count(-size)

        self._known[key] = weakref.ref(storage, gone)
        self._count(size)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._peak()

    @property
    def peaks(self) -> dict[int, float]:
        """rows -> the most bytes at once, were the pass not of ROWS rows but of so many."""
        front: list[tuple[int, int]] = []  # what is below another in both is no peak for any rows
        for growing, fixed in sorted(self._tops.items(), reverse=True):
            if not front or fixed > front[-1][1]:
                front.append((growing, fixed))
        return {rows: max(fixed + rows / ROWS * growing for growing, fixed in front) for rows in self._rows}

    def _peak(self) -> None:
        """Before memory goes, and at the end: there is no peak in between."""
        if self._fixed > self._tops.get(self._growing, -1):
            self._tops[self._growing] = self._fixed

    def _count(self, size: int) -> None:
        if abs(size) < SMALL:
            self._fixed += size
        else:
            self._growing += size


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """func(*args, **kwargs); on "meta" once for the same shapes, where what it makes is new memory."""
    if func._schema.is_mutable:
        return func(*args, **kwargs)
    key = (func, _described(args), _described(tuple(kwargs.items())))
    if (known := _made.get(key)) is not None:
        return known() if callable(known) else tree_map(lambda like: like and like(), known)
    out = func(*args, **kwargs)
    if key not in _made:
        given = {id(x.untyped_storage()) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        _made[key] = tree_map(_like, out) if all(x is None or _new(x, given) for x in tree_leaves(out)) else None
    return out


def _new(made: Any, given: Collection[int]) -> bool:
    """Whether that is a tensor of shapes alone on memory of its own; forward mode has zeros that have none."""
    return isinstance(made, Tensor) and made.is_meta and not made._is_zerotensor() and id(made.untyped_storage()) not in given


def _like(made: Tensor | None) -> Any:
    return made if made is None else partial(torch.empty_strided, made.shape, made.stride(), dtype=made.dtype, device="meta")


def _described(value: Any) -> Any:
    """What an operation's result is like depends on this of its arguments."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device, value._is_zerotensor()
    if isinstance(value, (list, tuple)):
        return tuple(map(_described, value))
    return type(value), value


def held(*tensors: Tensor) -> int:
    """The bytes of the storages of some tensors, each once."""
    return sum({id(storage): storage.nbytes() for storage in (t.untyped_storage() for t in tensors)}.values())
