"""Reading ahead: what later steps will ask for is read while this one computes.

A step's draws are a pure function of (seed, step), so what it will want of the data is known before it comes. Nothing here
chooses an order: with and without reading ahead, on a restart, on every rank and in every slicing, a step has the same rows.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

D = TypeVar("D", bound="Placed")
STEPS = 2
"""How many steps are read ahead."""
THREADS = 4  # rows that are not in the page cache wait for the disk: several wait at once
_Read = tuple[Tensor, torch.cuda.Event | None]  # rows, and when they are on the device


class Place(NamedTuple):
    """Rows first to last of the batch of a step, the last one not among them."""

    seed: int
    step: int
    first: int
    last: int


class Placed(Protocol):
    """The draws of a slice of a step, which also know those of later steps."""

    @property
    def place(self) -> Place:
        """Where in a training this is."""
        ...

    def later(self: D, steps: int) -> D:
        """The same slice of the step that comes so many later."""
        ...


class Ahead(Generic[D]):
    """Rows of mapped samples on a device: those that `rows` (indices on the device) says for the draws of a step's slice."""

    def __init__(self, samples: Tensor, rows: Callable[[D], Tensor], device: torch.device) -> None:
        self._samples, self._rows, self._device = samples, rows, device
        self._side = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._threads = ThreadPoolExecutor(THREADS, "rows")
        self._coming: dict[Place, Future[_Read]] = {}

    def __call__(self, draws: D) -> Tensor:
        """The rows of this slice; those of the same slice of later steps are then on their way."""
        place, later = draws.place, [draws.later(steps) for steps in range(1, STEPS + 1)]
        # What was read for steps that did not come is forgotten, as when a stage is begun again.
        now, coming = self._coming.pop(place, None), range(place.step, place.step + STEPS + 1)
        self._coming = {at: one for at, one in self._coming.items() if at.seed == place.seed and at.step in coming}
        for each in later:
            if each.place not in self._coming:
                self._coming[each.place] = self._threads.submit(self._read, each)
        found, copied = self._read(draws) if now is None else now.result()
        if copied is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(copied)
            found.record_stream(current)
        return found

    def _read(self, draws: D) -> _Read:
        """On a stream of its own: a copy of indices from the device would wait for the steps that are queued there."""
        if self._side is None:
            return self._gathered(draws, pinned=False), None
        with torch.cuda.stream(self._side):
            found = self._gathered(draws, pinned=True).to(self._device, non_blocking=True)
            return found, self._side.record_event()

    def _gathered(self, draws: D, pinned: bool) -> Tensor:
        rows = self._rows(draws).cpu()
        found = torch.empty((len(rows), *self._samples.shape[1:]), dtype=self._samples.dtype, pin_memory=pinned)
        return torch.index_select(self._samples, 0, rows, out=found)
