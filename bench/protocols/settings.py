"""How an experiment's evaluation is filled in while planning, and how it meets its data to become a protocol."""

from typing import TypeVar

from bench.config import ConfigError, Points, Scoring, Surroundings, unknown
from bench.data import Dataset, existing, file_hash
from bench.features import base as features
from bench.metrics import fid_infinity, precision_recall
from bench.protocols.best import best
from bench.protocols.named import FEATURES, Named, metric_of, named
from bench.protocols.protocol import LAST, Protocol
from bench.protocols.statistics import KEY, moments

S = TypeVar("S", bound=Surroundings)
POINT_METRICS = ("sliced_w2", "kl", "w2", "map_error")
NEIGHBOURS = 10_000
FEW = 10_000
"""Samples per seed where neither the experiment nor the protocol says more."""


def planned(scored: S) -> S:
    """With names and hashes filled in: what a run is scored by, known before any data is read. Raises ConfigError."""
    rule, asked = named(scored), scored.evaluation
    if rule is None:
        return scored.filled(features="none", ema=scored.ema, **_chosen(scored))
    if asked.weights is not None:
        existing("evaluation.weights", asked.weights)
    if asked.statistics is not None:
        moments(asked.statistics, rule.width)
    if rule.features in asked.also:
        raise ConfigError(unknown("evaluation.also", rule.features, [name for name in FEATURES if name != rule.features]))
    return scored.filled(
        protocol=rule.name, features=_hashed(rule.features), also=[_hashed(name) for name in asked.also],
        rounding=asked.rounding or rule.rounding, ema=scored.ema,
        statistics_hash=file_hash(KEY, asked.statistics) if asked.statistics else None, **_chosen(scored),
    )


def _chosen(scored: Surroundings) -> dict[str, int]:
    """Of how many milestones the best is scored, and at how many steps it is found; nothing where the last is."""
    asked = scored.evaluation
    if asked.checkpoint == "last":
        return {}
    return {"best_of": scored.train.milestones, "best_at": asked.best_at or min(asked.steps)}


def protocol_of(scored: Surroundings, data: Dataset) -> Protocol:
    """The protocol under which samples of `data` are scored, of an experiment as `planned` made it.

    Raises ConfigError where there is less data than asked for.
    """
    rule = named(scored)
    return _of_points(scored, data) if rule is None else _of_images(rule, scored.scoring, data)


def samples(scored: Surroundings, train: int, heldout: int) -> int:
    """How many each number will rest on: of an experiment as `planned` made it, and data with so many images or points."""
    return _samples(named(scored), scored.scoring, train, heldout)


def _samples(rule: Named | None, scoring: Scoring, train: int, heldout: int) -> int:
    """As many as are asked for; else the protocol's own number; else as many as are held out, or as there are, FEW at most."""
    return scoring.count or (rule.count if rule else None) or min(heldout or train, FEW)


def _of_images(rule: Named, scoring: Scoring, data: Dataset) -> Protocol:
    count = _samples(rule, scoring, len(data.train), len(data.heldout))
    size, statistics = scoring.reference_count, scoring.statistics_hash
    if size is not None and not 2 <= size <= len(data.train):
        raise ConfigError(f"evaluation.reference_count={size}: data={data.name} has {len(data.train)} training images to "
                          "compare with, and 2 are the least; lower it or leave it null for all")
    return Protocol(
        name=rule.name, version=rule.version,
        metrics=_metrics(rule, count, None if statistics else size or len(data.train), scoring.also, len(data.heldout)),
        features=scoring.features, resize=rule.resize, feature_chunk=rule.feature_chunk, also=scoring.also,
        reference=f"file:{statistics} train:{data.hash}" if statistics else f"train:{data.hash}",
        reference_count=0 if size is None or size == len(data.train) else size,
        count=count, seeds=scoring.seeds, chunk=scoring.chunk, neighbours=NEIGHBOURS,
        ema=scoring.ema, rounding=scoring.rounding or rule.rounding, grid=scoring.grid,
        checkpoint=str(best(scoring, data, rule.primary, count) or LAST),
    )


def _metrics(rule: Named, count: int, reference: int | None, also: tuple[str, ...], heldout: int) -> tuple[str, ...]:
    """What so many samples against so many real features can carry; reference None: only moments are known. heldout: images
    that are held out; without any, nothing is compared with them."""
    short = rule.primary.split("_")[0]
    found = [rule.primary]
    if reference is not None and min(count, reference) >= 4:
        found.append("kid")
    if reference is not None and min(count, reference) > precision_recall.K_DENSITY:
        found += ["precision", "recall", "density", "coverage"]
    if fid_infinity.smallest(count, rule.width) is not None:
        found.append(f"{short}_infinity")
    further = [metric_of(name.split(":")[0], second=True) for name in also]
    neighbours = (f"{short}_heldout", "nn_train", "nn_heldout", "nn_closer") if heldout else ("nn_train",)
    return (*found, *neighbours, *further)


def _of_points(scored: Surroundings, data: Dataset) -> Protocol:
    evaluation = scored.scoring
    assert isinstance(scored.data, Points), "only points have no named protocol"
    count = _samples(None, evaluation, len(data.train), len(data.heldout))
    return Protocol(
        name=f"{scored.data.name}-points",
        metrics=POINT_METRICS + (("kl_50",) if data.name == "checkerboard" else ()),
        features="none", reference=f"train:{data.hash[:12]}", count=count,
        seeds=evaluation.seeds, chunk=evaluation.chunk, ema=scored.ema, rounding="none", grid=evaluation.grid,
        checkpoint=str(best(evaluation, data, POINT_METRICS[0], count) or LAST),
    )


def _hashed(name: str) -> str:
    return f"{name}:{features.digest(name)}"


def feature_set(hashed: str) -> str:
    """The name in "NAME:HASH"."""
    return hashed.split(":")[0]
