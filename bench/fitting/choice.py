"""The rows of a pass that an experiment asks for, or that fit the device."""

import math
import warnings
from math import prod

from bench.config import Experiment
from bench.fitting.slices import Fit, fit
from bench.nets import factory
from bench.training import Recipe

FLOAT = 4  # bytes
_known: dict[str, Fit] = {}  # training seeds of one method hold the same


def rows(experiment: Experiment, shape: tuple[int, ...], samples: int, room: float) -> int:
    """Of a pass, on a device with `room` bytes (infinite: no limit). samples: of the training data.

    What cannot be counted begins with the whole batch, and a warning: a method of the user's may ask tensors for numbers.
    """
    budget, group = experiment.budget, experiment.method.needs.group
    if budget.micro_batch != "auto":
        return budget.micro_batch or budget.batch
    chosen = budget.batch
    if math.isfinite(room):
        try:
            chosen = fitted(experiment, shape, samples, room).rows
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            warnings.warn(f"what a step of {experiment.label} holds cannot be counted ({reason}): its passes take the whole "
                          "batch; budget.micro_batch=N sets their rows", stacklevel=2)
    return max(group, (chosen >> budget.halvings) // group * group)


def fitted(experiment: Experiment, shape: tuple[int, ...], samples: int, card: float) -> Fit:
    """The largest slice of the experiment's batch that fits a card of so many bytes, and what it holds; or of the rows that it
    asks for."""
    method, recipe = experiment.method, Recipe.of(experiment.budget, experiment.train)
    wanted = method.needs.trajectories
    asked = experiment.budget.micro_batch
    sizes = None if asked == "auto" else [asked or recipe.batch]
    key = repr((method, experiment.backbone, experiment.precision, recipe, shape, samples, card, sizes))
    if key not in _known:
        paths = FLOAT * wanted.count * (1 + len(wanted.kept)) if wanted else 0
        data = prod(shape) * (samples * (1 if len(shape) == 3 else FLOAT) + paths)
        _known[key] = fit(method, factory(experiment, shape, "meta"), recipe, card, data, sizes)
    return _known[key]
