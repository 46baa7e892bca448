"""The protocols that ship, and how a config chooses one and ties it to its data.

    clean-fid          mode clean of clean-fid: antialiased bicubic resize, rounded pixels (Parmar et al., arXiv 2104.11222)
    legacy-tensorflow  what CIFAR-10 numbers of the EDM family use: the original graph's bilinear resize without antialias
    legacy-pytorch     pytorch-fid's: PyTorch's bilinear resize
    digits-frechet, cifar-frechet   distances on the packaged classifiers' features, never to be called FID
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.errors import ConfigError, nearest
from bench.data import Dataset
from bench.data.files import file_hash
from bench.features import base as features
from bench.metrics import fid_infinity
from bench.metrics.precision_recall import K_DENSITY
from bench.protocols.protocol import Protocol
from bench.protocols.rounding import LEVELS, RULES
from bench.truth import TARGETS

Config = Mapping[str, Any]
POINT_METRICS = ("sliced_w2", "kl", "w2", "map_error")
NEIGHBOURS = 10_000
FEW = 10_000  # samples per seed where neither the config nor the protocol says more


@dataclass(frozen=True)
class Named:
    """What a protocol fixes before it meets data. count: samples, or None for as many as are held out (at most FEW)."""

    name: str
    features: str
    width: int
    resize: str
    rounding: str
    feature_chunk: int
    count: int | None = None
    version: int = 1

    @property
    def primary(self) -> str:
        """The metric that leads: "fid" on Inception's features alone."""
        return metric_of(self.features)


SHIPPED = {
    one.name: one
    for one in (
        Named("clean-fid", features.INCEPTION, 2048, "clean", "round", 50, 50_000),
        Named("legacy-tensorflow", features.INCEPTION, 2048, "tensorflow", "edm", 50, 50_000),
        Named("legacy-pytorch", features.INCEPTION, 2048, "pytorch", "round", 50, 50_000),
        Named("digits-frechet", "digits8", 32, features.OWN, LEVELS, 200, version=2),
        Named("cifar-frechet", "cifar32", 64, features.OWN, LEVELS, 100, version=2),
    )
}
CHUNKS = {one.features: one.feature_chunk for one in SHIPPED.values()}
FEATURES = tuple(CHUNKS)


def metric_of(feature_set: str, second: bool = False) -> str:
    """The name of the Fréchet distance on a feature set; a second set's is never called FID."""
    return "fid" if feature_set == features.INCEPTION and not second else f"fd_{feature_set}"


def named(config: Config) -> Named | None:
    """The protocol that `evaluation.protocol` names, or the one of data.features; None for points in the plane.

    Raises ConfigError for an unknown name, with the nearest, and for a protocol that the data cannot have.
    """
    chosen, own = config["evaluation"].get("protocol"), config["data"].get("features")
    if config["data"]["name"] in TARGETS:
        if chosen is not None:
            raise ConfigError(f"evaluation.protocol={chosen} is for images, and data={config['data']['name']} are points in "
                              "the plane with metrics of their own; leave it null")
        return None
    if chosen is not None:
        if chosen not in SHIPPED:
            raise nearest("evaluation.protocol", chosen, SHIPPED)
        return SHIPPED[chosen]
    found = [one for one in SHIPPED.values() if one.features == own]
    if not found:
        raise nearest("data.features", own, FEATURES)
    return found[0]


def settings(config: Config) -> dict[str, Any]:
    """The evaluation settings with names and hashes filled in: what a run is scored by, known before any data is read.

    Raises ConfigError for what cannot be.
    """
    rule, evaluation = named(config), config["evaluation"]
    ema = float(evaluation["ema"] or config["train"]["ema"][0])
    for key in ("count", "reference_count"):
        value = evaluation.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"evaluation.{key}={value} must be a whole number of images, or null")
    if rule is None:
        return {**evaluation, "features": "none", "ema": ema}
    also = evaluation.get("also") or []
    if not isinstance(also, list | tuple):
        raise ConfigError(f"evaluation.also={also} must be a list of feature sets, for example evaluation.also=[{also}]")
    for name in also:
        if name not in FEATURES or name == rule.features:
            raise nearest("evaluation.also", name, [n for n in FEATURES if n != rule.features])
    rounding = evaluation.get("rounding") or rule.rounding
    if rounding not in RULES:
        raise nearest("evaluation.rounding", rounding, RULES)
    statistics = evaluation.get("statistics")
    return {
        **evaluation,
        "protocol": rule.name, "features": _hashed(rule.features), "also": [_hashed(n) for n in also], "rounding": rounding,
        "statistics_hash": file_hash("evaluation.statistics", statistics) if statistics else None, "ema": ema,
    }


def protocol(config: Config, data: Dataset) -> Protocol:
    """The protocol under which samples of `data` are scored; `config["evaluation"]` as `settings` made it.

    Raises ConfigError where there is less data than asked for.
    """
    rule, evaluation = named(config), config["evaluation"]
    return _of_points(config, data) if rule is None else _of_images(rule, evaluation, data)


def _of_images(rule: Named, evaluation: Config, data: Dataset) -> Protocol:
    count = evaluation["count"] or rule.count or min(len(data.heldout), FEW)
    size, statistics = evaluation.get("reference_count"), evaluation.get("statistics_hash")
    if size is not None and not 2 <= size <= len(data.train):
        raise ConfigError(f"evaluation.reference_count={size}: data={data.name} has {len(data.train)} training images to "
                          "compare with, and 2 are the least; lower it or leave it null for all")
    also = tuple(evaluation["also"])
    return Protocol(
        name=rule.name, version=rule.version,
        metrics=_metrics(rule, count, None if statistics else size or len(data.train), also),
        features=evaluation["features"], resize=rule.resize, feature_chunk=rule.feature_chunk, also=also,
        reference=f"file:{statistics} train:{data.hash}" if statistics else f"train:{data.hash}",
        reference_count=0 if size is None or size == len(data.train) else size,
        count=count, seeds=_seeds(evaluation), chunk=int(evaluation["chunk"]), neighbours=NEIGHBOURS,
        ema=float(evaluation["ema"]), rounding=evaluation["rounding"], grid="method",
    )


def _metrics(rule: Named, count: int, reference: int | None, also: tuple[str, ...]) -> tuple[str, ...]:
    """What so many samples against so many real features can carry; reference None: only moments are known."""
    short = rule.primary.split("_")[0]
    found = [rule.primary]
    if reference is not None and min(count, reference) >= 4:
        found.append("kid")
    if reference is not None and min(count, reference) > K_DENSITY:
        found += ["precision", "recall", "density", "coverage"]
    if fid_infinity.smallest(count, rule.width) is not None:
        found.append(f"{short}_infinity")
    further = [metric_of(name.split(":")[0], second=True) for name in also]
    return (*found, f"{short}_heldout", "nn_train", "nn_heldout", "nn_closer", *further)


def _of_points(config: Config, data: Dataset) -> Protocol:
    evaluation = config["evaluation"]
    count = evaluation["count"] or min(len(data.heldout), FEW)
    if count > len(data.train):
        raise ConfigError(f"evaluation.count={count} samples are compared with as many training points, and there are "
                          f"{len(data.train)} (data.count)")
    if count > len(data.heldout):
        raise ConfigError(
            f"evaluation.count={count}: only {len(data.heldout)} held-out samples can stand beside it at the same "
            "count; lower it or leave it null"
        )
    return Protocol(
        name=f"{config['data']['name']}-points",
        metrics=POINT_METRICS + (("kl_50",) if data.name == "checkerboard" else ()),
        features="none", reference=f"train:{data.hash[:12]}", count=count, seeds=_seeds(evaluation),
        chunk=int(evaluation["chunk"]), ema=float(evaluation["ema"] or config["train"]["ema"][0]), rounding="none",
    )


def _seeds(evaluation: Config) -> tuple[int, ...]:
    return tuple(evaluation["seeds"])


def _hashed(name: str) -> str:
    return f"{name}:{features.digest(name)}"


def feature_set(hashed: str) -> str:
    """The name in "NAME:HASH"."""
    return hashed.split(":")[0]


def path_of(evaluation: Config, key: str) -> Path | None:
    """A file that an evaluation names (weights, statistics), ~ expanded."""
    return Path(str(evaluation[key])).expanduser() if evaluation.get(key) else None
