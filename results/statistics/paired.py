"""Paired comparisons: two methods seed by seed, on the same training seed and the same evaluation noise.

    d_i = mean over common evaluation seeds j of (y_ij - z_ij),   i: a training seed that both have

What a training seed (data order, initial weights, its teacher) and an evaluation seed do to both methods cancels. The interval
and the p value are Student's over d_i: sharper than two intervals side by side where seeds matter to both alike.
"""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from scipy.special import stdtr

from results.records.budget import At
from results.records.metric import metric_info
from results.statistics.intervals import Interval, estimate
from results.statistics.scores import Runs, Score, scores
from results.tables.numbers import decimals, fixed, number, steps_title

COLUMNS = ("method", "against", "metric", "steps", "difference", "low", "high", "p", "seeds", "draws", "interval", "detectable")


def paired(runs: Runs, against: str, protocols: Collection[str] | None = None, at: At | None = None) -> pd.DataFrame:
    """Every method minus the one called `against`, at each metric and step count that both have, with COLUMNS.

    `draws`: the fewest common evaluation seeds. `interval` as in results/statistics/intervals.py: "sampling" compares two trained
    networks, not two methods. `p` is two-sided and for one comparison. `detectable` is the smallest true difference that such
    pairs show with 80 % power at the 5 % level. Only finished runs count. Raises ValueError for an unknown method.
    """
    found = [s for s in scores([r for r in runs if r[0].status == "done"], protocols, at) if not s.reference]
    known = list(dict.fromkeys(score.label for score in found))
    if against not in known:
        near = difflib.get_close_matches(against, known, 1, 0) or ["none"]
        raise ValueError(f"--against {against}: no finished run has this label; nearest: {near[0]!r}")
    cells: dict[tuple[str, int], dict[str, dict[int, Score]]] = defaultdict(lambda: defaultdict(dict))
    for score in found:
        cells[score.metric, score.steps][score.label][score.seed] = score
    rows = []
    for (metric, steps), methods in cells.items():
        for label, own in methods.items():
            if label != against and (pairs := _differences(own, methods.get(against, {}))):
                cell = estimate(pairs)
                rows.append((label, against, metric, steps, cell.value, cell.low, cell.high, _p(cell, pairs), cell.seeds,
                             min(map(len, pairs)), cell.kind, cell.detectable_from_zero))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _differences(own: dict[int, Score], other: dict[int, Score]) -> list[list[float]]:
    """For each common training seed, the differences at the common evaluation seeds."""
    found = []
    for seed in sorted(own.keys() & other.keys()):
        theirs = dict(zip(other[seed].draws, other[seed].values, strict=True))
        mine = zip(own[seed].draws, own[seed].values, strict=True)
        if both := [value - theirs[draw] for draw, value in mine if draw in theirs]:
            found.append(both)
    return found


def _p(cell: Interval, pairs: Sequence[Sequence[float]]) -> float:
    if cell.kind == "none":
        return math.nan
    if cell.error == 0:
        return 1.0 if cell.value == 0 else 0.0
    freedom = (cell.seeds if cell.kind == "training" else len(pairs[0])) - 1
    return 2 * float(stdtr(freedom, -abs(cell.value) / cell.error))


def markdown(frame: pd.DataFrame) -> str:
    """One section per metric: difference [95 % interval], bold where zero is outside it."""
    sections = [_section(metric_info(str(name)).name, part) for name, part in frame.groupby("metric", sort=False)]
    return "\n\n".join(["# Paired comparisons", *(sections or ["No training seed is shared by two methods."])]) + "\n"


def _section(metric: str, part: pd.DataFrame) -> str:
    steps, against = sorted(part["steps"].unique()), part["against"].iloc[0]
    titles = " | ".join(steps_title(int(n)) for n in steps)
    lines = [f"| method - {against} | {titles} | pairs |", "| --- |" + " ---: |" * (len(steps) + 1)]
    for label, rows in part.groupby("method", sort=False):
        by_steps = {int(row["steps"]): row for row in rows.to_dict("records")}
        cells = [_cell(by_steps[n]) if n in by_steps else "" for n in steps]
        lines.append(f"| {label} | {' | '.join(cells)} | {rows['seeds'].max()} |")
    seen = part["detectable"].dropna()
    caption = (
        f"Mean difference [95 % Student-t interval over training seeds] on the same training seed and the same noise; "
        f"{metric_info(metric).better or 'neither'} is better; bold: zero lies outside (one comparison, 5 %). None below three "
        f"pairs; † one training seed: sampling noise only."
    )
    caption += f" Smallest difference detectable (80 % power): {number(float(seen.median()))} (median)." if len(seen) else ""
    return "\n".join([f"## {metric} against {against}", "", caption, "", *lines])


def _cell(row: Mapping[Any, Any]) -> str:
    places = decimals(row["difference"])
    text = fixed(row["difference"], places)
    if math.isnan(row["low"]):
        return text
    text += f" [{fixed(row['low'], places)}, {fixed(row['high'], places)}]" + "†" * (row["interval"] == "sampling")
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text
