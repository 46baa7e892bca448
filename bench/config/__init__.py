"""From a command line to typed experiments: Hydra composes, pydantic parses, once. Nothing that trains, scores or reads."""

from bench.config.choices import (
    BACKBONES,
    CLASSES,
    FEWEST,
    IMAGES,
    OFFICIAL,
    Arrays,
    Backend,
    Cifar10,
    Data,
    Digits,
    Folder,
    Local,
    Network,
    Points,
    Prepared,
    Slurm,
)
from bench.config.combinations import HELD_OUT, POINTS, counts, unfit, unheld, unlabelled, unmet, unserved, unshared, untaught
from bench.config.command import Request, options, request, whole, with_method
from bench.config.errors import ConfigError, nearest, shown, unknown
from bench.config.experiment import TRUTH, Experiment, References, Surroundings, recorded, recorded_experiment
from bench.config.parse import section
from bench.config.records import smaller
from bench.config.registry import unlisted
from bench.config.schema import FIRST_PROXY_SEED, Budget, Evaluation, Proxy, Scoring, Train, Tuning
from bench.config.types import Section

__all__ = [
    "BACKBONES", "CLASSES", "FEWEST", "FIRST_PROXY_SEED", "HELD_OUT", "IMAGES", "OFFICIAL", "POINTS", "TRUTH", "Arrays",
    "Backend", "Budget", "Cifar10", "ConfigError", "Data", "Digits", "Evaluation", "Experiment", "Folder", "Local",
    "Network", "Points", "Prepared", "Proxy", "References", "Request", "Scoring", "Section", "Slurm", "Surroundings",
    "Train", "Tuning", "counts", "nearest", "options", "recorded", "recorded_experiment", "request", "section", "shown",
    "smaller", "unfit", "unheld", "unknown", "unlabelled", "unlisted", "unmet", "unserved", "unshared", "untaught", "whole",
    "with_method",
]  # fmt: skip
