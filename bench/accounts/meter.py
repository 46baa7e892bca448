"""The loss between two looks at it, and whether it has diverged."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

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
        self._first = 0.0

    def add(self, value: Tensor) -> None:
        """A share of some step's loss."""
        self._sum += value

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
        return not abs(loss) <= BLOWN_UP * max(1.0, self._first)  # not: NaN is no less and no more than anything


def _means(names: Sequence[str], held: Sequence[float]) -> dict[str, float]:
    """From sum and number by turns; a part without samples has none."""
    return {name: total / n for name, total, n in zip(names, held[::2], held[1::2], strict=True) if n}
