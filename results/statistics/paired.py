"""Paired comparisons: two methods seed by seed, on the same training seed and the same evaluation noise.

    d_i = mean over common evaluation seeds j of (y_ij - z_ij),   i: a training seed that both have

What a training seed (data order, initial weights, its teacher) and an evaluation seed do to both methods cancels. The interval
and the p value are Student's over d_i: sharper than two intervals side by side where seeds matter to both alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from scipy.special import stdtr

from results.records import At, Runs, near
from results.statistics.intervals import Interval, estimate
from results.statistics.scores import Score, independent, scores

COLUMNS = ("method", "against", "metric", "steps", "difference", "low", "high", "p", "seeds", "draws", "interval", "detectable")


def paired(runs: Runs, against: str, protocols: Collection[str] | None = None, at: At | None = None) -> pd.DataFrame:
    """Every method minus the one called `against`, at each metric and step count that both have, with COLUMNS.

    `draws`: the fewest common evaluation seeds. `interval` as in intervals.py: "sampling" compares two trained networks,
    "teacher" students of one teacher, neither two methods. `p` is two-sided and for one comparison. `detectable` is the
    smallest true difference that such pairs show with 80 % power at the 5 % level. Only finished runs count. Raises ValueError
    for an unknown method.
    """
    found = [s for s in scores([r for r in runs if r[0].status == "done"], protocols, at) if not s.reference]
    known = list(dict.fromkeys(score.label for score in found))
    if against not in known:
        close = near(against, known, 1, 0) or ["none"]
        raise ValueError(f"--against {against}: no finished run has this label; nearest: {close[0]!r}")
    cells: dict[tuple[str, int], dict[str, dict[int, Score]]] = defaultdict(lambda: defaultdict(dict))
    for score in found:
        cells[score.metric, score.steps][score.label][score.seed] = score
    rows = []
    for (metric, steps), methods in cells.items():
        for label, own in methods.items():
            if label != against and (pairs := _differences(own, methods.get(against, {}))):
                cell = estimate(pairs, _independent(own, methods[against]))
                rows.append((label, against, metric, steps, cell.value, cell.low, cell.high, _p(cell, pairs), cell.seeds,
                             min(map(len, pairs)), cell.kind, cell.detectable_from_zero))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def difference(own: Mapping[int, Score], other: Mapping[int, Score]) -> Interval | None:
    """`own` minus `other`, scores of one metric and step count by training seed, as in `paired`; None without a common seed."""
    pairs = _differences(own, other)
    return estimate(pairs, _independent(own, other)) if pairs else None


def _differences(own: Mapping[int, Score], other: Mapping[int, Score]) -> list[list[float]]:
    """For each common training seed, the differences at the common evaluation seeds."""
    found = []
    for seed in sorted(own.keys() & other.keys()):
        theirs = dict(zip(other[seed].draws, other[seed].values, strict=True))
        mine = zip(own[seed].draws, own[seed].values, strict=True)
        if both := [value - theirs[draw] for draw, value in mine if draw in theirs]:
            found.append(both)
    return found


def _independent(own: Mapping[int, Score], other: Mapping[int, Score]) -> int:
    common = own.keys() & other.keys()
    return min(independent([side[seed] for seed in common]) for side in (own, other))


def _p(cell: Interval, pairs: Sequence[Sequence[float]]) -> float:
    if cell.kind == "none":
        return math.nan
    if cell.error == 0:
        return 1.0 if cell.value == 0 else 0.0
    freedom = (len(pairs[0]) if cell.kind == "sampling" else cell.seeds) - 1
    return 2 * float(stdtr(freedom, -abs(cell.value) / cell.error))
