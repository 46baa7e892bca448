"""Pareto view: what is best at its price, in network evaluations per sample and in training compute."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results.pictures.callouts import name_points
from results.pictures.labels import wrapped
from results.pictures.scales import at_values, readable
from results.pictures.style import COLOURS, MARKERS, Style, save_figure
from results.pictures.window import window
from results.records import metric_info
from results.tables import count, league_title, number, steps_title

COSTS = {
    "nfe_rows": "network evaluations per sample (rows)",
    "total_compute": "training compute, teacher included (forward evaluations)",
    "seconds": "training seconds, teacher included",
}
DASHES = ("-", "--", ":", "-.")  # of leagues, the plain one first
ANY = "#333333"  # where steps are no question
ENTRY = 18  # letters that an entry of the legend takes
ROOM = 0.07  # of the axes, beyond the outermost points
MARK = 0.9  # of a mark of the other pictures
Edge = tuple[str, int, pd.DataFrame]  # league, steps (0: any), the undominated points by price
COLUMNS = ("method", "steps", "metric", "value", "low", "high", "league", "cost", "price", "frontier")


def pareto(frame: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """One line per (method, steps, cost) of one metric (default: the first) with COLUMNS.

    `cost` is nfe_rows, and total_compute (seconds where some run's compute was not counted); `price` is its amount.
    `frontier`: no other line of the same league (in training cost: and step count) is at least as good and as cheap, and
    better in one of them.
    Empty for a metric that ranks nobody. References and lines without a finite value are left out.
    """
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "")
    better = metric_info(name).ranking
    own = frame[(frame["metric"] == name) & (frame["sampler"] != "reference")]
    own = own[np.isfinite(own["value"].to_numpy(float))]
    if not better or own.empty:
        return pd.DataFrame(columns=list(COLUMNS)).astype({"frontier": bool})  # objects would choose columns and not rows
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


def draw(points: pd.DataFrame, path: Path, remark: str = "", style: Style | None = None) -> Path:
    """Both views side by side, the frontier named; writes `path` (PNG). `points` as from `pareto`; remark: under the title."""
    style = style or Style()
    costs = list(dict.fromkeys(points["cost"])) or ["nfe_rows"]
    beside = style.width > 5  # in a narrow column one stands above the other
    size = (1.28 * style.width, 0.535 * style.width) if style.titled else (style.width, style.width * (0.45 if beside else 1.4))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(*((1, len(costs)) if beside else (len(costs), 1)), sharey=True, squeeze=False).ravel()
    looks = _Looks.of(points)
    views = [_view(axes, points[points["cost"] == cost], cost, looks, style) for axes, cost in zip(grid, costs, strict=True)]
    metric = str(points["metric"].iloc[0]) if len(points) else "nothing to rank yet"
    info = metric_info(metric)
    direction = f" ({info.better} is better)" if len(points) else ""
    if style.titled:
        title = f"{metric}: best at its price{direction}" + f"\n{remark}" * bool(remark)
        figure.suptitle(title, fontsize=style.font + 2)
    if handles := looks.legend(style):
        across = max(2, int(size[0] * 72 / (0.6 * ENTRY * style.font)))
        figure.legend(handles=handles, loc="outside lower center", ncols=min(across, len(handles)), fontsize=style.font - 1,
                      frameon=False)
    figure.supylabel(wrapped(info.title, 0.9 * size[1], style.font), fontsize=style.font)
    figure.draw_without_rendering()
    for axes, cost in zip(grid, costs, strict=True):
        _numbers(axes, points[points["cost"] == cost], style, figure.dpi)
    figure.draw_without_rendering()  # with room for them
    for axes, edges in zip(grid, views, strict=True):
        lines = [list(edge[["method", "price", "value"]].itertuples(index=False, name=None)) for _, _, edge in edges]
        name_points(axes, lines, style.font - 2, MARK * style.marker)
    save_figure(figure, path, style)
    return path


class _Looks(NamedTuple):
    """How frontiers are told apart: step counts by colour and marker, leagues by their dashes."""

    steps: list[int]
    leagues: list[str]

    @classmethod
    def of(cls, points: pd.DataFrame) -> Self:
        """Those of all views."""
        edge = points[points["frontier"]]
        leagues = edge["league"].drop_duplicates().tolist()
        return cls(sorted(map(int, edge.loc[edge["cost"] != "nfe_rows", "steps"].unique())),
                   sorted(leagues, key=lambda league: (league != "plain", league)))

    def line(self, steps: int, league: str, style: Style) -> dict[str, Any]:
        """Of steps 0: any; of an empty league: any."""
        place = self.steps.index(steps) if steps else 0
        dashes = self.leagues.index(league) if league else 0
        return {"color": COLOURS[place % len(COLOURS)] if steps else ANY, "marker": MARKERS[place % len(MARKERS)],
                "linestyle": DASHES[dashes % len(DASHES)], "linewidth": 0.9 * style.line, "markersize": MARK * style.marker,
                "markeredgecolor": "white"}  # fmt: skip

    def legend(self, style: Style) -> list[Line2D]:
        """Of step counts, then of leagues; of one alone nothing has to be said."""
        steps = [Line2D([], [], label=steps_title(n), **self.line(n, "", style)) for n in self.steps]
        leagues = [Line2D([], [], label=_words(league), **self.line(0, league, style) | {"marker": ""})
                   for league in self.leagues]  # fmt: skip
        return [*(steps if len(steps) > 1 else []), *(leagues if len(leagues) > 1 else [])]


def _words(league: str) -> str:
    return "main table" if league == "plain" else league_title(league)


def _view(axes: Axes, points: pd.DataFrame, cost: str, looks: _Looks, style: Style) -> list[Edge]:
    """All points in grey, and the frontiers, which are returned."""
    axes.plot(points["price"], points["value"], "o", color="#cccccc", markersize=3.5, markeredgewidth=0, zorder=2)
    if points.empty:
        return []
    each = points["steps"] if cost != "nfe_rows" else points["steps"] * 0
    edges = [(edge["league"].iloc[0], int(each[edge.index[0]]), edge.sort_values("price"))
             for _, edge in points[points["frontier"]].groupby(["league", each], sort=False)]  # fmt: skip
    for league, steps, edge in edges:
        axes.plot(edge["price"], edge["value"], drawstyle="steps-post", zorder=3, **looks.line(steps, league, style))
    _scales(axes, points, cost)
    axes.set_xlabel(wrapped(COSTS[cost], 0.8 * min(style.width, 5), style.font), fontsize=style.font)
    axes.tick_params(labelsize=style.font - 1)
    axes.grid(True, which="major", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    return edges


class _Numbers(NamedTuple):
    """Of marks at one edge whose numbers would touch: [(place in pixels, value)] and what stands over them."""

    marks: list[tuple[float, float]]
    font: float  # in pixels

    @property
    def text(self) -> str:
        """The least and the greatest."""
        values = [value for _, value in self.marks]
        return " – ".join(dict.fromkeys(number(value) for value in (min(values), max(values))))

    @property
    def middle(self) -> float:
        return (self.marks[0][0] + self.marks[-1][0]) / 2

    def touches(self, next: Self) -> bool:
        letters = (len(self.text) + len(next.text)) / 2 + 1
        return next.middle - self.middle < 0.62 * letters * self.font


def _numbers(axes: Axes, points: pd.DataFrame, style: Style, dpi: float) -> None:
    """What lies outside the range, over its marks."""
    (low, high), font = axes.get_ylim(), style.font - 2
    for edge, outside in ((high, points["value"] > high), (low, points["value"] < low)):
        groups: list[_Numbers] = []
        for price, value in points.loc[outside, ["price", "value"]].sort_values("price").itertuples(index=False):
            group = _Numbers([(float(axes.transData.transform((price, edge))[0]), float(value))], font * dpi / 72)
            while groups and groups[-1].touches(group):
                group = _Numbers([*groups.pop().marks, *group.marks], group.font)
            groups.append(group)
        for group in groups:
            at = axes.transData.inverted().transform((group.middle, 0))[0]
            axes.annotate(group.text, (at, edge), (0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=font,
                          color="#555555", annotation_clip=False)  # fmt: skip


def _scales(axes: Axes, points: pd.DataFrame, cost: str) -> None:
    axes.margins(ROOM)
    if (points["price"] > 0).all():
        axes.set_xscale("log", base=2 if cost == "nfe_rows" else 10)
        if cost == "nfe_rows":
            at_values(axes.xaxis, points["price"].tolist())
        else:
            readable(axes.xaxis, *axes.get_xlim(), count)
    if (points["value"] > 0).all():
        shown = window(points["value"], [], metric_info(str(points["metric"].iloc[0])).better)
        axes.set_yscale("log")
        axes.set_ylim(shown.low, shown.high)
        readable(axes.yaxis, shown.low, shown.high)
        for row in points[~points["value"].between(shown.low, shown.high)].to_dict("records"):
            axes.plot(row["price"], shown.clipped(row["value"]), "^" if row["value"] > shown.high else "v", color="#777777",
                      markerfacecolor="white", markersize=5, zorder=4, clip_on=False)  # fmt: skip
