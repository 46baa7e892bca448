"""What is measured: a training for each line of a sweep's table, as planning would hand it to a worker, in order of need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.config import BACKBONES, Experiment, recorded_experiment, records, section, with_method
from bench.fitting import on_paper
from bench.nets import Backbone, counting
from bench.planning import chain, work
from bench.training import Recipe
from methods.base import Method

BASE = "flow_matching"
"""What the others' steps are compared with, and most of their teachers are."""


@dataclass(frozen=True)
class Case:
    """One training. `config`: its job's dictionary form; `experiment`: the same, parsed."""

    label: str
    config: Mapping[str, Any]
    experiment: Experiment

    @classmethod
    def of(cls, experiment: Experiment) -> "Case":
        """Raises ConfigError for what planning refuses."""
        config = chain(experiment)[-1].config
        return cls(experiment.label, config, recorded_experiment(config))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return records.shape(self.config)

    @property
    def gflops(self) -> float:
        """Of one image, as planning counts it."""
        return work.per_image(self.config)

    @property
    def batch(self) -> int:
        return self.experiment.budget.batch


def cases(experiments: Sequence[Experiment]) -> list[Case]:
    """One for each label, whatever its seeds: flow matching first (added where it is missing), then what goes through forward
    mode, whose cost is known least, then the rest."""
    first = {each.label: each for each in reversed(experiments)}
    found = [Case.of(each) for each in experiments if first.get(each.label) is each]
    if all(each.experiment.name != BASE for each in found):
        found = [Case.of(with_method(experiments[0], BASE)), *found]
    return sorted(found, key=_need)


def _need(case: Case) -> int:
    return 0 if case.experiment.name == BASE else 1 if forward_mode(case.experiment.method) else 2


def forward_mode(method: Method) -> bool:
    """Whether the method's first step carries tangents through its network: asked of a tiny network without numbers. Of what
    cannot be asked, no."""
    options = {"name": "mlp", "width": 4, "depth": 1, "embedding": 4, "classes": 2 if method.needs.labels else 0}
    tiny = section(BACKBONES["mlp"], options, "backbone")
    batch = 4 * method.needs.group
    try:
        trainer = on_paper(method, Backbone(tiny, (1, 4, 4), 0, device="meta"), Recipe(1000 * batch, batch))
        trainer.begin_stage(0)
        with counting(*trainer.models.values()) as count:
            trainer.step.gradients(trainer.progress)
    except Exception:
        return False
    return count.jvp_rows > 0
