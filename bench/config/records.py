"""What is asked of a run's dictionary form without parsing all of it: thousands of records are looked at while planning."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.config.parse import section
from bench.config.schema import Scoring

UNSCORED = {"batch", "weights", "statistics"}
"""Of an evaluation: what changes no row; files stand beside their hashes."""
UNTIMED = {"gflops": None, "checkpoint": "none", "published": False}
"""Of a network: what older records say besides, or do not say yet, at these values (None: at any) without taking other time."""


def scoring(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows of a run depend on; an option that says nothing is none. Raises ConfigError."""
    found = section(Scoring, config.get("evaluation"), "evaluation", lenient=True).model_dump(exclude=UNSCORED)
    return {key: value for key, value in found.items() if value not in (None, False, ())}


def kind(config: Mapping[str, Any]) -> str:
    """Runs of one kind take one time per image: method, data and network."""
    names = [(config.get(part) or {}).get("name") for part in ("method", "data")]
    return json.dumps([*names, _timed(config)], sort_keys=True, default=str)


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
    return json.dumps(_timed(config), sort_keys=True, default=str)


def _timed(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a network takes time."""
    found = config.get("backbone") or {}
    return {key: value for key, value in found.items() if key not in UNTIMED or UNTIMED[key] not in (None, value)}


def precision(config: Mapping[str, Any]) -> str:
    """That of the networks' products, as planning knows it; float32 where nothing is said."""
    return str(config.get("precision") or (config.get("train") or {}).get("precision") or "float32")


def cost(config: Mapping[str, Any]) -> float:
    """The estimated work of a run in GFLOP; 0 where there is none."""
    return float(config.get("cost") or 0.0)


def by_hand(config: Mapping[str, Any]) -> float:
    """GFLOP of one sample's forward pass as an older record says them; 0 in one whose network is counted."""
    return float((config.get("backbone") or {}).get("gflops") or 0.0)


class Evaluated(NamedTuple):
    """What an evaluation does: samples (None: an old plan's, which does not say it) at each number of steps, for each seed and
    each of the scales of guidance, all but 1 guided for a share of the times."""

    data: str
    protocol: str
    steps: Sequence[int]
    seeds: Sequence[int]
    samples: int | None
    scales: Sequence[float]
    guided: float


def evaluated(config: Mapping[str, Any]) -> Evaluated:
    """Of a job or a record."""
    asked = config.get("evaluation") or {}
    low, high = asked.get("guidance_interval") or (0.0, 1.0)
    scale = (config.get("method") or {}).get("scale")
    least, most = scale if isinstance(scale, list | tuple) and len(scale) == 2 else (1.0, 1.0)  # else a knob of its own
    guided = high - low if least == most else 0.0  # a network that is told the scale takes no second row
    count = (config.get("protocol") or {}).get("count") or config.get("samples") or asked.get("count")
    return Evaluated(str((config.get("data") or {}).get("name")), str(asked.get("protocol") or ""), asked.get("steps") or [],
                     asked.get("seeds") or [], count, asked.get("guidance") or [1.0], guided)


class Compared(NamedTuple):
    """Checkpoints of a run that a proxy compares, and at how many sampling steps; (0, 0) where the last is scored."""

    checkpoints: int
    steps: int


def compared(config: Mapping[str, Any]) -> Compared:
    """Of a job or a record."""
    asked = config.get("evaluation") or {}
    return Compared(int(asked.get("best_of") or 0), int(asked.get("best_at") or 0))


def images(config: Mapping[str, Any]) -> int:
    """The budget of a training; 0 for reference rows."""
    return int((config.get("budget") or {}).get("images") or 0)


def steps(config: Mapping[str, Any]) -> int:
    """Of the optimizer, in a whole training."""
    return images(config) // int(config["budget"]["batch"])


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
    asked, batch = budget["micro_batch"], int(budget["batch"])
    if not (rows := (batch if asked == "auto" else int(asked or batch)) >> times):
        return None
    less = {"halvings": times} if asked == "auto" else {"micro_batch": rows}
    return {**config, "budget": {**budget, **less}}


def taught(config: Mapping[str, Any], parents: tuple[str, ...], teacher: Mapping[str, Any] | None) -> dict[str, Any]:
    """A student's dictionary form with its teachers' runs (the weak one's last) and how the teacher's networks are made."""
    run, weak = (*parents, None, None)[:2]
    made_by = teacher["method"] if teacher else None  # the student's networks are parametrised like it
    return {**config, "teacher": {**config["teacher"], "run": run, "weak_run": weak, "made_by": made_by}}


def importing(config: Mapping[str, Any], file: str, name: str, made_by: Mapping[str, Any]) -> dict[str, Any]:
    """A student's dictionary form with the file that it learns from, whatever folder a worker is in, and how its network is
    made."""
    return {**config, "teacher": {**config["teacher"], "import": file, "imported": name, "made_by": dict(made_by)}}


def recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an experiment that its teacher takes over untuned."""
    return {"train": config["train"]}


def shape(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Of one sample, as the run that made the record saw it."""
    return tuple(config["shape"])
