"""Losses as one compiled graph, forward mode inside of it; what cannot be compiled is said in one line and runs as it is."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from bench.compiling.given import Asked, Given, Keyed, Recording, made
from bench.compiling.reasons import close_level, why
from bench.nets import Count
from methods.base import Batch, Context, Loss

Losses = Callable[[Batch, Context], Mapping[str, Loss]]


class NotCompiled(UserWarning):
    """A step runs without a compiler."""


def forget() -> None:
    """Drop all graphs: a few of one function are kept, however many stages and trainings a process has."""
    torch.compiler.reset()


@dataclass
class Compiled:
    """The same function as `losses`, which is pure; one for each stage and each set of losses that its steps take.

    The first call asks once which draws there are, and what is called. Inside of the graph `context.progress` is a number on
    the device: what a method decides by it on the host cannot be compiled, and neither can what it draws there.
    """

    losses: Losses
    label: str
    count: Count
    backend: ClassVar[str] = "inductor"
    _asked: list[Asked] | None = None
    _graph: Callable[..., dict[str, tuple[Tensor, dict[str, Tensor]]]] | None = None
    _failed: bool = False
    _owed: dict[range, tuple[int, ...]] = field(default_factory=dict)

    def __call__(self, batch: Batch, context: Context) -> Mapping[str, Loss]:
        if self._failed:
            return self.losses(batch, context)
        if self._asked is None:
            self._asked = self._looked(batch, context)
            if hosts := [of for kind, of, _ in self._asked if kind == "common"]:
                return self._without(f"it draws {hosts[0]!r} on the host, anew in each step", batch, context)
            self._graph = torch.compile(self._inside, backend=self.backend, fullgraph=True, dynamic=False)
        assert self._graph is not None
        draws: Keyed = context.draws  # type: ignore[assignment]
        share = torch.full((), float(context.progress), dtype=torch.float64, device=draws.device)
        try:
            found = self._graph(batch, made(draws, self._asked), share, replace(context, draws=None))  # type: ignore[arg-type]
        except Exception as error:
            close_level()
            return self._without(why(error), batch, context)
        if torch.is_grad_enabled() and not all(per_sample.requires_grad for per_sample, _ in found.values()):
            return self._without("the compiler has lost the gradient of a loss", batch, context)
        self._pay(batch, context)
        return {name: Loss(loss, {of: part[0] for of, part in parts.items()}) for name, (loss, parts) in found.items()}

    def _looked(self, batch: Batch, context: Context) -> list[Asked]:
        """What a call as it is draws. What it owes is kept for the calls of the same slice, and owed by none yet."""
        recording, before = Recording(context.draws), self.count.numbers  # type: ignore[arg-type]
        self.losses(batch, replace(context, draws=recording))
        self._owed[context.draws.rows] = tuple(now - then for now, then in zip(self.count.numbers, before, strict=True))
        self.count.restore(before)
        return sorted(recording.asked, key=repr)

    def _pay(self, batch: Batch, context: Context) -> None:
        """Count what the graph has called: it counts nothing, and is the same in every step."""
        if (rows := context.draws.rows) not in self._owed:
            self._looked(batch, context)
        self.count.restore(now + more for now, more in zip(self.count.numbers, self._owed[rows], strict=True))

    def _without(self, why: str, batch: Batch, context: Context) -> Mapping[str, Loss]:
        self._failed = True
        warnings.warn(f"{self.label} is not compiled: {why}", NotCompiled, stacklevel=3)
        return self.losses(batch, context)

    def _inside(
        self, batch: Batch, given: dict[Asked, Any], share: Tensor, context: Context
    ) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
        rows = range(len(batch.x_1))
        inside = Context(Given(rows, batch.x_1.device, given), share, context.stage, context.teacher,
                         context.weak_teacher, context.target)
        found = self.losses(batch, inside)
        # A part that proves to be the loss itself would be the same output twice, and inductor (PyTorch 2.14) then marks both
        # as without a gradient; as a view it is another one.
        return {name: (loss.per_sample, {of: part[None] for of, part in loss.parts.items()}) for name, loss in found.items()}
