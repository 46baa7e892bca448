"""One display label per configuration: two different experiments under one label are told apart, never averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from results.records.record import EvalRow, RunRecord

# These may differ between the seeds of one experiment without making it another experiment.
_PER_SEED = {"seed", "teacher", "run_id", "label", "parents", "out", "folder"}


def relabelled(
    runs: Sequence[tuple[RunRecord, list[EvalRow]]], labels: Mapping[str, str]
) -> list[tuple[RunRecord, list[EvalRow]]]:
    """The runs under the labels that a sweep gives them by id; references and runs not named there keep their own.

    A record carries the label of the sweep that ran it first; a row's label counts for references only.
    """
    return [
        (record if record.kind == "reference" else replace(record, label=labels.get(record.run_id, record.label)), rows)
        for record, rows in runs
    ]


def distinct_labels(records: Sequence[RunRecord]) -> dict[str, str]:
    """run_id -> label; a label shared by different experiments gets what differs appended: "lsd (lr=0.001)".

    Different means another data set, backbone or image budget, or the same training seed run twice.
    """
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.seed, record.run_id)):
        groups[record.label].append(record)
    names: dict[str, str] = {}
    for label, group in groups.items():
        described = _described(group)
        names |= {run: f"{label} ({text})" if text else label for run, text in described.items()}
    return names


def _described(group: Sequence[RunRecord]) -> dict[str, str]:
    """run_id -> what distinguishes the run inside its label, empty if nothing has to."""
    facts = {r.run_id: {"data": r.data, "backbone": r.backbone, "images_budget": r.images_budget} for r in group}
    facts = _only(facts, _differing(list(facts.values())))
    twins = _twins(group, facts)
    if twins:
        flat = {r.run_id: _flat(r.config) for r in group}
        keys = set().union(*(_differing([flat[run] for run in pair]) for pair in twins))
        facts = {run: facts[run] | _only(flat, keys)[run] for run in facts}
    for pair in _twins(group, facts):  # same configuration, another version of the code: only the id tells
        for run in pair:
            facts[run]["run"] = run
    return {run: _worded(fact) for run, fact in facts.items()}


def _worded(fact: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.split('.')[-1]}={value}" for key, value in fact.items())


def _twins(group: Sequence[RunRecord], facts: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Groups of run ids that share training seed and facts."""
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    for record in group:
        found[record.seed, _key(facts[record.run_id])].append(record.run_id)
    return [runs for runs in found.values() if len(runs) > 1]


def _differing(facts: Sequence[Mapping[str, Any]]) -> set[str]:
    keys = set().union(*facts)
    return {key for key in keys if len({_key(fact.get(key)) for fact in facts}) > 1}


def _key(value: Any) -> str:
    """The same text for values that are the same however they were written: 1 is 1.0, and neither is True."""
    if isinstance(value, float) and value.is_integer():
        return repr(int(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_key, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_key(each)}' for name, each in value.items())}}}"
    return repr(value)


def _only(facts: Mapping[str, Mapping[str, Any]], keys: set[str]) -> dict[str, dict[str, Any]]:
    return {run: {key: fact.get(key) for key in sorted(keys)} for run, fact in facts.items()}


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys -> leaves, without what legitimately changes with the seed."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if key in _PER_SEED:
            continue
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
