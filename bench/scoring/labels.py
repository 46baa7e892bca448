"""Which classes are sampled: by the training frequencies or one of them, as a function of (evaluation seed, chunk) alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Self

import torch
from torch import Tensor

from bench.config import Experiment
from bench.training import generator


@dataclass(frozen=True)
class Labels:
    """counts: how many samples were trained on of each class; only: the one class that is sampled."""

    counts: tuple[int, ...]
    only: int | None = None

    def __post_init__(self) -> None:
        if self.only is not None and not isinstance(self.only, Integral):
            raise ValueError(f"there is no class {self.only!r}: classes are numbers, here 0 to {len(self.counts) - 1}; folders "
                             "count in the order of their names")  # fmt: skip
        if self.only is not None and not 0 <= self.only < len(self.counts):
            raise ValueError(f"there is no class {self.only}: this model has 0 to {len(self.counts) - 1}")

    @classmethod
    def of(cls, experiment: Experiment, counts: Sequence[int]) -> Self | None:
        """Those of an experiment; None where it is not conditional."""
        return cls(tuple(counts), experiment.evaluation.one_class) if experiment.conditional else None

    @property
    def null(self) -> int:
        """The index of the null class."""
        return len(self.counts)

    def drawn(self, seed: int, index: int, chunk: int) -> Tensor:
        """int64 (chunk,) of chunk number `index`, on the CPU."""
        if self.only is not None:
            return torch.full((chunk,), self.only)
        upper = torch.tensor(self.counts, dtype=torch.float64).cumsum(0)
        u = torch.rand(chunk, generator=generator("cpu", "evaluation", seed, "label", index), dtype=torch.float64)
        return torch.searchsorted(upper, u * upper[-1], right=True)


@dataclass(frozen=True)
class Guidance:
    """scale: w; interval: of times, on the method's clock. A step that begins in it is guided.

    A velocity model is guided while sampling (`Guided`), a network that is told a scale (`Needs.scale`) by being told it.
    """

    scale: float
    interval: tuple[float, float] = (0.0, 1.0)

    def holds(self, time: float) -> bool:
        """Whether a step that begins at this time is guided."""
        low, high = self.interval
        return self.scale != 1 and low <= time < high

    def __str__(self) -> str:
        """As samplers are named; nothing for the scale 1."""
        if self.scale == 1:
            return ""
        low, high = self.interval
        return f" guided {self.scale:g}" + (f" in {low:g}-{high:g}" if (low, high) != (0, 1) else "")
