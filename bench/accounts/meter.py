"""The loss between two looks at it, and whether it has diverged."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bench.accounts.trace import Moved, Trace
from bench.processes import Ranks

BLOWN_UP = 1e6  # a loss so many times the first one is divergence, though it is a number


class LossMeter:
    """The mean loss of the steps since the last reading. It is summed on the device, so that no step waits for it.

    parts: vectors of the last slice whose means are logged beside the loss.
    """

    def __init__(self, device: torch.device) -> None:
        self._sum = torch.zeros((), device=device)
        self.steps = 0
        self.parts: Mapping[str, Tensor] = {}
        self.trace = Trace()
        self._first = 0.0

    def add(self, name: str, value: Tensor) -> None:
        """A share of this step's loss of that name."""
        self._sum += value
        self.trace.add(name, value)

    def end(self, step: int, stage: str, rate: float, moved: Mapping[str, Moved]) -> None:
        """The step of that number, from 1 on, is taken."""
        self.steps += 1
        self.trace.end(step, stage, rate, moved)

    def read(self, ranks: Ranks) -> tuple[float, dict[str, float]]:
        """The mean loss and the parts' means, over all ranks, which all call it; begins anew. Waits for the device."""
        held = [number for part in self.parts.values() for number in (part.sum().item(), float(len(part)))]
        total, *sums = ranks.totals([self._sum.item(), *held])
        loss = total / max(1, self.steps)
        self._sum.zero_()
        self.steps = 0
        return loss, _means(list(self.parts), sums)

    def diverged(self, loss: float) -> bool:
        """Whether a mean loss is no number, or far from the first that was asked about."""
        self._first = self._first or abs(loss)
        return not abs(loss) <= self.bound  # not: NaN is no less and no more than anything

    @property
    def bound(self) -> float:
        """Above it a loss has blown up."""
        return BLOWN_UP * max(1.0, self._first)


def _means(names: Sequence[str], held: Sequence[float]) -> dict[str, float]:
    """From sum and number by turns; a part without samples has none."""
    return {name: total / n for name, total, n in zip(names, held[::2], held[1::2], strict=True) if n}
