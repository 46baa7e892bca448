"""What a step of each method holds on a GPU and the rows of its passes, before anything is trained."""

import sys
from collections.abc import Sequence
from math import prod

from tqdm import tqdm

from bench.config import IMAGES, Experiment, recorded_experiment
from bench.data import SHARE
from bench.fitting import GB, Fit, fitted
from bench.planning.work import shape
from sweeps.plan import Job

CARD = 80.0
"""GB of the GPU that a plan is made for where the command names none."""
SAMPLES = 100_000  # of the user's own data, which are not counted here: small beside what a step holds


def fits(jobs: Sequence[Job]) -> dict[str, Fit | None]:
    """Label -> its slice; None where a step cannot be counted. It takes a second or two a method, and shows a bar."""
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.label, job)
    bar = tqdm(first.items(), desc="memory of a step", unit="method", leave=False, disable=not sys.stderr.isatty())
    return {label: _fit(recorded_experiment(job.config)) for label, job in bar}


def words(jobs: Sequence[Job]) -> str:
    """For which card the slices are."""
    card = recorded_experiment(jobs[0].config).backend.gpu_memory
    known = f"{card:g} GB (backend.gpu_memory)" if card else f"{CARD:g} GB (backend.gpu_memory=N for another)"
    return f"Memory and rows a pass: counted for a GPU of {known}."


def _fit(experiment: Experiment) -> Fit | None:
    card, known = GB * (experiment.backend.gpu_memory or CARD), IMAGES.get(experiment.data.name)
    samples = known.train if known else SAMPLES
    try:
        size = shape(experiment.data)
        return fitted(experiment, size, samples if _resident(experiment, samples * prod(size), card) else 0, card)
    except Exception:  # a method of the user's that asks its tensors for numbers: the run says more
        return None


def _resident(experiment: Experiment, size: int, card: float) -> bool:
    """Whether training data of so many bytes lie on a card."""
    wanted = getattr(experiment.data, "resident", True)
    return size <= SHARE * card if wanted == "auto" else bool(wanted)


def gigabytes(fit: Fit | None) -> str:
    """What the step holds."""
    return "?" if fit is None else f"{fit.memory / GB:.1f} GB"


def rows(fit: Fit | None) -> str:
    """Those of a pass."""
    return "?" if fit is None else str(fit.rows) if fit.rows else "does not fit"
