"""The evaluation of a finished training: the rows of its last checkpoint and of its milestones, appended to its folder."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.config import Experiment
from bench.data import Dataset
from bench.processes import Ranks
from bench.protocols import Protocol
from bench.scoring.evaluation import Evaluation, Key
from bench.scoring.labels import Labels
from bench.scoring.model import complete
from bench.scoring.sample import ALONE
from bench.scoring.score import scorer
from bench.scoring.score_images import Progress
from bench.training import Trainer, checkpoint
from results.records import append_rows, read_rows, whole_rows, write_rows

Report = Callable[[dict[str, Any]], bool]


def append(experiment: Experiment, data: Dataset, protocol: Protocol, trainer: Trainer, last: Path | None, folder: Path,
           device: torch.device, report: Report, ranks: Ranks) -> int:
    """Append the rows that are not there yet, an evaluation at a time, and return how many of this protocol there are.

    An evaluation that lost a row, to a kill or to a disk, is made again as a whole. The ranks of the training share images
    and their features; points are scored in a moment, by rank 0. Only rank 0 touches the folder's rows.
    """
    if data.kind == "points" and not ranks.leads:
        return 0
    ranks = ranks if data.kind == "images" else ALONE
    have = ranks.word(_have(folder) if ranks.leads else None)
    score, done = scorer(data, protocol, device, experiment.evaluation, told(report), ranks), 0
    trained = {"images": experiment.budget.images, "budget": experiment.budget.images}  # whoever looks sees that it goes on
    report({**trained, "stage": "scoring"})
    labels = Labels.of(experiment, trainer.data.frequencies.tolist())
    for step, path, models in _checkpoints(experiment, protocol, trainer, last, folder, ranks):
        evaluation = Evaluation(
            experiment.method, models, data, protocol, score, experiment, folder.name, path.name if path else "",
            step * experiment.budget.batch, device, ranks, labels,
        )
        for rows in evaluation.rows(skip=have):
            append_rows(folder, rows)
            done += 1
            report({**trained, "stage": f"scoring, {done} done"})
    return sum(row.protocol == protocol.id for row in read_rows(folder)) if ranks.leads else 0


def _have(folder: Path) -> set[Key]:
    """The evaluations that are there whole; what is left of others is taken out."""
    found, damaged = whole_rows(folder)
    if damaged:
        write_rows(folder, found)
    return {(r.protocol, r.steps, r.evaluation_seed, r.sampler, r.images_seen) for r in found}


def _checkpoints(experiment: Experiment, protocol: Protocol, trainer: Trainer, last: Path | None,
                 folder: Path, ranks: Ranks) -> Iterator[tuple[int, Path | None, dict[str, nn.Module]]]:
    """(step, file, networks) of the last checkpoint, and with evaluation.milestones of those before it.

    A milestone from before a network that is sampled from was made is no model, and is passed over.
    """
    decay, images = protocol.ema, experiment.budget.images
    steps, models = images // experiment.budget.batch, {**trainer.models, "net": trainer.averaged(protocol.ema)}
    yield steps, last, models
    if not experiment.evaluation.milestones:
        return
    found = ranks.word(checkpoint.milestones(folder / "checkpoints"))  # a shared disk may show other ranks its files later
    for step, path, state in checkpoint.whole(found):
        if step < steps and complete(experiment.method, models, images, state["stage"]):
            earlier = copy.deepcopy(models)
            for role, weights in state["models"].items():
                earlier[role].load_state_dict(weights)
            earlier["net"].load_state_dict({**earlier["net"].state_dict(), **state["ema"][repr(decay)]})
            yield step, path, earlier


def told(report: Report) -> Progress:
    """Progress through the real images, where the display shows that of the training."""

    def progress(done: int, whole: int) -> None:
        report({"images": done, "budget": whole, "stage": "reference features"})

    return progress
