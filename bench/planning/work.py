"""The arithmetic of runs in GFLOP: that of their network is counted, at the size of the data.

A job or a record says its whole training as `cost`. Before networks were counted their files said their `gflops`, by hand
and for one size: what such a record says is put right, so that both sides of a fit are the same work.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from bench.config import BACKBONES, IMAGES, OFFICIAL, ConfigError, Data, Digits, Experiment, Points, records, section
from bench.data import inspect
from bench.nets import Backbone
from bench.protocols import MOST

INCEPTION, SMALL_FEATURES = 11.5, 0.01
"""GFLOP of one sample through the features' network."""


class Scored(NamedTuple):
    """An evaluation's work in GFLOP: of the network that samples, and of the features' network."""

    network: float
    features: float


def shape(data: Data) -> tuple[int, ...]:
    """Of one sample. Raises ConfigError for the user's own data that cannot be loaded."""
    if isinstance(data, Points):
        return (2,)
    if data.name in IMAGES:  # known before anything is there
        side = IMAGES[data.name].side
        return (1 if isinstance(data, Digits) else 3, side, side)
    return inspect(data).shape


def gflops(experiment: Experiment) -> float:
    """Of a whole training: images x 3 forward passes x the method's relative cost, and the teacher's trajectories."""
    needs = experiment.method.needs
    passes = float(experiment.budget.images) * 3 * needs.cost
    solved = needs.trajectories.evaluations if needs.trajectories else 0
    return _counted(records.network(experiment.plain), shape(experiment.data)) * (passes + solved)


def training(config: Mapping[str, Any]) -> float:
    """Of a job's or a record's training."""
    said = records.by_hand(config)
    return records.cost(config) * (_forward(config) / said if said else 1.0)


def per_image(config: Mapping[str, Any]) -> float:
    """Of one image of a training, as rates are measured for."""
    images = records.images(config)
    return training(config) / images if images else 0.0


def scoring(config: Mapping[str, Any]) -> Scored:
    """Of an evaluation: samples through the network at each number of steps, and through the features' network, for every
    scale of guidance. A guided step takes two rows for a sample. Before it, of checkpoints that are compared, the samples of
    each, and the held-out data that they are compared with."""
    data, protocol, steps, seeds, asked, scales, guided = records.evaluated(config)
    rows = sum(1 + (guided if scale != 1 else 0) for scale in scales)
    inception = protocol.startswith(("clean-fid", "legacy")) or (not protocol and data in ("cifar10", *OFFICIAL))
    each = float(asked or (50_000 if inception else 597 if data == "digits" else 10_000))  # of older plans, that do not say it
    samples, looked, compared = each * len(seeds), min(each, MOST), records.compared(config)
    seen = samples * len(steps) * len(scales) + looked * (compared.checkpoints + bool(compared.checkpoints))
    drawn = samples * sum(steps) * rows + looked * compared.checkpoints * compared.steps
    return Scored(drawn * _forward(config), seen * (INCEPTION if inception else SMALL_FEATURES))


def _forward(config: Mapping[str, Any]) -> float:
    """Of one sample's forward pass; what a record says by hand, where its network or its data are none of this version's."""
    try:
        return _counted(records.network(config), records.shape(config))
    except (ConfigError, KeyError, TypeError):
        return records.by_hand(config)


@cache
def _counted(network: str, shape: tuple[int, ...]) -> float:
    options = json.loads(network)
    return Backbone(section(BACKBONES[options["name"]], options, "backbone", lenient=True), shape, 0).gflops()
