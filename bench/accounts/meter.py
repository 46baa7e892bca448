"""The loss between two looks at it, and whether it has diverged."""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bench.accounts.trace import Moved, Trace
from bench.processes import Ranks

BLOWN_UP = 1e6  # a loss so many times the first one is divergence, though it is a number


class LossMeter:
    """The mean loss of the steps since the last reading: of several losses the sum of their means, each over the steps that
    took it. They are summed on the device, so that no step waits for it.

    parts: vectors of the last slice whose means are logged beside the loss. means: of each loss, as of the last reading.
    """

    def __init__(self, device: torch.device) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = Counter[str]()
        self._now: set[str] = set()
        self._zero = torch.zeros((), device=device)
        self.parts: Mapping[str, Tensor] = {}
        self.means: dict[str, float] = {}
        self.trace = Trace()
        self._first = 0.0

    def add(self, name: str, value: Tensor) -> None:
        """A share of this step's loss of that name."""
        self._sums[name] = self._sums.get(name, self._zero) + value
        self._now.add(name)
        self.trace.add(name, value)

    def end(self, step: int, stage: str, rate: float, moved: Mapping[str, Moved]) -> None:
        """The step of that number, from 1 on, is taken."""
        self._steps.update(self._now)
        self._now.clear()
        self.trace.end(step, stage, rate, moved)

    def read(self, ranks: Ranks) -> tuple[float, dict[str, float]]:
        """The mean loss and the parts' means, over all ranks, which all call it; begins anew. Waits for the device."""
        held = [number for part in self.parts.values() for number in (part.sum().item(), float(len(part)))]
        totals = ranks.totals([*(summed.item() for summed in self._sums.values()), *held])
        self.means = {name: total / self._steps[name] for name, total in zip(self._sums, totals, strict=False)}
        sums = totals[len(self._sums) :]
        self._sums, self._steps = {}, Counter()
        return sum(self.means.values(), 0.0), _means(list(self.parts), sums)

    def curves(self) -> dict[str, float]:
        """What the last reading and the steps before it say by the names of curves: each loss where there are several, the mean
        norm of its gradient before clipping, and the last learning rate. Waits for the device."""
        several = self.means if len(self.means) > 1 else {}
        found = {f"loss/{name}": mean for name, mean in several.items()}
        norms = self.trace.gradients()
        found |= {_gradient(name, list(norms)): norm for name, norm in norms.items()}
        return {**found, "learning_rate": self.trace.rate}

    def diverged(self, loss: float) -> bool:
        """Whether a mean loss is no number, or far from the first that was asked about."""
        self._first = self._first or abs(loss)
        return not abs(loss) <= self.bound  # not: NaN is no less and no more than anything

    @property
    def bound(self) -> float:
        """Above it a loss has blown up."""
        return BLOWN_UP * max(1.0, self._first)


def _gradient(name: str, names: Sequence[str]) -> str:
    """That of the sampled network stands first, and alone where it is the only one."""
    return "gradient" if name == "net" or len(names) == 1 else f"gradient/{name}"


def _means(names: Sequence[str], held: Sequence[float]) -> dict[str, float]:
    """From sum and number by turns; a part without samples has none."""
    return {name: total / n for name, total, n in zip(names, held[::2], held[1::2], strict=True) if n}
