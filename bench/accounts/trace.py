"""Where a training left the numbers: what every step since the last look computed, kept on the device, so that none waits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.processes import Ranks

FOLD = 1000  # steps after which what the device holds is fetched, however far the next look is


@dataclass(frozen=True)
class Moved:
    """What one loss did in a step: the norm of its gradient before clipping, and a witness of the parameters after it.

    witness: the sum of one of its parameters. A finite gradient takes parameters out of the numbers by the rate alone, and
    then all of them, so that one tells of the others.
    """

    gradient: Tensor
    witness: Tensor


@dataclass
class _Taken:
    """One step, from 1 on. losses: this rank's shares by name; moved: as of `Moved`."""

    step: int
    stage: str
    rate: float
    losses: dict[str, Tensor]
    moved: Mapping[str, Moved]
    values: list[float] = field(default_factory=list)  # once fetched: losses, gradients, witnesses

    def tensors(self) -> list[Tensor]:
        return [*self.losses.values(), *(m.gradient for m in self.moved.values()), *(m.witness for m in self.moved.values())]

    @property
    def shares(self) -> list[float]:
        return self.values[: len(self.losses)]

    def later(self) -> list[tuple[str, float]]:
        """What came after the losses, in words and in order."""
        words = [f"the gradient of loss {n!r}" for n in self.moved] + [f"a parameter of loss {n!r}" for n in self.moved]
        return list(zip(words, self.values[len(self.losses) :], strict=True))

    @property
    def gradient(self) -> float:
        """The largest finite norm, 0 without one."""
        norms = self.values[len(self.losses) : len(self.losses) + len(self.moved)]
        return max((n for n in norms if math.isfinite(n)), default=0.0)


class Trace:
    """Add each loss, then `end` the step; after a look, `why` or `clear`."""

    def __init__(self) -> None:
        self._losses: dict[str, Tensor] = {}
        self._taken: list[_Taken] = []
        self._fetched = 0
        self._largest = (0.0, 0)  # norm and step, since the training was last started and up to the last look

    def add(self, name: str, value: Tensor) -> None:
        """A slice's share of a loss of this step."""
        self._losses[name] = self._losses[name] + value if name in self._losses else value

    def end(self, step: int, stage: str, rate: float, moved: Mapping[str, Moved]) -> None:
        """The step is taken. step: its number, from 1 on."""
        self._taken.append(_Taken(step, stage, rate, self._losses, moved))
        self._losses = {}
        if len(self._taken) - self._fetched >= FOLD:
            self._fetch()

    @property
    def rate(self) -> float:
        """The learning rate of the last step, 0 before the first since the last look."""
        return self._taken[-1].rate if self._taken else 0.0

    def gradients(self) -> dict[str, float]:
        """The mean norm of each loss's gradient over the steps since the last look that took it. Waits for the device."""
        self._fetch()
        norms: dict[str, list[float]] = {}
        for taken in self._taken:
            for name, value in zip(taken.moved, taken.values[len(taken.losses) :], strict=False):
                norms.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in norms.items()}

    def left_the_numbers(self) -> bool:
        """Whether a gradient or a parameter was not finite since the last look. Waits for the device."""
        self._fetch()
        return not all(math.isfinite(value) for taken in self._taken for _, value in taken.later())

    def why(self, bound: float, steps: int, ranks: Ranks) -> str:
        """The first step at which something was not finite, else a loss was above `bound`: what, where, and how it came there.

        steps: of the whole training. Every rank calls it. What a table has room for stands before the first semicolon.
        """
        self._fetch()
        totals = iter(ranks.totals([share for taken in self._taken for share in taken.shares]))
        above = None
        for at, taken in enumerate(self._taken):
            losses = {name: next(totals) for name in taken.losses}
            found = [(f"loss {name!r}", value) for name, value in losses.items()] + taken.later()
            if wrong := next((what for what, value in found if not math.isfinite(value)), None):
                return self._told(f"{wrong} was not finite", at, steps)
            if above is None and abs(sum(losses.values())) > bound:
                name = max(losses, key=lambda name: abs(losses[name]))
                above = self._told(f"loss {name!r} was {losses[name]:.3g}, above the bound of {bound:.3g}", at, steps)
        return above or self._told("the averaged weights were not finite", len(self._taken) - 1, steps)

    def clear(self) -> None:
        """All was well: begin anew."""
        self._fetch()
        self._largest = max([self._largest, *((taken.gradient, taken.step) for taken in self._taken)])
        self._taken, self._fetched = [], 0

    def _told(self, what: str, at: int, steps: int) -> str:
        taken = self._taken[at]
        norm, step = max([self._largest, *((t.gradient, t.step) for t in self._taken[:at])])
        before = f"largest gradient norm before it {norm:.3g} (step {step:,})" if step else "no step before it"
        return f"{what} at step {taken.step:,} of {steps:,}, stage {taken.stage!r}; learning rate {taken.rate:.3g}, {before}"

    def _fetch(self) -> None:
        new = self._taken[self._fetched :]
        held = iter(_values([tensor for taken in new for tensor in taken.tensors()]))
        for taken in new:
            taken.values = [next(held) for _ in taken.tensors()]
            taken.losses = dict.fromkeys(taken.losses, _NONE)
            taken.moved = dict.fromkeys(taken.moved, Moved(_NONE, _NONE))
        self._fetched = len(self._taken)


_NONE = torch.zeros(())  # in place of what has been fetched


def _values(tensors: Sequence[Tensor]) -> list[float]:
    """All of them in one transfer."""
    if not tensors:
        return []
    found: list[float] = torch.stack([tensor.detach().float().reshape(()) for tensor in tensors]).tolist()
    return found
