"""What two runs differ in, record against record: causes before what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from results.records.record import EvalRow, RunRecord

_OWN = ("run_id", "label", "started", "finished", "config", "versions", "attempts", "parents", "schema")
_COSTS = ("train_seconds", "evaluation_seconds", "teacher_seconds", "trajectory_seconds", "peak_memory")
_IDENTITY = ("kind", "method", "data", "data_hash", "backbone", "params", "teacher", "league")
_EVALUATED = ("ema", "sampler", "steps", "count", "evaluation_seed")
ABSENT = "absent"


class Difference(NamedTuple):
    """One field that is not equal: the section it stands in, its dotted name and both values as text."""

    section: str
    name: str
    first: str
    second: str


def differences(a: tuple[RunRecord, list[EvalRow]], b: tuple[RunRecord, list[EvalRow]]) -> list[Difference]:
    """Everything in which two runs differ, causes before what follows from them; measured times come last."""
    found = []
    for (section, first), (_, second) in zip(_sections(*a), _sections(*b), strict=True):
        for name in dict.fromkeys([*first, *second]):
            mine, other = (repr(side[name]) if name in side else ABSENT for side in (first, second))
            if mine != other:
                found.append(Difference(section, name, mine, other))
    return found


def _sections(record: RunRecord, rows: Sequence[EvalRow]) -> list[tuple[str, dict[str, Any]]]:
    fields = {name: value for name, value in record.to_dict().items() if name not in _OWN}
    protocols: dict[str, Any] = {}
    for metric in sorted({row.metric for row in rows}):
        protocols[metric] = sorted({row.protocol for row in rows if row.metric == metric})
    evaluated = {name: sorted({getattr(row, name) for row in rows}) for name in _EVALUATED}
    identity = {name: fields[name] for name in _IDENTITY}
    costs = {name: fields[name] for name in _COSTS}
    budget = {name: value for name, value in fields.items() if name not in (*_IDENTITY, *_COSTS, "seed")}
    return [
        ("what was run", {**identity, "seed": record.seed, "parents": dict(record.parents)}),
        ("config", flat(record.config)),
        ("versions", flat(record.versions)),
        ("budget and outcome", budget),
        ("protocol", {**protocols, **evaluated}),
        ("measured costs", costs),
    ]


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        out |= flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) and item else {f"{prefix}{key}": item}
    return out
