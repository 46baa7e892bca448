"""From evaluation rows to one score per training seed: one protocol, the last checkpoint, evaluation seeds averaged.

Nothing here looks at a metric's value to choose a row: the checkpoint is the last one (within a budget, where one is given),
and where a step count was scored with several samplers or EMAs the one written first is the declared one; the others become
lines of their own. A run that keeps its best by a proxy was scored at that one alone, under a protocol of its own. The
exceptions are two numbers that other papers quote, kept apart in `Compatible`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from results.records import At, EvalRow, ProtocolError, RunRecord, Runs, distinct_labels, metric_info, near, teacher_key
from results.statistics.intervals import mean

Variant = tuple[str, str, str]  # sampler, ema, grid


class Compatible(NamedTuple):
    """What some papers report: chosen by the metric itself, so never ranked and never the default.

    `extreme`: the best of the evaluation seeds; `checkpoint`: the best checkpoint for this step count.
    """

    extreme: float
    checkpoint: float


class Score(NamedTuple):
    """One metric of one training seed at one step count.

    `value` is the mean of `values`, which stand in the order of the evaluation seeds `draws`. `part` is the share of the run's
    own training that the scored checkpoint had behind it. `kept` is the rule by which it was chosen among others, empty for
    the last, and `kept_images` what it had seen.
    """

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
    samples: int
    value: float
    floor: float
    excess: float
    protocol: str
    reference: bool
    values: tuple[float, ...]
    draws: tuple[int, ...]
    teacher: str  # what names the run's teachers, empty without one
    part: float
    compatible: Compatible | None  # where it was asked for
    kept: str
    kept_images: float


def scores(
    runs: Runs, protocols: Collection[str] | None = None, at: At | None = None, compatible: bool = False
) -> list[Score]:
    """One Score per (label, training seed, steps, metric); label order and row order do not change any value.

    `protocols` keeps only rows of these protocol ids; `at` only checkpoints within a budget, of which the newest is scored.
    Raises ProtocolError if one metric then still mixes two.
    """
    check_protocols([row for _, rows in runs for row in rows], protocols)
    names = distinct_labels([record for record, _ in runs if record.kind != "reference"])
    records = {record.run_id: record for record, _ in runs}
    groups: dict[tuple[str, str, int, str, int], list[EvalRow]] = defaultdict(list)
    drawn: set[tuple[str, str, str, int, float]] = set()  # of references: two sweeps of one protocol drew the same
    for record, own in sorted(runs, key=lambda run: (run[0].seed, run[0].run_id)):
        reference, limit = record.kind == "reference", math.inf if at is None else at.images(record)
        label, seed = names.get(record.run_id, ""), record.seed
        for row in own:
            if (protocols is None or row.protocol in protocols) and row.images_seen <= limit:
                if reference:
                    label, seed = row.label, row.seed
                    if (draw := (row.protocol, label, row.metric, row.evaluation_seed, row.value)) in drawn:
                        continue
                    drawn.add(draw)
                groups[label, row.metric, row.steps, record.run_id, seed].append(row)
    declared: dict[tuple[str, str, int], Variant] = {}
    found = []
    for (label, metric, steps, run_id, seed), group in groups.items():
        for variant, members in _variants(group).items():
            first = declared.setdefault((label, metric, steps), variant)
            found.append(_score(label + _difference(variant, first), seed, records[run_id], members, compatible))
    return found


def check_protocols(rows: Sequence[EvalRow], protocols: Collection[str] | None = None) -> None:
    """Raise ProtocolError if a metric has rows of two protocols, or if a wanted protocol has no row at all."""
    present: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        present[row.metric].add(row.protocol)
    known = set().union(*present.values())
    for wanted in protocols or ():
        if wanted not in known and known:
            close = near(wanted, known, 1, 0) or ["none"]
            raise ProtocolError(f"no evaluation row has protocol {wanted!r}; nearest: {close[0]!r}")
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


def independent(group: Sequence[Score]) -> int:
    """How many independent trainings stand behind scores of one method: students of one teacher count as one."""
    taught = [score.teacher for score in group if score.teacher]
    return len(group) - len(taught) + len(set(taught))


def _variants(group: Sequence[EvalRow]) -> dict[Variant, list[EvalRow]]:
    """Variant -> its rows of every checkpoint."""
    first = group[0]
    if all(row.sampler == first.sampler and row.ema == first.ema and not row.extra.get("grid") for row in group):
        return {(first.sampler, first.ema, ""): list(group)}
    variants: dict[Variant, list[EvalRow]] = defaultdict(list)
    for row in group:
        variants[row.sampler, row.ema, str(row.extra.get("grid") or "")].append(row)
    return variants


def _last(rows: Sequence[EvalRow]) -> list[EvalRow]:
    """Rows of the last checkpoint, one per evaluation seed in their order (of a repeated row the later one)."""
    last = max(row.images_seen for row in rows)
    kept = {row.evaluation_seed: row for row in rows if row.images_seen == last}
    return [kept[seed] for seed in sorted(kept)]


def _compatible(rows: Sequence[EvalRow], last: Sequence[EvalRow]) -> Compatible:
    choose = max if metric_info(last[0].metric).better == "higher" else min

    def best(values: Sequence[float]) -> float:
        """Who chooses passes over what is no number."""
        return choose([value for value in values if not math.isnan(value)], default=math.nan)

    if len(rows) == len(last):
        return Compatible(best([row.value for row in last]), mean([row.value for row in last]))
    checkpoints: dict[int, dict[int, float]] = defaultdict(dict)
    for row in rows:
        checkpoints[row.images_seen][row.evaluation_seed] = row.value
    return Compatible(best([row.value for row in last]), best([mean([*own.values()]) for own in checkpoints.values()]))


def _difference(variant: Variant, declared: Variant) -> str:
    """What tells a variant from the declared one, as a suffix of its label: " (solver:heun, ema 0.999)"."""
    if variant == declared:
        return ""
    parts = zip(("", "ema ", "grid "), variant, declared, strict=True)
    words = [f"{name}{mine}" for name, mine, its in parts if mine != its]
    return f" ({', '.join(words)})"


def _score(label: str, seed: int, record: RunRecord, every: Sequence[EvalRow], compatible: bool) -> Score:
    rows = _last(every)
    row, reference, values = rows[0], record.kind == "reference", tuple(row.value for row in rows)
    return Score(
        label=label, family=row.label if reference else record.label, run_id=record.run_id, seed=seed,
        metric=row.metric, steps=row.steps, sampler=row.sampler, ema=row.ema,
        protocol=row.protocol, reference=reference, images_seen=row.images_seen,
        evaluation_seeds=len(rows), samples=min([row.count for row in rows]),
        nfe=mean([row.nfe for row in rows]), nfe_rows=mean([row.nfe_rows for row in rows]),
        value=mean(values), values=values, draws=tuple(row.evaluation_seed for row in rows), teacher=teacher_key(record),
        part=min(1.0, row.images_seen / record.images_seen) if record.images_seen else 1.0,
        compatible=_compatible(every, rows) if compatible else None,
        floor=_mean_extra(rows, "floor"), excess=_mean_extra(rows, "excess"),
        kept=str(row.extra.get("kept") or ""), kept_images=_mean_extra(rows, "kept_images"),
    )  # fmt: skip


def _mean_extra(rows: Sequence[EvalRow], key: str) -> float:
    """Mean of a number in `extra`; NaN where rows do not carry it."""
    found = [float(row.extra[key]) for row in rows if row.extra.get(key) is not None]
    return mean(found) if found else math.nan
