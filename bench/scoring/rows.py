"""The evaluation of a finished training: rows of its last checkpoint and its milestones, or of its best, into its folder."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bench.config import Experiment
from bench.data import Dataset
from bench.processes import Ranks
from bench.protocols import Protocol, best
from bench.scoring.evaluation import Evaluation, Key
from bench.scoring.kept import Candidate, Choice
from bench.scoring.labels import Labels
from bench.scoring.model import complete, earlier
from bench.scoring.proxy import Proxy
from bench.scoring.sample import ALONE
from bench.scoring.score import scorer
from bench.scoring.score_images import Progress
from bench.training import Trainer, checkpoint
from results.records import append_rows, read_rows, whole_rows, write_rows

Report = Callable[[dict[str, Any]], bool]


class Scored(NamedTuple):
    """rows: how many of this protocol there are; kept: the checkpoint that was chosen, as records say it, {} for the last."""

    rows: int
    kept: dict[str, Any]


def append(experiment: Experiment, data: Dataset, protocol: Protocol, trainer: Trainer, last: Path | None, folder: Path,
           device: torch.device, report: Report, ranks: Ranks) -> Scored:
    """Append the rows that are not there yet, an evaluation at a time.

    An evaluation that lost a row, to a kill or to a disk, is made again as a whole. The ranks of the training share images
    and their features; points are scored in a moment, by rank 0. Only rank 0 touches the folder's rows.
    """
    if data.kind == "points" and not ranks.leads:
        return Scored(0, {})
    ranks = ranks if data.kind == "images" else ALONE
    have = ranks.word(_have(folder) if ranks.leads else None)
    score = scorer(data, protocol, device, experiment.evaluation, told(report), ranks)
    trained = {"images": experiment.budget.images, "budget": experiment.budget.images}  # whoever looks sees that it goes on
    report({**trained, "stage": "scoring"})
    labels = Labels.of(experiment, trainer.data.frequencies.tolist())
    end = Candidate(last, {**trainer.models, "net": trainer.averaged(protocol.ema)},
                    trainer.recipe.steps * experiment.budget.batch)
    kept, found = dict[str, Any](), _checkpoints(experiment, protocol, end, folder, ranks)
    if (rule := best(experiment.scoring, data, protocol.metrics[0], protocol.count)) is not None:
        if ranks.leads:
            proxy = Proxy.of_checkpoints(experiment, data, rule, protocol, device, labels)
            kept = Choice(experiment, rule, proxy, end, folder).made(
                lambda n: report({**trained, "stage": f"choosing a checkpoint, {n} compared"}))
        kept = ranks.word(kept)
        found = iter([_of(kept, end, folder, protocol.ema)])
    beside = {"kept": kept["rule"], "kept_images": kept["images"]} if kept else {}
    checkpoints = 1 + (experiment.train.milestones if experiment.evaluation.milestones and not kept else 0)
    for number, (path, models, images) in enumerate(found):
        evaluation = Evaluation(
            experiment.method, models, data, protocol, score, experiment, folder.name, path.name if path else "", images,
            device, ranks, labels, beside,
        )
        asked = {key for *_, key in evaluation.asked}
        left = len(asked - have)
        if not number:  # what an earlier start has scored
            report({**trained, "scored": (1 - left / max(1, len(asked))) / checkpoints, "stage": "scoring"})
        for rows in evaluation.rows(skip=have):
            append_rows(folder, rows)
            left -= 1
            share = (number + 1 - left / len(asked)) / checkpoints
            stage = f"scoring, {round(share * checkpoints * len(asked))} of {checkpoints * len(asked)}"
            report({**trained, "scored": min(1.0, share), "stage": stage})
    return Scored(sum(row.protocol == protocol.id for row in read_rows(folder)) if ranks.leads else 0, kept)


def _have(folder: Path) -> set[Key]:
    """The evaluations that are there whole; what is left of others is taken out."""
    found, damaged = whole_rows(folder)
    if damaged:
        write_rows(folder, found)
    return {(r.protocol, r.steps, r.evaluation_seed, r.sampler, r.images_seen) for r in found}


def _of(kept: Mapping[str, Any], end: Candidate, folder: Path, decay: float) -> Candidate:
    """The checkpoint that is kept. Its rows say the images of the whole training, which the choice took."""
    if kept["images"] == end.images:
        return end
    path = folder / "checkpoints" / kept["checkpoint"]
    return Candidate(path, earlier(end.models, checkpoint.load(path), decay), end.images)


def _checkpoints(experiment: Experiment, protocol: Protocol, end: Candidate, folder: Path, ranks: Ranks) -> Iterator[Candidate]:
    """The last checkpoint, and with evaluation.milestones those before it.

    A milestone from before a network that is sampled from was made is no model, and is passed over.
    """
    yield end
    if not experiment.evaluation.milestones:
        return
    found = ranks.word(checkpoint.milestones(folder / "checkpoints"))  # a shared disk may show other ranks its files later
    for step, path, state in checkpoint.whole(found):
        images = step * experiment.budget.batch
        if images < end.images and complete(experiment.method, end.models, experiment.budget.images, state["stage"]):
            yield Candidate(path, earlier(end.models, state, protocol.ema), images)


def told(report: Report) -> Progress:
    """Progress through the real images, where the display shows that of the training."""

    def progress(done: int, whole: int) -> None:
        report({"images": done, "budget": whole, "stage": "reference features"})

    return progress
