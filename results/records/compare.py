"""What two runs differ in, record against record: causes before what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from results.records.labels import distinct_labels
from results.records.record import EvalRow, RunRecord, Runs

_OWN = ("run_id", "label", "started", "finished", "config", "versions", "attempts", "parents", "schema")
_COSTS = ("train_seconds", "evaluation_seconds", "teacher_seconds", "trajectory_seconds", "peak_memory")
_IDENTITY = ("kind", "method", "data", "data_hash", "backbone", "params", "teacher", "league")
_EVALUATED = ("ema", "sampler", "steps", "count", "evaluation_seed")
ABSENT = "absent"
_ASKED = ("what was run", "config")
_FOLLOWS = ("teacher", "parents", "seed", "cost", "teacher.run")  # what a setting brings with it, or each run has of its own


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
            if mine != other and not (name in first and name in second and _equal(first[name], second[name])):
                found.append(Difference(section, name, mine, other))
    return found


def _equal(a: object, b: object) -> bool:
    """1 is 1.0, and neither is True."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


class Setting(NamedTuple):
    """What was asked of runs otherwise: its name, its values on both sides, and in how many of the pairs of runs."""

    name: str
    first: list[str]
    second: list[str]
    pairs: int


def settings(a: Runs, b: Runs) -> tuple[list[Setting], int]:
    """In which settings the runs of two sweeps differ, and how many pairs of runs there are: of one label and training seed."""
    others, own = _named(b), _named(a)
    pairs = [(run, others[name]) for name, run in own.items() if name in others]
    found: dict[str, list[Difference]] = {}
    for pair in pairs:
        for each in differences(*pair):
            if each.section in _ASKED and each.name not in _FOLLOWS and not each.name.startswith("protocol."):
                found.setdefault(each.name, []).append(each)
    said = [Setting(name, [*dict.fromkeys(one.first for one in own)], [*dict.fromkeys(one.second for one in own)], len(own))
            for name, own in found.items()]  # fmt: skip
    return said, len(pairs)


def _named(runs: Runs) -> dict[tuple[str, int], tuple[RunRecord, list[EvalRow]]]:
    """Those of methods by label and training seed; labels told apart as a table of them does."""
    labels = distinct_labels([record for record, _ in runs if record.kind != "reference"])
    return {(labels[record.run_id], record.seed): (record, list(rows)) for record, rows in runs if record.run_id in labels}


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


def data_name(record: RunRecord) -> str:
    """What a run was trained on: the data's name, of images of the user's own with the name of their file or folder."""
    own = PurePath(str(flat(record.config).get("data.path") or "")).name
    return record.data if own in ("", record.data) else f"{record.data} {own}"


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        out |= flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) and item else {f"{prefix}{key}": item}
    return out
