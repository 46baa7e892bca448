"""Many methods in one picture: a small panel for each, with its band, before all others in grey.

One pair of axes for all panels, so that heights compare. A value far above the worst reference (a solver that blows up)
would flatten everything else: it is drawn at the top edge, as a hollow arrow with its number.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from results.pictures.scales import readable
from results.records import metric_info
from results.tables import number

COLUMNS, COLOUR, GREY = 5, "#0072B2", "#d0d0d0"
ROOM = 3.0  # how far above the worst reference a value may lie


def draw(figure: Figure, lines: pd.DataFrame, references: pd.DataFrame, metric: str, subtitle: str) -> None:
    """Fill `figure`: one panel per method of `lines`, log-log against NFE; dashed references are named in the last row."""
    labels = list(dict.fromkeys(lines["method"]))
    rows = math.ceil(len(labels) / COLUMNS)
    figure.set_size_inches(11.0, 1.0 + 1.55 * rows)
    grid = np.atleast_1d(figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel())
    top = _top(lines, references)
    ordered = lines.assign(value=lines["value"].clip(upper=top)).sort_values("nfe")
    paths = {str(name): rows[["nfe", "value"]].to_numpy(float) for name, rows in ordered.groupby("method", sort=False)}
    for axes, label in zip(grid, labels, strict=False):
        _panel(axes, lines, references, label, top, paths)
    _scales(grid[0], lines, references, top)
    for axes in grid[len(labels):]:
        axes.set_axis_off()
    for axes in grid[max(0, len(labels) - COLUMNS) : len(labels)]:
        axes.tick_params(labelbottom=True)
    info = metric_info(metric)
    better = {"lower": " (lower is better)", "higher": " (higher is better)"}.get(info.better, "")
    named = ", ".join(f"{row['method']} {number(row['value'])}" for row in references.to_dict("records"))
    figure.suptitle(f"{metric} against network evaluations{better}\n{subtitle}", fontsize=11)
    figure.supylabel(info.title, fontsize=9)
    figure.supxlabel(f"network evaluations per sample (NFE); dashed: {named}" if named else
                     "network evaluations per sample (NFE)", fontsize=9)  # fmt: skip


def _panel(
    axes: Axes, lines: pd.DataFrame, references: pd.DataFrame, label: str, top: float, paths: dict[str, np.ndarray]
) -> None:
    for value in references["value"]:
        axes.axhline(value, color="#777777", linestyle=(0, (4, 3)), linewidth=0.7, zorder=1)
    axes.add_collection(LineCollection([path for other, path in paths.items() if other != label], colors=GREY,
                                       linewidths=0.7, zorder=2))  # fmt: skip
    own = lines[(lines["method"] == label) & np.isfinite(lines["value"].to_numpy(float))].sort_values("nfe")
    inside = own[own["value"] <= top]
    axes.plot(own["nfe"], own["value"].clip(upper=top), color=COLOUR, linewidth=1.6, zorder=3)
    axes.plot(inside["nfe"], inside["value"], "o", color=COLOUR, markersize=3.5, zorder=4)
    known = own[own["low"].notna()]
    if len(known) > 1:
        axes.fill_between(known["nfe"], known["low"], known["high"].clip(upper=top), alpha=0.2, linewidth=0, color=COLOUR)
    for row in own[own["value"] > top].to_dict("records"):
        axes.plot(row["nfe"], top, "^", color=COLOUR, markerfacecolor="white", markersize=6, zorder=4, clip_on=False)
        axes.annotate(number(row["value"]), (row["nfe"], top), (4, -9), textcoords="offset points", fontsize=6.5)
    short = lines[(lines["method"] == label) & ~np.isfinite(lines["value"].to_numpy(float))]
    axes.set_title(f"{label} ({short['status'].iloc[0]})" if len(short) else label, fontsize=8, pad=3)
    axes.grid(True, which="major", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7)


def _top(lines: pd.DataFrame, references: pd.DataFrame) -> float:
    values = [float(v) for v in lines["value"] if math.isfinite(v)]
    highest, worst = max(values, default=1.0), max(map(float, references["value"]), default=math.inf)
    return min(highest, ROOM * worst) if worst > 0 else highest


def _scales(axes: Axes, lines: pd.DataFrame, references: pd.DataFrame, top: float) -> None:
    calls = sorted({float(nfe) for nfe in lines["nfe"] if nfe > 0}) or [1.0]
    values = [float(v) for v in [*lines["value"], *references["value"]] if math.isfinite(v)]
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(calls) / 1.2, max(calls) * 1.2)
    axes.xaxis.set_major_locator(FixedLocator([n for n in (1, 2, 4, 8, 16, 32, 64) if n <= max(calls) * 1.2]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    if min(values, default=1.0) > 0:
        axes.set_yscale("log")
        low, high = min(values, default=1.0) / 1.15, max(top, *map(float, references["value"]), 1e-12) * 1.15
        axes.set_ylim(low, high)
        readable(axes.yaxis, low, high)
