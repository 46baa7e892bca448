"""The leaderboard as a tidy frame: one row per (label, steps, metric), a pure function of records.

A seed enters a mean only when its run is done. Runs that diverged or failed stay visible: in `status`, in
`seeds_failed`, and as a NaN value where no seed finished.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from results.labels import distinct_labels
from results.record import RunRecord
from results.render import markdown
from results.scores import Runs, Score, primary_metric, scores
from results.statistics import interval, mean
from results.store import write_text

COLUMNS = (
    "method", "steps", "nfe", "metric", "value", "low", "high", "seeds", "images_seen", "train_seconds", "params",
    "protocol", "status", "nfe_rows", "teacher_images", "teacher_seconds", "ema", "sampler", "evaluation_seeds",
    "count", "floor", "excess", "seeds_failed",
)  # fmt: skip
UNSCORED = "unscored"  # metric name of runs that ended before anything was scored
REFERENCE = "reference"  # sampler name of reference rows


def leaderboard(runs: Runs, order: Sequence[str] | None = None, protocols: Collection[str] | None = None) -> pd.DataFrame:
    """The tidy leaderboard with COLUMNS; methods in `order` (then by name), references last, primary metric first.

    A label in `order` without any run is shown as missing. `protocols` keeps rows of these protocol ids only.
    Raises ProtocolError if one metric mixes two protocols.
    """
    # The same run given twice (a copied folder) is not a second seed.
    runs = list({record.run_id: (record, rows) for record, rows in runs}.values())
    found = scores(runs, protocols)
    methods = [record for record, _ in runs if record.kind != "reference"]
    experiments = _experiments(methods)
    expected = max(map(len, experiments.values()), default=0)
    own = {record.run_id: label for label, records in experiments.items() for record in records}
    groups: dict[tuple[str, str, int], list[Score]] = defaultdict(list)
    for score in found:
        groups[score.metric, score.label, score.steps].append(score)
    rows: list[dict[str, Any]] = []
    for key, group in groups.items():
        records = [] if group[0].reference else experiments[own[group[0].run_id]]
        rows.append(_row(*key, group, records, expected))
    rows += _unscored(experiments, found, order or [], max(expected, 1))
    metrics = list(dict.fromkeys([primary_metric(runs), *(score.metric for score in found)]))
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
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(folder: Path, frame: pd.DataFrame, title: str = "Leaderboard") -> tuple[Path, Path]:
    """Write leaderboard.csv (tidy) and leaderboard.md (wide) into `folder`; returns both paths."""
    csv, page = Path(folder) / "leaderboard.csv", Path(folder) / "leaderboard.md"
    write_text(csv, frame.to_csv(index=False, na_rep="NaN", lineterminator="\n"))
    write_text(page, markdown(frame, title))
    return csv, page


def _experiments(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Display label -> its runs, one per training seed."""
    names = distinct_labels(records)
    experiments: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        experiments[names[record.run_id]].append(record)
    return dict(experiments)


def _row(
    metric: str, label: str, steps: int, group: Sequence[Score], records: Sequence[RunRecord], expected: int
) -> dict[str, Any]:
    """One line of the table. `records` are the runs of this label, `group` those of their scores that exist."""
    state = {record.run_id: record.status for record in records}
    done = [score for score in group if score.reference or state[score.run_id] == "done"]
    cell, shown = interval([score.value for score in done]), done or group
    paying = [record for record in records if record.status == "done"] or records
    scored = {score.run_id for score in done}
    outcomes = [("missing" if r.status == "done" and r.run_id not in scored else r.status) for r in records]
    return {
        "method": label, "steps": steps, "metric": metric,
        "value": cell.value, "low": cell.low, "high": cell.high, "seeds": cell.seeds,
        "nfe": _whole(mean([score.nfe for score in shown])) if shown else steps,
        "nfe_rows": _whole(mean([score.nfe_rows for score in shown])) if shown else steps,
        "images_seen": _whole(mean([s.images_seen for s in done] or [r.images_seen for r in paying] or [0])),
        "train_seconds": mean([record.train_seconds for record in paying] or [0.0]),
        "params": max((record.params for record in paying), default=0),
        "teacher_images": _whole(mean([record.teacher_images for record in paying] or [0])),
        "teacher_seconds": mean([record.teacher_seconds for record in paying] or [0.0]),
        "protocol": shown[0].protocol if shown else "", "ema": shown[0].ema if shown else "",
        "sampler": shown[0].sampler if shown else "",
        "evaluation_seeds": min((score.evaluation_seeds for score in shown), default=0),
        "count": min((score.count for score in shown), default=0),
        "floor": _mean_known([score.floor for score in shown]), "excess": _mean_known([score.excess for score in done]),
        "status": "done" if group and group[0].reference else _status(outcomes, expected),
        "seeds_failed": sum(outcome in ("diverged", "failed") for outcome in outcomes),
    }  # fmt: skip


def _status(outcomes: Sequence[str], expected: int) -> str:
    """done, or any of: diverged k of n, failed k of n, interrupted k of n, running, missing k of n."""
    total = max(expected, len(outcomes))
    counts = Counter(outcomes)
    counts["missing"] += total - len(outcomes)
    words = [f"{name} {counts[name]} of {total}" for name in ("diverged", "failed", "interrupted") if counts[name]]
    words += ["running"] if counts["running"] else []
    words += [f"missing {counts['missing']} of {total}"] if counts["missing"] else []
    return ", ".join(words) or "done"


def _unscored(
    experiments: Mapping[str, list[RunRecord]], found: Sequence[Score], order: Sequence[str], expected: int
) -> list[dict[str, Any]]:
    """Lines for labels without one score, at every (metric, steps) that the other methods have."""
    scored = {score.run_id for score in found}
    started = {record.label for records in experiments.values() for record in records}
    silent: dict[str, list[RunRecord]] = {label: [] for label in order if label not in started}
    silent |= {label: own for label, own in experiments.items() if not any(r.run_id in scored for r in own)}
    places = sorted({(score.metric, score.steps) for score in found if not score.reference}) or [(UNSCORED, 0)]
    protocol = {score.metric: score.protocol for score in found}
    rows = [_row(metric, label, steps, [], own, expected) for label, own in silent.items() for metric, steps in places]
    return [row | {"protocol": protocol.get(row["metric"], "")} for row in rows]


def _whole(value: float) -> float | int:
    return int(value) if math.isfinite(value) and value == int(value) else value


def _mean_known(values: Sequence[float]) -> float:
    return mean([value for value in values if not math.isnan(value)])
