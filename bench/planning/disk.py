"""The disk that runs will take: what their checkpoints hold (bench/training/restart.py), and how many of them stay."""

import json
from collections.abc import Iterable, Mapping
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from bench.accounts import due, stage_ends
from bench.config import Experiment, recorded_experiment
from bench.nets import Backbone
from bench.planning.work import shape
from methods.base import Stage
from sweeps.plan import Job

KEPT = 2  # of the checkpoints to go on from
MOMENTS = 2  # of each weight, which every optimizer that there is keeps
PER_TENSOR = 400  # bytes of a file for a tensor's name and place
TELLS = ("method", "backbone", "budget", "train", "data", "plugins")  # nothing else changes a size


class Size(NamedTuple):
    """Bytes of what one finished run leaves; `states`: of the teacher's paths, which those of one teacher share."""

    checkpoints: float
    states: float = 0.0


def checkpoints(jobs: Iterable[Job]) -> float:
    """Bytes of those that finished runs leave."""
    return sum(_size(job).checkpoints for job in jobs)


def trajectories(jobs: Iterable[Job]) -> float:
    """Bytes of the teachers' solved paths."""
    return sum({(job.parents[:1], size.states): size.states for job in jobs if (size := _size(job)).states}.values())


def gigabytes(size: float) -> str:
    """30 MB, 4.2 GB, 550 GB."""
    if size < 0.9995e9:
        return f"{size / 1e6:,.0f} MB" if size >= 1e6 else "under a MB"
    return f"{float(f'{size / 1e9:.2g}'):,g} GB"


def words(jobs: Iterable[Job]) -> str:
    """A line for a plan."""
    found = list(jobs)
    paths = trajectories(found)
    return (f"Disk: about {gigabytes(checkpoints(found))} of checkpoints"
            + (f" and {gigabytes(paths)} of trajectories." if paths else "."))


def _size(job: Job) -> Size:
    if job.kind != "method":
        return Size(0.0)
    key = json.dumps({key: job.config.get(key) for key in TELLS}, sort_keys=True)
    if key not in _sizes:
        _sizes[key] = _sized(recorded_experiment(job.config))
    return _sizes[key]


_sizes: dict[str, Size] = {}


def _sized(experiment: Experiment) -> Size:
    each, paths = shape(experiment.data), experiment.method.needs.trajectories
    states = paths.count * (1 + len(paths.kept)) * prod(each) * 4.0 if paths else 0.0
    return Size(_checkpoints(experiment, _models(experiment, each)), states)


def _models(experiment: Experiment, each: tuple[int, ...]) -> dict[str, nn.Module]:
    """The networks of a training, without their numbers."""
    return experiment.method.build(Backbone(experiment.backbone, each, 0, device="meta"))


def _checkpoints(experiment: Experiment, models: Mapping[str, nn.Module]) -> float:
    """What is kept at the end: the last of those to go on from, and every milestone."""
    budget, train, method = experiment.budget, experiment.train, experiment.method
    steps = budget.images // budget.batch
    stages = list(method.stages(budget.images))
    ends = stage_ends(stages, budget.batch, steps)
    weights, parameters = ({role: _bytes(tensors(net)) for role, net in models.items()} for tensors in (_stored, _learned))
    averages = len(train.ema) * parameters["net"]
    slow = parameters["net"] if method.needs.target_ema else 0.0

    def moved(stage: Stage) -> float:
        return MOMENTS * sum(parameters[role] for roles in stage.trained.values() for role in roles)

    saved = _last(steps, train.checkpoints)
    begun = [next(stage for stage, end in zip(stages, ends, strict=True) if step <= end) for step in saved]
    milestone = averages + sum(weights[role] for role in method.sampled(models) if role != "net")
    going_on = sum(sum(weights.values()) + averages + slow + moved(stage) for stage in begun)
    return going_on + len(due(steps, train.milestones)) * milestone


def _last(steps: int, times: int) -> list[int]:
    """The steps after which the checkpoints to go on from were saved that are still there at the end."""
    return sorted({*due(steps, times), steps})[-KEPT:] if times else []


def _stored(net: nn.Module) -> Iterable[Tensor]:
    return net.state_dict().values()


def _learned(net: nn.Module) -> Iterable[Tensor]:
    return net.parameters()


def _bytes(tensors: Iterable[Tensor]) -> float:
    """Of tensors in a file."""
    return float(sum(each.numel() * each.element_size() + PER_TENSOR for each in tensors))
