"""From evaluation rows to one score per training seed: one protocol, the last checkpoint, evaluation seeds averaged.

Nothing here looks at a metric's value to choose a row: the checkpoint is the last one, and where a step count was
scored with several samplers or EMAs the one written first is the declared one; the others become lines of their own.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from results.labels import distinct_labels
from results.record import EvalRow, RunRecord
from results.statistics import mean

Runs = Sequence[tuple[RunRecord, list[EvalRow]]]
Variant = tuple[str, str, str]  # sampler, ema, grid


class ProtocolError(ValueError):
    """Rows of one metric that were scored under different protocols cannot stand in one table."""


@dataclass(frozen=True)
class Score:
    """One metric of one training seed at one step count. `value` is the mean over evaluation seeds."""

    label: str
    family: str  # the run's own label, before anything was appended to tell variants apart
    run_id: str
    seed: int
    metric: str
    steps: int
    sampler: str
    ema: str
    nfe: float
    nfe_rows: float
    images_seen: int
    evaluation_seeds: int
    count: int
    value: float
    floor: float
    excess: float
    protocol: str
    reference: bool


def scores(runs: Runs, protocols: Collection[str] | None = None) -> list[Score]:
    """One Score per (label, training seed, steps, metric); label order and row order do not change any value.

    `protocols` keeps only rows of these protocol ids. Raises ProtocolError if one metric then still mixes two.
    """
    rows = [row for _, rows in runs for row in rows]
    check_protocols(rows, protocols)
    names = distinct_labels([record for record, _ in runs if record.kind != "reference"])
    records = {record.run_id: record for record, _ in runs}
    groups: dict[tuple[str, str, int, str, int], list[EvalRow]] = defaultdict(list)
    for record, own in sorted(runs, key=lambda run: (run[0].seed, run[0].run_id)):
        for row in own:
            if protocols is None or row.protocol in protocols:
                reference = record.kind == "reference"
                label, seed = (row.label, row.seed) if reference else (names[record.run_id], record.seed)
                groups[label, row.metric, row.steps, record.run_id, seed].append(row)
    declared: dict[tuple[str, str, int], Variant] = {}
    found = []
    for (label, metric, steps, run_id, seed), group in groups.items():
        for variant, members in _variants(group).items():
            first = declared.setdefault((label, metric, steps), variant)
            found.append(_score(label + _difference(variant, first), seed, records[run_id], members))
    return found


def check_protocols(rows: Sequence[EvalRow], protocols: Collection[str] | None = None) -> None:
    """Raise ProtocolError if a metric has rows of two protocols, or if a wanted protocol has no row at all."""
    present: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        present[row.metric].add(row.protocol)
    known = set().union(*present.values())
    for wanted in protocols or ():
        if wanted not in known and known:
            near = difflib.get_close_matches(wanted, known, 1, 0) or ["none"]
            raise ProtocolError(f"no evaluation row has protocol {wanted!r}; nearest: {near[0]!r}")
    for metric, ids in present.items():
        kept = sorted(ids if protocols is None else ids & set(protocols))
        if len(kept) > 1:
            raise ProtocolError(
                f"metric {metric!r} was scored under different protocols ({' and '.join(map(repr, kept))}): such "
                f"numbers cannot share a table. Choose one (--protocol {kept[0]}) or score all runs under one"
            )


def primary_metric(runs: Runs) -> str | None:
    """The metric that leads: the first marked `primary` in a row's extra, else the first seen; None without rows."""
    rows = [row for _, rows in runs for row in rows]
    marked = (row.metric for row in rows if row.extra.get("primary") is True)
    return next(marked, rows[0].metric if rows else None)


def _variants(group: Sequence[EvalRow]) -> dict[Variant, list[EvalRow]]:
    """Variant -> rows of the last checkpoint, one per evaluation seed (of a repeated row the later one)."""
    variants: dict[Variant, list[EvalRow]] = defaultdict(list)
    for row in group:
        variants[row.sampler, row.ema, str(row.extra.get("grid", ""))].append(row)
    for variant, rows in variants.items():
        last = max(row.images_seen for row in rows)
        variants[variant] = list({row.evaluation_seed: row for row in rows if row.images_seen == last}.values())
    return variants


def _difference(variant: Variant, declared: Variant) -> str:
    """What tells a variant from the declared one, as a suffix of its label: " (solver:heun, ema 0.999)"."""
    parts = zip(("", "ema ", "grid "), variant, declared, strict=True)
    words = [f"{name}{mine}" for name, mine, its in parts if mine != its]
    return f" ({', '.join(words)})" if words else ""


def _score(label: str, seed: int, record: RunRecord, rows: Sequence[EvalRow]) -> Score:
    row, reference = rows[0], record.kind == "reference"
    return Score(
        label=label, family=row.label if reference else record.label, run_id=record.run_id, seed=seed,
        metric=row.metric, steps=row.steps, sampler=row.sampler, ema=row.ema,
        protocol=row.protocol, reference=reference, images_seen=row.images_seen,
        evaluation_seeds=len(rows), count=min(row.count for row in rows),
        nfe=mean([row.nfe for row in rows]), nfe_rows=mean([row.nfe_rows for row in rows]),
        value=mean([row.value for row in rows]),
        floor=_mean_extra(rows, "floor"), excess=_mean_extra(rows, "excess"),
    )  # fmt: skip


def _mean_extra(rows: Sequence[EvalRow], key: str) -> float:
    """Mean of a number in `extra`; NaN where rows do not carry it."""
    return mean([float(value) for row in rows if (value := row.extra.get(key)) is not None])
