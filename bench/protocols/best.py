"""The rule by which a run's best checkpoint is its model: compared on held-out data, with noise that no reported number has.

The reported distance is that of samples of evaluation.seeds to the training data. This one is that of fewer samples, of
another seed and at one number of steps, to held-out data: by the protocol's own features, which every image data set has, and
by the sliced W2 of points. Of the distances that are reported beside, the one to held-out data is therefore not untouched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from bench.config import FIRST_PROXY_SEED, ConfigError, Scoring
from bench.data import Dataset

if TYPE_CHECKING:
    from methods.base import Method

MOST = 5_000
"""Samples, and held-out ones beside them, that are compared."""


@dataclass(frozen=True)
class Best:
    """of: milestones that a run keeps; at: a number of sampling steps; measure: what is compared; count: of how many samples;
    kind: of data; seed: of the noise."""

    of: int
    at: int
    measure: str
    count: int
    kind: str
    seed: int

    def __str__(self) -> str:
        """As protocols and tables name it."""
        return (f"best of {self.of} by {self.measure} to {self.count:,} held-out {self.kind} (noise seed {self.seed}, "
                f"{self.at} step{'s' * (self.at > 1)})")

    def steps(self, method: "Method") -> int:
        """The number of steps of a method that does not sample in `at`: the next that it has."""
        return next(n for n in count(self.at) if method.supports(n))


def own_seed(reported: Sequence[int]) -> int:
    """The first of the seeds for choosing that is not among the reported ones."""
    return next(seed for seed in count(FIRST_PROXY_SEED) if seed not in reported)


def best(scoring: Scoring, data: Dataset, measure: str, samples: int) -> Best | None:
    """The rule of a planned evaluation with so many samples a seed; None where the last checkpoint is scored.

    Raises ConfigError where nothing is held out.
    """
    if scoring.best_of is None or scoring.best_at is None:
        return None
    if len(data.heldout) < 2:
        raise ConfigError(f"evaluation.checkpoint=best: checkpoints are compared with held-out {data.kind}, and "
                          f"data={data.name} holds {len(data.heldout)} out; leave evaluation.checkpoint=last")
    return Best(scoring.best_of, scoring.best_at, measure, min(MOST, samples, len(data.heldout)), data.kind,
                own_seed(scoring.seeds))


def lacking(run: str, lost: int, wanted: int) -> str:
    """What is told of a run that has not all that it would choose from."""
    return (f"evaluation.checkpoint=best: {run} has {wanted - lost} of the {wanted} milestones that it would choose from, and "
            "they are not trained again; give out=FOLDER to train it elsewhere, or leave evaluation.checkpoint=last")
