"""What is asked of a run's dictionary form without parsing all of it: thousands of records are looked at while planning."""

import json
from collections.abc import Mapping
from typing import Any

from bench.config.choices import IMAGES
from bench.config.parse import section
from bench.config.schema import Scoring

UNSCORED = {"batch", "weights", "statistics"}
"""Of an evaluation: what changes no row; files stand beside their hashes."""
UNET_SIDE = {"unet_small": 8, "unet_55m": 32}
"""Pixels along the images for which the files of these networks say their gflops."""
INCEPTION, SMALL_FEATURES = 11.5, 0.01
"""GFLOP of one sample through the features' network."""


def scoring(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows of a run depend on; an option that says nothing is none. Raises ConfigError."""
    found = section(Scoring, config.get("evaluation"), "evaluation", lenient=True).model_dump(exclude=UNSCORED)
    return {key: value for key, value in found.items() if value not in (None, False, ())}


def kind(config: Mapping[str, Any]) -> str:
    """Runs of one kind take one time per image: method, data and network."""
    names = [(config.get(part) or {}).get("name") for part in ("method", "data")]
    return json.dumps([*names, config.get("backbone")], sort_keys=True, default=str)


def protocol(config: Mapping[str, Any]) -> tuple[int, str]:
    """(version, rule of the times) of the protocol that a run's rows are under; what a record does not say it had none of."""
    found = config.get("protocol") or {}
    return int(found.get("version", 1)), str(found.get("grid", ""))


def full_protocol(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Everything that it says; nothing in records of before it was kept."""
    found: Mapping[str, Any] = config.get("protocol") or {}
    return found


def is_trial(config: Mapping[str, Any]) -> bool:
    """Whether the run is a trial of a search, which leaves a score and no rows."""
    return bool(config.get("proxy"))


def network(config: Mapping[str, Any]) -> str:
    """The network alone."""
    return json.dumps(config.get("backbone"), sort_keys=True, default=str)


def cost(config: Mapping[str, Any]) -> float:
    """The estimated work of a run in GFLOP; 0 where there is none."""
    return float(config.get("cost") or 0.0)


def work(config: Mapping[str, Any]) -> float:
    """That of a training, in GFLOP at the size of its images: a U-Net's is said for one size."""
    network_, side = config.get("backbone") or {}, _side(config)
    said = UNET_SIDE.get(str(network_.get("name")))
    scale = side / said if said and side else 1.0
    return cost(config) * scale * scale


def scoring_work(config: Mapping[str, Any]) -> float:
    """That of an evaluation: samples through the network at each number of steps, and through the features' network."""
    asked = config.get("evaluation") or {}
    steps, seeds = asked.get("steps") or [], asked.get("seeds") or []
    data, protocol = str((config.get("data") or {}).get("name")), str(asked.get("protocol") or "")
    inception = protocol.startswith(("clean-fid", "legacy")) or (not protocol and data == "cifar10")
    samples = asked.get("count") or (50_000 if inception else 597 if data == "digits" else 10_000)
    per_sample: float = float((config.get("backbone") or {}).get("gflops") or 0.0) * sum(steps)
    return float(samples) * len(seeds) * (per_sample + len(steps) * (INCEPTION if inception else SMALL_FEATURES))


def _side(config: Mapping[str, Any]) -> int | None:
    """Pixels along an image, where the record or the data's section says it."""
    data = config.get("data") or {}
    seen = (config.get("shape") or [0])[-1] if len(config.get("shape") or ()) == 3 else None
    known = IMAGES.get(str(data.get("name")))
    return seen or data.get("size") or (known and known.side)


def images(config: Mapping[str, Any]) -> int:
    """The budget of a training; 0 for reference rows."""
    return int((config.get("budget") or {}).get("images") or 0)


def share(config: Mapping[str, Any], steps: int) -> float:
    """How much of its training a run has done after so many steps, in [0, 1]."""
    whole = images(config)
    return min(1.0, steps * int(config["budget"]["batch"]) / whole) if whole else 0.0


def smaller(config: Mapping[str, Any], times: int) -> dict[str, Any] | None:
    """What a run that was out of memory is given instead: its micro-batch halved `times` times, or None below one row.

    Results do not change (gradients are summed over micro-batches), and neither does the run's identity.
    """
    budget = config.get("budget")
    if budget is None:  # reference rows train nothing
        return None
    rows = int(budget["micro_batch"] or budget["batch"]) >> times
    return {**config, "budget": {**budget, "micro_batch": rows}} if rows else None


def taught(config: Mapping[str, Any], parents: tuple[str, ...], teacher: Mapping[str, Any] | None) -> dict[str, Any]:
    """A student's dictionary form with its teachers' runs (the weak one's last) and how the teacher's networks are made."""
    run, weak = (*parents, None, None)[:2]
    made_by = teacher["method"] if teacher else None  # the student's networks are parametrised like it
    return {**config, "teacher": {**config["teacher"], "run": run, "weak_run": weak, "made_by": made_by}}


def recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an experiment that its teacher takes over untuned."""
    return {"train": config["train"]}


def shape(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Of one sample, as the run that made the record saw it."""
    return tuple(config["shape"])
