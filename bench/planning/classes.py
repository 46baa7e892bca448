"""How many classes the networks of a conditional run are told: as many as its data has."""

from bench.config import Experiment
from bench.data import inspect


def with_classes(experiment: Experiment) -> Experiment:
    """The experiment with `backbone.classes` filled in. Raises ConfigError for one's own data that cannot be read."""
    if not experiment.conditional or not experiment.has("backbone.classes") or experiment.value("backbone.classes"):
        return experiment
    return experiment.changed({"backbone.classes": inspect(experiment.data).classes})
