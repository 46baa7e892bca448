"""A finished run folder as a model: `load(folder).sample(n, steps, seed)`, `load(folder).export(path)`."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from bench.config import Experiment, recorded_experiment, records
from bench.nets import factory
from bench.scoring.labels import Guidance, Labels
from bench.scoring.sample import Sampler
from bench.teaching import Teacher
from bench.training import checkpoint
from methods.base import Method, Models
from results.records import RunRecord, read_run


@dataclass(frozen=True)
class Model:
    """The averaged networks of one run, ready to sample from."""

    method: Method
    models: dict[str, nn.Module]
    shape: tuple[int, ...]
    experiment: Experiment
    run_id: str
    device: torch.device
    checkpoint: str
    counts: tuple[int, ...] = ()

    def sample(
        self, n: int, steps: int = 1, seed: int = 0, condition: int | None = None, guidance: float | None = None
    ) -> Tensor:
        """n samples (n, *shape) on the CPU after `steps` jumps; images are clamped to [-1, 1], points are not.

        The first k samples are the same for every n >= k, and are those that the evaluation with that seed scored: all of its
        rounding rules clamp too. Of a conditional model, condition: one class; None: as often as in training, or as
        evaluation.one_class says; guidance: the scale (None: the first of evaluation.guidance). Raises ValueError for what this
        model has not.
        """
        for name, value in {"n": n, "steps": steps}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number, at least 1")
        if guidance is not None and not (isinstance(guidance, int | float) and math.isfinite(guidance) and guidance >= 0):
            raise ValueError(f"guidance={guidance!r} must be a number, at least 0")
        if not self.method.supports(steps):
            known = [n for n in range(1, 4097) if self.method.supports(n)]
            raise ValueError(f"{self.run_id} defines no sample of {steps} steps; it has {', '.join(map(str, known[:16]))}")
        sampler = self.sampler(seed, self.experiment.evaluation.chunk, condition, guidance)
        found = torch.cat([x.cpu() for x in sampler.batches(n, steps, max(n, 1))])
        return found if len(self.shape) == 1 else found.clamp(-1, 1)

    def sampler(self, seed: int, chunk: int, condition: int | None = None, guidance: float | None = None) -> Sampler:
        """A sampler with network calls of `chunk` rows; the noise and the classes depend on the chunk."""
        evaluation, labels = self.experiment.evaluation, Labels.of(self.experiment, self.counts)
        papers = evaluation.grid == "papers"
        if condition is not None:
            if labels is None:
                raise ValueError(f"{self.run_id} was not told classes (conditional=true tells them), and none can be "
                                 "asked of it")
            labels = Labels(self.counts, condition)
        trained = self.method.needs.scale
        if guidance is not None and trained and not trained[0] <= guidance <= trained[1]:
            raise ValueError(f"{self.run_id} was trained for scales of guidance from {trained[0]:g} to {trained[1]:g} "
                             f"(method.scale), and {guidance:g} is none of them")
        if guidance is not None and guidance != 1 and not (labels and (self.method.velocity_model or trained)):
            raise ValueError(f"{self.run_id} is no conditional velocity model, and nothing else is guided while sampling")
        guided = Guidance(evaluation.guidance[0] if guidance is None else guidance, evaluation.guidance_interval)
        return Sampler(self.method, self.models, self.shape, seed, chunk, self.device, labels, papers, guided)

    def to(self, device: str | torch.device) -> Self:
        """The same on another device."""
        for module in self.models.values():
            module.to(device)
        return replace(self, device=torch.device(device))

    def export(self, path: Path | str) -> None:
        """Write the averaged weights of "net" as a plain state dict (torch.save).

        A method that samples from further networks gets a dictionary of state dicts by role, "net" among them.
        """
        roles = self.method.sampled(self.models)
        weights = {role: {k: v.cpu() for k, v in self.models[role].state_dict().items()} for role in roles}
        torch.save(weights["net"] if roles == ["net"] else weights, path)


def load(folder: Path | str, ema: float | None = None, device: str | torch.device = "cpu", last: bool = False) -> Model:
    """The model of a run folder with the given average (default: the first of train.ema).

    Of a finished run that is the checkpoint which its record names as final and no other one, or the milestone that it kept as
    its best (evaluation.checkpoint); else the newest whole one. last: the final one, whatever was kept.
    Raises ValueError naming the folder when it holds no usable checkpoint or no such average, or when the run is in a
    stage before which some of the networks that it samples from are not made.
    """
    folder = Path(folder)
    record = read_run(folder)
    experiment = recorded_experiment(record.config)
    path, state = _state(folder, record)
    method, shape = experiment.method, records.shape(record.config)
    models = method.build(factory(experiment, shape))
    images, stage = experiment.budget.images, state["stage"]
    if not complete(method, models, images, stage):
        stages = method.stages(images)
        raise ValueError(f"{path} is from stage {stages[stage].name!r} ({stage + 1} of {len(stages)}), and the networks "
                         f"sampled from ({', '.join(method.sampled(models))}) are complete in the last; run its command again "
                         "to go on")
    for role, module in models.items():
        module.load_state_dict(state["models"][role])
    if (kept := record.kept.get("checkpoint", path.name)) != path.name and not last:
        path, state = _milestone(folder, kept)
        for role, weights in state["models"].items():
            models[role].load_state_dict(weights)
    decay = repr(experiment.ema if ema is None else ema)
    if decay not in state["ema"]:
        raise ValueError(f"{path} has no average of decay {decay}; it has {', '.join(state['ema'])}")
    models["net"] = copy.deepcopy(models["net"])
    models["net"].load_state_dict({**models["net"].state_dict(), **state["ema"][decay]})
    for module in models.values():
        module.to(device).eval().requires_grad_(False)
    counts = tuple(record.config.get("label_counts") or ())
    return Model(method, models, shape, experiment, folder.name, torch.device(device), path.name, counts)


def _state(folder: Path, record: RunRecord) -> tuple[Path, dict[str, Any]]:
    """The checkpoint that is the run's model, and what is in it."""
    if record.status == "done":
        if path := checkpoint.final(folder / "checkpoints", record.final, record.optimizer_steps):
            return path, checkpoint.load(path)
        raise ValueError(f"{folder} has lost the checkpoint that it ended with ({record.final or record.optimizer_steps}), "
                         "and an older one is not its model; run its command again")
    found = checkpoint.newest(folder / "checkpoints")
    if found is None:
        raise ValueError(f"{folder} holds no usable checkpoint (its status is {record.status!r}); run its command again")
    return found


def _milestone(folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """The one that was kept, and what is in it: all that it has not, its run's end has."""
    if (path := folder / "checkpoints" / name).exists():
        return path, checkpoint.load(path)
    raise ValueError(f"{folder} has lost {name}, the milestone that is its model; give its command again with "
                     "evaluation.checkpoint=last for the end of its training")


def complete(method: Method, models: Models, images: int, stage: int) -> bool:
    """Whether a checkpoint of that stage holds all that is sampled from.

    Several networks are sampled from where stages hand them on (a frozen first one, the students of longer grids), so
    they are complete in the last stage.
    """
    return len(method.sampled(models)) == 1 or stage == len(method.stages(images)) - 1


def earlier(models: Models, state: Mapping[str, Any], decay: float) -> dict[str, nn.Module]:
    """Copies of a run's networks with the weights of one of its milestones, that average in "net"."""
    found = copy.deepcopy(dict(models))
    for role, weights in state["models"].items():
        found[role].load_state_dict(weights)
    found["net"].load_state_dict({**found["net"].state_dict(), **state["ema"][repr(decay)]})
    return found


def load_teacher(folder: Path, device: torch.device) -> Teacher:
    """The teacher that a finished run of a velocity model makes."""
    record = read_run(folder)
    # What a student learns from is part of its training: the first average at its end, however its teacher is evaluated.
    model = load(folder, ema=recorded_experiment(record.config).train.ema[0], device=device, last=True)
    return Teacher(model.models["net"], record.run_id, record.images_seen, record.train_seconds,
                   record.forward_rows + record.teacher_forward_rows, record.backward_rows + record.teacher_backward_rows)
