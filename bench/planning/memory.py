"""What a step of each method holds on a GPU and the rows of its passes, before anything is trained."""

import sys
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from tqdm import tqdm

from bench.config import IMAGES, Backend, Experiment, Slurm, recorded_experiment
from bench.data import SHARE
from bench.fitting import GB, Fit, fitted, usable
from bench.planning.work import shape
from bench.processes import device as devices
from bench.processes import memory
from sweeps.plan import Job

CARD, ASSUMED = 80.0, "that of an H100"
"""GB of the GPU that a plan is made for where the command names none and there is none here, and which one that is."""
SAMPLES = 100_000  # of the user's own data, which are not counted here: small beside what a step holds


class Need(NamedTuple):
    """Of one method: its slice, None where a step cannot be counted; the batch, and the rows that were asked for (None: as
    many as fit)."""

    fit: Fit | None
    batch: int
    asked: int | None


def needs(firsts: Mapping[str, Job]) -> dict[str, Need]:
    """Name -> what its job needs. It takes a second or two a method, and shows a bar."""
    bar = tqdm(firsts.items(), desc="memory of a step", unit="method", leave=False, disable=not sys.stderr.isatty())
    return {name: _need(recorded_experiment(job.config)) for name, job in bar}


def words(found: Mapping[str, Need], job: Job) -> list[str]:
    """For which card that is, who takes the batch in slices, and who does not fit: a line for each size."""
    card, said = _card(recorded_experiment(job.config).backend)
    whole = [name for name, need in found.items() if need.fit and need.fit.rows >= need.batch]
    sliced: dict[tuple[int, int], list[str]] = {}
    for name, need in found.items():
        if need.fit and 0 < need.fit.rows < need.batch:
            sliced.setdefault((need.fit.rows, need.batch), []).append(name)
    who = "all" if len(whole) == len(found) else f"{len(whole)} of {len(found)}"
    return [
        f"Memory: counted for a GPU of {card:.3g} GB, {said}; {who} take their whole batch at once.",
        *(f"  in passes of {rows} rows of the {batch}, with the same results: {', '.join(names)}"
          for (rows, batch), names in sorted(sliced.items(), reverse=True)),
        *(f"  does not fit: {name}: {need.asked or 'the fewest'} rows a pass hold {gigabytes(need)} where "
          f"{max(0.0, usable(GB * card)) / GB:.1f} GB are free; choose "
          + ("budget.micro_batch=auto" if need.asked else "backbone.checkpoint=blocks or a larger GPU")
          for name, need in found.items() if need.fit and not need.fit.rows),
    ]  # fmt: skip


def _need(experiment: Experiment) -> Need:
    known, budget = IMAGES.get(experiment.data.name), experiment.budget
    asked = None if budget.micro_batch == "auto" else budget.micro_batch or budget.batch
    samples, card = known.train if known else SAMPLES, GB * _card(experiment.backend)[0]
    try:
        size = shape(experiment.data)
        fit = fitted(experiment, size, samples if _resident(experiment, samples * prod(size), card) else 0, card)
    except Exception:  # a method of the user's that asks its tensors for numbers: the run says more
        fit = None
    return Need(fit, budget.batch, asked)


def _resident(experiment: Experiment, size: int, card: float) -> bool:
    """Whether training data of so many bytes lie on a card."""
    wanted = getattr(experiment.data, "resident", True)
    return size <= SHARE * card if wanted == "auto" else bool(wanted)


def _card(backend: Backend) -> tuple[float, str]:
    """GB of the GPU that the jobs will have, and how that is known."""
    if backend.gpu_memory:
        return backend.gpu_memory, "as backend.gpu_memory says"
    here = None if isinstance(backend, Slurm) else devices.of(backend.device)
    if here is not None and here.type == "cuda":
        return memory.whole(here) / GB, f"that of the {devices.name(here)} here"
    return CARD, f"{ASSUMED}, which is assumed (backend.gpu_memory=N for another)"


def gigabytes(need: Need) -> str:
    """What the step holds."""
    return "?" if need.fit is None else f"{need.fit.memory / GB:.1f} GB"


def rows(need: Need) -> str:
    """Those of a pass."""
    return "?" if need.fit is None else str(need.fit.rows) if need.fit.rows else "does not fit"
