"""How far a training has come: its step, its stage, and the shares of both budgets that are done."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from methods.base import Stage


@dataclass
class Progress:
    """`step` optimizer steps are done; the next one belongs to stage number `index`, which ends after step ends[index]."""

    stages: Sequence[Stage]
    ends: Sequence[int]
    step: int = 0
    index: int = 0

    @property
    def stage(self) -> Stage:
        return self.stages[self.index]

    @property
    def taken(self) -> Stage:
        """The stage with the losses of the next step alone."""
        return self.stage.at(self.step - self.start)

    @property
    def steps(self) -> int:
        """Those of the whole run."""
        return self.ends[-1]

    @property
    def start(self) -> int:
        """The step before this stage's first."""
        return self.ends[self.index - 1] if self.index else 0

    @property
    def share(self) -> float:
        """Of the whole run."""
        return self.step / self.steps

    @property
    def stage_share(self) -> float:
        """Of this stage."""
        return (self.step - self.start) / self.stage_steps

    @property
    def stage_steps(self) -> int:
        """Those of this stage."""
        return self.ends[self.index] - self.start

    @property
    def over(self) -> bool:
        return self.step >= self.steps

    @property
    def stage_over(self) -> bool:
        return self.step >= self.ends[self.index]

    def due(self, times: int) -> bool:
        """Whether something that happens so many times a run, evenly, happens after this step."""
        return self.step in due(self.steps, times)


def due(steps: int, times: int) -> range:
    """The steps after which something happens that happens so many times a run of `steps`, evenly."""
    every = max(1, steps // times) if times > 0 else steps + 1
    return range(every, steps + 1, every)


def stage_ends(stages: Sequence[Stage], batch: int, steps: int) -> list[int]:
    """The step at which each stage ends; the last one has what rounding leaves."""
    ends = [images // batch for images in accumulate(stage.images for stage in stages)]
    return [*ends[:-1], steps]
