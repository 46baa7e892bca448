"""Pareto view: what is best at its price, in network evaluations per sample and in training compute."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from results.pictures.plots import COLOURS, save_figure
from results.pictures.scales import at_values, readable
from results.records import metric_info
from results.tables import count, league_title, steps_title

COSTS = {
    "nfe_rows": "network evaluations per sample (rows)",
    "total_compute": "training compute, teacher included (forward evaluations)",
    "seconds": "training seconds, teacher included",
}
APART = (0.14, 0.045)  # of a view's width and height: two names that are nearer would overlap
ROOM = 0.07  # of the axes, beyond the outermost points
HALO = [withStroke(linewidth=2.5, foreground="white")]
COLUMNS = ("method", "steps", "metric", "value", "low", "high", "league", "cost", "price", "frontier")


def pareto(frame: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """One line per (method, steps, cost) of one metric (default: the first) with COLUMNS.

    `cost` is nfe_rows, and total_compute (seconds where some run's compute was not counted); `price` is its amount.
    `frontier`: no other line of the same league (in training cost: and step count) is at least as good and as cheap, and
    better in one of them.
    Empty for a metric in which neither direction is good. References and lines without a finite value are left out.
    """
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "")
    better = metric_info(name).better
    own = frame[(frame["metric"] == name) & (frame["sampler"] != "reference")]
    own = own[np.isfinite(own["value"].to_numpy(float))]
    if not better or own.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    own = own.assign(seconds=own["train_seconds"] + own["teacher_seconds"])
    counted = own["total_compute"].notna().all() and (own["total_compute"] > 0).all()
    parts: list[pd.DataFrame] = []
    training = "total_compute" if counted else "seconds"
    for cost, keys in (("nfe_rows", ["league"]), (training, ["league", "steps"])):
        for _, league in own.groupby(keys, sort=False):
            values = league["value"].to_numpy(float) * (-1 if better == "higher" else 1)
            prices = league[cost].to_numpy(float)
            parts.append(league.assign(cost=cost, price=prices, frontier=_undominated(values, prices)))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _undominated(values: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Which points no other dominates; lower is better in both. Equal points stand together."""
    found, best, best_price = np.zeros(len(values), bool), math.inf, math.nan
    for i in np.lexsort((values, prices)):
        if values[i] < best or (values[i] == best and prices[i] == best_price):
            found[i], best, best_price = True, values[i], prices[i]
    return found


def draw(points: pd.DataFrame, path: Path, remark: str = "") -> Path:
    """Both views side by side, the frontier named; writes `path` (PNG). `points` as from `pareto`; remark: under the title."""
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    costs = list(dict.fromkeys(points["cost"])) or ["nfe_rows"]
    for axes, cost in zip(figure.subplots(1, len(costs), sharey=True, squeeze=False)[0], costs, strict=True):
        _view(axes, points[points["cost"] == cost], cost)
    metric = str(points["metric"].iloc[0]) if len(points) else "nothing to rank yet"
    info = metric_info(metric)
    direction = f" ({info.better} is better)" if len(points) else ""
    figure.suptitle(f"{metric}: best at its price{direction}" + f"\n{remark}" * bool(remark), fontsize=12, fontweight="bold")
    figure.supylabel(info.title, fontsize=9)
    save_figure(figure, path)
    return path


def _view(axes: Axes, points: pd.DataFrame, cost: str) -> None:
    axes.plot(points["price"], points["value"], "o", color="#cccccc", markersize=3.5, markeredgewidth=0, zorder=2)
    if points.empty:
        return
    each = points["steps"] if cost != "nfe_rows" else points["steps"] * 0
    edges = [(edge["league"].iloc[0], int(each[edge.index[0]]), edge.sort_values("price"))
             for _, edge in points[points["frontier"]].groupby(["league", each], sort=False)]  # fmt: skip
    colours = dict(zip(sorted({steps for _, steps, _ in edges}), itertools.cycle(COLOURS), strict=False))
    for league, steps, edge in edges:
        words = [steps_title(steps) if steps else "frontier", *([league_title(league)] if league != "plain" else [])]
        axes.plot(edge["price"], edge["value"], "o-" if league == "plain" else "s--", drawstyle="steps-post",
                  color=colours[steps], linewidth=1.5, markersize=5.5, markeredgecolor="white",
                  label=", ".join(words), zorder=3)  # fmt: skip
    _scales(axes, points, cost)
    _names(axes, edges)
    axes.set_xlabel(COSTS[cost])
    axes.grid(True, which="major", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    if len(edges) > 1:
        axes.legend(fontsize=8, frameon=False)


def _names(axes: Axes, edges: list[tuple[str, int, pd.DataFrame]]) -> None:
    """Each method once per frontier, where no name stands yet."""
    taken: list[tuple[float, float]] = []
    for _, _, edge in edges:
        for row in edge.drop_duplicates("method").to_dict("records"):
            at = axes.transAxes.inverted().transform(axes.transData.transform((row["price"], row["value"])))
            if all(abs(at[0] - x) > APART[0] or abs(at[1] - y) > APART[1] for x, y in taken):
                taken.append((float(at[0]), float(at[1])))
                left = at[0] > 0.75  # where a name to the right would cross the edge; the step comes from above
                below = at[1] > 0.9 or (left and at[1] > 0.1)
                axes.annotate(str(row["method"]), (row["price"], row["value"]), (-5 if left else 5, -5 if below else 4),
                              textcoords="offset points", fontsize=7, ha="right" if left else "left",
                              va="top" if below else "bottom", path_effects=HALO, zorder=4)  # fmt: skip


def _scales(axes: Axes, points: pd.DataFrame, cost: str) -> None:
    axes.margins(ROOM)
    if (points["price"] > 0).all():
        axes.set_xscale("log", base=2 if cost == "nfe_rows" else 10)
        if cost == "nfe_rows":
            at_values(axes.xaxis, points["price"].tolist())
        else:
            readable(axes.xaxis, *axes.get_xlim(), count)
    if (points["value"] > 0).all():
        axes.set_yscale("log")
        readable(axes.yaxis, *axes.get_ylim())
