"""Picture 1: metric versus network calls, one line per method, bands for intervals, dashed reference lines.

Many methods get a panel each (results/pictures/panels.py).

Drawn with matplotlib's object interface (Agg by file type), so no global pyplot state is touched.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from results.pictures import panels
from results.pictures.scales import at_values, readable
from results.records import metric_info
from results.tables import number

# Okabe and Ito's palette, told apart by colour-blind readers; its yellow is left out (too pale for a line on white).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "<", ">", "X")  # seven colours, eight markers: 56 distinct pairs
STYLES: tuple[Any, ...] = ("-", (0, (6, 1, 1, 1)), ":")  # plain dashes are left to the references
DPI = 150
TOGETHER = 12  # more lines than that are a thicket: each gets a panel of its own
PANELS = 60  # more panels than that are a book: the best lines are named, the others stay grey


def metric_vs_steps(frame: pd.DataFrame, path: Path, metric: str | None = None, subtitle: str = "") -> Path:
    """Draw one metric (default: the frame's first) of a leaderboard against NFE, log-log, and write `path` (PNG)."""
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "nothing scored yet")
    part = frame[frame["metric"] == name]
    lines, references = part[part["sampler"] != "reference"], part[part["sampler"] == "reference"]
    figure = Figure(figsize=(8.6, 6.4), layout="constrained")
    if TOGETHER < lines["method"].nunique() <= PANELS:
        panels.draw(figure, lines, references, name, subtitle)
        save_figure(figure, path)
        return path
    axes, every = figure.add_subplot(), lines
    if lines["method"].nunique() > PANELS:
        lines = _leaders(every, metric_info(name).better)
        _grey(axes, every)
        subtitle += f"\n{every['method'].nunique()} methods, those best at some step count in colour"
    for index, (label, rows) in enumerate(lines.groupby("method", sort=False)):
        _line(axes, str(label), rows.sort_values("nfe"), index)
    _scales(axes, every, references)
    _references(axes, references)
    _decorate(figure, axes, name, subtitle)
    save_figure(figure, path)
    return path


def _leaders(lines: pd.DataFrame, better: str) -> pd.DataFrame:
    """The lines of the methods with the best mean of their league at some step count, in the order of the frame."""
    finite = lines[np.isfinite(lines["value"].to_numpy(float))].groupby(["league", "steps"])["value"]
    best = finite.idxmax() if better == "higher" else finite.idxmin()
    return lines[lines["method"].isin(lines.loc[best, "method"])]


def _grey(axes: Axes, lines: pd.DataFrame) -> None:
    """All methods at once, without names."""
    ordered = lines[np.isfinite(lines["value"].to_numpy(float))].sort_values("nfe")
    paths = [rows[["nfe", "value"]].to_numpy(float) for _, rows in ordered.groupby("method", sort=False)]
    axes.add_collection(LineCollection(paths, colors=panels.GREY, linewidths=0.6, zorder=1.5))


def _line(axes: Axes, label: str, rows: pd.DataFrame, index: int) -> None:
    """One method: line and markers over finite values, a band (or bar, for one point) where an interval exists."""
    finite = rows[np.isfinite(rows["value"].to_numpy(float))]
    style: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "zorder": 3}
    if len(finite) < len(rows):
        label += f" ({_shortfall(rows)})"
    line = STYLES[index // len(COLOURS) % len(STYLES)]
    axes.plot(finite["nfe"], finite["value"], linestyle=line, linewidth=1.7, label=label,
              marker=MARKERS[index % len(MARKERS)], markersize=6.5,
              markeredgecolor="white", markeredgewidth=0.7, **style)  # fmt: skip
    known = finite[finite["low"].notna()]
    if len(known) > 1:
        axes.fill_between(known["nfe"], known["low"], known["high"], alpha=0.16, linewidth=0, color=style["color"])
    elif len(known) == 1:
        ends = [known["value"] - known["low"], known["high"] - known["value"]]
        axes.errorbar(known["nfe"], known["value"], yerr=ends, capsize=3, fmt="none", **style)


def _shortfall(rows: pd.DataFrame) -> str:
    """Why some of a method's points are absent: the status of the first row without a value."""
    return str(rows.loc[~np.isfinite(rows["value"].to_numpy(float)), "status"].iloc[0]).split(" (")[0].replace("done", "NaN")


def _scales(axes: Axes, lines: pd.DataFrame, references: pd.DataFrame) -> None:
    """Log-log with ticks at the NFE that occur; a symmetric log axis if a value is not positive."""
    calls = [float(nfe) for nfe in lines["nfe"] if nfe > 0] or [1.0]
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(calls) / 1.15, max(calls) * 1.15)
    at_values(axes.xaxis, calls)
    values = [float(v) for v in [*lines["value"], *references["value"]] if math.isfinite(v)]
    positive = [value for value in values if value > 0]
    if min(values, default=1.0) > 0:
        axes.set_yscale("log")
        # A t interval may reach below zero; it is cut at the axis, which the points alone decide.
        bottom, top = min(values, default=1.0), max(values, default=1.0)
        margin = max((top / bottom) ** 0.07, 1.05)
        bottom, top = bottom / margin, top * margin
        axes.set_ylim(bottom, top)
        readable(axes.yaxis, bottom, top)
    else:
        axes.set_yscale("symlog", linthresh=min(positive, default=1.0))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _references(axes: Axes, references: pd.DataFrame) -> None:
    """Dashed lines across the plot, named beyond the right end; names that would overlap are moved apart."""
    shown = references[np.isfinite(references["value"].to_numpy(float))].sort_values("value")
    if axes.get_yscale() == "log":
        shown = shown[shown["value"] > 0]
    below = -1.0
    for row in shown.to_dict("records"):
        axes.axhline(row["value"], color="#555555", linestyle=(0, (5, 4)), linewidth=1.0, zorder=1)
        height = axes.transAxes.inverted().transform(axes.transData.transform((1.0, row["value"])))[1]
        below = max(float(height), below + 0.075)
        lead = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate(f"{row['method']}\n{number(row['value'])}", xy=(1, height), xytext=(1.02, below),
                      xycoords="axes fraction", textcoords="axes fraction", arrowprops=lead,
                      va="center", ha="left", fontsize=8.5, color="#333333", linespacing=1.0)  # fmt: skip


def _decorate(figure: Figure, axes: Axes, name: str, subtitle: str) -> None:
    info = metric_info(name)
    better = {"lower": " (lower is better)", "higher": " (higher is better)"}.get(info.better, "")
    figure.suptitle(f"{name} against network evaluations{better}", fontsize=12, fontweight="bold")
    axes.set_title(subtitle, fontsize=9, color="#444444")
    axes.set_xlabel("network evaluations per sample (NFE)")
    axes.set_ylabel(info.title)
    axes.grid(True, which="major", color="#e3e3e3", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = min(len(handles), 4 if max(map(len, labels)) < 26 else 2)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9, frameon=False, handlelength=2.8)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, creating its folder; an old picture is replaced only by a whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")
    temporary.replace(path)
