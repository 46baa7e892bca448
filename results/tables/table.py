"""The leaderboard as a tidy frame: one row per (label, steps, metric), a pure function of records.

A seed enters a mean only when its run is done. Runs that diverged or failed stay visible: in `status`, in
`seeds_failed`, and as a NaN value where no seed finished.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from results.records import At, RunRecord, Runs, data_name, distinct_labels, flat, metric_info, sharers, short, write_text
from results.statistics import Entry, Score, bill, estimate, independent, mean, primary_metric, scores, standings
from results.tables.latex import compact, latex
from results.tables.render import markdown
from results.tables.wide import tables

COLUMNS = (
    "method", "steps", "nfe", "metric", "value", "low", "high", "seeds", "images_seen", "train_seconds", "params",
    "protocol", "status", "nfe_rows", "teacher_images", "teacher_seconds", "ema", "sampler", "evaluation_seeds",
    "count", "floor", "excess", "seeds_failed", "interval", "training_sd", "sampling_sd", "rank_low", "rank_high",
    "detectable", *bill.COLUMNS, "data", "mark",
)  # fmt: skip
COUNTS = ("images_seen", "params", "teacher_images", "peak_memory", "optimizer_steps")
COMPATIBLE = ("min_of_evaluation_seeds", "best_checkpoint")  # of other papers: labelled so, never ranked
KEPT = ("checkpoint", "kept_images")  # where runs keep the best of their checkpoints: by what rule, and what it had seen
STOPPED = ("diverged", "failed", "interrupted", "beyond the budget")
UNSCORED = "unscored"  # metric name where nothing has been scored at all
UNMEASURED = "not measured"  # status of a method that has other metrics, but not this one
REFERENCE = "reference"  # sampler name of reference rows


def leaderboard(
    runs: Runs, order: Sequence[str] | None = None, protocols: Collection[str] | None = None, *,
    at: At | None = None, compatible: bool = False, asked: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """The tidy leaderboard with COLUMNS; methods in `order` (then by name), references last, primary metric first.

    Every method has its line at every metric, without a value where it has none; a label in `order` without any run is shown
    as missing. `asked`: how many runs a label should have, where a sweep says so. `protocols` keeps rows of these protocol ids
    only. `at` scores each run at its newest checkpoint within a budget. `compatible` appends the columns COMPATIBLE, a
    checkpoint that was chosen KEPT.
    Raises ProtocolError if one metric mixes two protocols.
    """
    # The same run given twice (a copied folder) is not a second seed.
    runs = list({record.run_id: (record, rows) for record, rows in runs}.values())
    found = scores(runs, protocols, at, compatible)
    methods = [record for record, _ in runs if record.kind != "reference"]
    experiments = _experiments(methods)
    parts = Counter(records[0].label for records in experiments.values())  # a label of two experiments: asked of neither alone
    known = {label: count for label, count in (asked or {}).items() if parts[label] < 2}
    most = max(map(len, experiments.values()), default=0)
    scored = {record.run_id for record, rows in runs if rows}
    context = _Context(known, most, sharers(methods), at is not None, scored)
    own = {record.run_id: label for label, records in experiments.items() for record in records}
    groups: dict[tuple[str, str, int], list[Score]] = defaultdict(list)
    for score in found:
        groups[score.metric, score.label, score.steps].append(score)
    rows: list[dict[str, Any]] = []
    for key, group in groups.items():
        records = [] if group[0].reference else experiments[own[group[0].run_id]]
        rows.append(_row(*key, group, records, context))
    metrics = list(dict.fromkeys([*filter(None, [primary_metric(runs)]), *(score.metric for score in found)]))
    rows += _unscored(experiments, found, metrics, order or [], context)
    families = {label: records[0].label for label, records in experiments.items()} | {s.label: s.family for s in found}
    ranks = {label: rank for rank, label in enumerate(order or [])}
    references = {label: rank for rank, label in enumerate(dict.fromkeys(s.label for s in found if s.reference))}

    def position(row: dict[str, Any]) -> tuple[Any, ...]:
        reference = row["sampler"] == REFERENCE
        known = references if reference else ranks
        rank = known.get(families.get(row["method"], row["method"]), len(known))
        return metrics.index(row["metric"]), reference, rank, row["method"], row["steps"]

    metrics.append(UNSCORED)
    rows.sort(key=position)
    _rank(rows)
    kept = KEPT if any(row["checkpoint"] for row in rows) else ()
    return pd.DataFrame(rows, columns=[*COLUMNS, *(COMPATIBLE if compatible else ()), *kept])


def write(
    folder: Path, frame: pd.DataFrame, title: str = "Leaderboard", subtitle: str = "", columns: Sequence[str] | None = None,
    remarks: Sequence[str] = (),
) -> None:
    """Write leaderboard.csv (tidy), leaderboard.md and leaderboard.tex (wide), leaderboard_compact.tex into `folder`.

    `columns`: the facts beside the values of the wide tables and the compact one; None: those of each. `remarks` stand below
    the first table of leaderboard.md.
    """
    wide = tables(frame, columns)
    write_text(folder / "leaderboard.csv", _whole(frame).to_csv(index=False, na_rep="NaN", lineterminator="\n"))
    write_text(folder / "leaderboard.md", markdown(frame, title, subtitle, wide, remarks))
    write_text(folder / "leaderboard.tex", latex(frame, wide))
    write_text(folder / "leaderboard_compact.tex", compact(frame, columns))


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, also where a method has none."""
    whole = [name for name in COUNTS if (frame[name].dropna() % 1 == 0).all()]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _experiments(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Display label -> its runs, one per training seed."""
    names = distinct_labels(records)
    experiments: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        experiments[names[record.run_id]].append(record)
    return dict(experiments)


@dataclass(frozen=True)
class _Context:
    """What a line needs to know of the whole table."""

    asked: Mapping[str, int]  # label -> its runs, as far as that is known
    seeds: int  # of the label that has most
    shared: Mapping[str, int]  # teacher -> runs that learn from it
    budget: bool  # drawn at a budget
    scored: Collection[str]  # runs with any row
    bills: dict[Any, dict[str, Any]] = field(default_factory=dict)  # a method's metrics and step counts share their bill

    def expected(self, label: str, records: Sequence[RunRecord]) -> int:
        """How many runs of a label there should be; 0 where nobody says so and none has begun."""
        return self.asked.get(records[0].label if records else label, self.seeds if records else 0)

    def bill(self, label: str, records: Sequence[RunRecord], done: Sequence[Score]) -> dict[str, Any]:
        """What the runs `records` spent up to the checkpoints of `done`."""
        key = (label, *((score.run_id, score.images_seen) for score in done))
        if key not in self.bills:
            self.bills[key] = bill.bill(records, done, self.shared)
        return self.bills[key]


def _row(
    metric: str, label: str, steps: int, group: Sequence[Score], records: Sequence[RunRecord], context: _Context
) -> dict[str, Any]:
    """One line of the table. `records` are the runs of this label, `group` those of their scores that exist."""
    state = {record.run_id: record.status for record in records}
    done = [score for score in group if score.reference or state[score.run_id] == "done"]
    reference = bool(group) and group[0].reference  # without training: its seeds are draws of samples
    trainings = independent(done)
    cell, shown = estimate([score.values for score in done], None if reference else trainings), done or group
    known = {score.run_id for score in done}
    outcomes = [_outcome(r, known, context) for r in records]
    why = next((short(r.reason) for r in records if r.status == "diverged"), "")
    return {
        "method": label, "steps": steps, "metric": metric,
        "value": cell.value, "low": cell.low, "high": cell.high, "seeds": cell.seeds,
        "interval": "draws" if reference and cell.kind != "none" else cell.kind,
        "training_sd": math.nan if reference else cell.training_sd, "sampling_sd": cell.sampling_sd,
        "entry": Entry({s.seed: s.value for s in done}, tuple(s.draws for s in done), trainings),
        "rank_low": math.nan, "rank_high": math.nan, "detectable": math.nan, "mark": "",
        "nfe": bill.whole(mean([score.nfe for score in shown])) if shown else steps,
        "nfe_rows": bill.whole(mean([score.nfe_rows for score in shown])) if shown else steps,
        "protocol": shown[0].protocol if shown else "", "ema": shown[0].ema if shown else "",
        "sampler": shown[0].sampler if shown else "",
        "evaluation_seeds": min((score.evaluation_seeds for score in shown), default=0),
        "count": min((score.samples for score in shown), default=0),
        "floor": _mean_known([score.floor for score in shown]), "excess": _mean_known([score.excess for score in done]),
        "status": "done" if reference else _status(outcomes, context.expected(label, records), why),
        "seeds_failed": sum(outcome in ("diverged", "failed") for outcome in outcomes),
        "data": next(map(data_name, records), ""), **context.bill(label, records, done),
        "min_of_evaluation_seeds": mean([score.compatible.extreme for score in done if score.compatible]),
        "best_checkpoint": mean([score.compatible.checkpoint for score in done if score.compatible]),
        "checkpoint": next((score.kept for score in shown), ""), "kept_images": mean([score.kept_images for score in shown]),
    }  # fmt: skip


def _outcome(record: RunRecord, known: Collection[str], context: _Context) -> str:
    if record.status != "done" or record.run_id in known:
        return record.status
    return "beyond the budget" if context.budget and record.run_id in context.scored else "missing"


def _rank(rows: Sequence[dict[str, Any]]) -> None:
    """Fill in marks, ranges of ranks and detectable differences: of each metric, step count and league by itself."""
    columns: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["sampler"] != REFERENCE:
            columns[row["metric"], row["steps"], row["league"]].append(row)
    for (metric, _, _), column in columns.items():
        for row, found in zip(column, standings([r["entry"] for r in column], metric_info(metric).ranking), strict=True):
            row["mark"], row["rank_low"], row["rank_high"], row["detectable"] = found


def _status(outcomes: Sequence[str], expected: int, why: str = "") -> str:
    """done, or any of: diverged k of n (why the first did), failed k of n, interrupted k of n, running, missing k of n.

    Only that it is missing where nothing else is known (expected=0).
    """
    total = max(expected, len(outcomes))
    if not total:
        return "missing"
    counts = Counter(outcomes)
    counts["missing"] += total - len(outcomes)
    words = [f"{name} {counts[name]} of {total}" + (f" ({why})" if why and name == "diverged" else "")
             for name in STOPPED if counts[name]]
    words += ["running"] if counts["running"] else []
    words += [f"missing {counts['missing']} of {total}"] if counts["missing"] else []
    return ", ".join(words) or "done"


def _unscored(
    experiments: Mapping[str, list[RunRecord]], found: Sequence[Score], metrics: Sequence[str], order: Sequence[str],
    context: _Context,
) -> list[dict[str, Any]]:
    """Lines for labels without a score of a metric, at the step counts that the other methods have.

    Where no method has a score, they stand at the metrics of the references and at the step counts that were asked for.
    """
    started = {record.label for records in experiments.values() for record in records}
    labels = {label: list[RunRecord]() for label in order if label not in started} | dict(experiments)
    own = [score for score in found if not score.reference]
    asked = {steps for records in labels.values() for record in records for steps in _steps(record)} or {0}
    measured = {score.metric for score in own} or {score.metric for score in found} or {UNSCORED}
    protocol, somewhere = {score.metric: score.protocol for score in found}, {score.run_id for score in own}
    rows = []
    for metric in (name for name in (*metrics, UNSCORED) if name in measured):
        of = [score for score in own if score.metric == metric]
        having, steps = {score.run_id for score in of}, sorted({score.steps for score in of} or asked)
        for label, records in labels.items():
            if any(record.run_id in having for record in records):
                continue
            told = {"protocol": protocol.get(metric, "")}
            if records and all(record.status == "done" and record.run_id in somewhere for record in records):
                told["status"] = UNMEASURED
            rows += [_row(metric, label, n, [], records, context) | told for n in steps]
    return rows


def _steps(record: RunRecord) -> list[int]:
    """The step counts that a run was asked for."""
    return list(flat(record.config).get("evaluation.steps") or [])


def _mean_known(values: Sequence[float]) -> float:
    return mean([value for value in values if not math.isnan(value)])
