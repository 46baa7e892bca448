"""Picture 1: metric versus network calls, one line per method, bands for intervals, dashed reference lines.

Many methods get a panel for each family (results/pictures/panels.py).

Drawn with matplotlib's object interface (Agg by file type), so no global pyplot state is touched.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results.pictures import families, labels, lines, panels
from results.pictures.style import MARKERS, Style, save_figure
from results.pictures.window import window
from results.records import metric_info

TOGETHER = len(MARKERS)  # more lines than that are a thicket: each family gets a panel of its own
PANELS = 60  # more lines than that are a book: the best are named, the others stay grey


def metric_vs_steps(
    frame: pd.DataFrame, path: Path, metric: str | None = None, subtitle: str = "", style: Style | None = None
) -> Path:
    """Draw one metric (default: the frame's first) of a leaderboard against NFE, log-log, and write `path` in each format."""
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "nothing scored yet")
    style = style or Style()
    save_figure(drawn(frame[frame["metric"] == name], name, subtitle, style), path, style)
    return path


def drawn(part: pd.DataFrame, metric: str, subtitle: str, style: Style) -> Figure:
    """The picture of one metric's rows."""
    own, references = part[part["sampler"] != "reference"], part[part["sampler"] == "reference"]
    info, methods = metric_info(metric), own["method"].nunique()
    shown = window(own["value"], references["value"], info.better)
    if TOGETHER < methods <= PANELS:
        return panels.draw(own, references, metric, subtitle, shown, style)
    figure = Figure(figsize=(style.width, 0.74 * style.width), layout="constrained")
    axes = figure.add_subplot()
    lines.scales(axes, own, shown)
    best = own
    if methods > PANELS:
        best = leaders(own, info.better)
        lines.grey(axes, own)
        subtitle += f"\n{methods} methods, those best at some step count in colour"
    column = lines.draw(axes, best, references, shown, style)
    lines.tidy(axes, style)
    panels.titles(figure, metric, subtitle, style)
    axes.set_xlabel("network evaluations per sample (NFE)", fontsize=style.font)
    axes.set_ylabel(labels.wrapped(info.title, 0.6 * style.width, style.font), fontsize=style.font)
    labels.settle(figure, [column])
    return figure


def slots(own: pd.DataFrame, better: str) -> dict[str, int]:
    """The place of a method among those that are drawn together, which gives it its colour, dashes and marker. `own` as in
    `drawn`: the methods' rows of one metric."""
    labels = list(dict.fromkeys(own["method"]))
    parts = [labels]
    if len(labels) > PANELS:
        parts = [list(dict.fromkeys(leaders(own, better)["method"]))]
    elif len(labels) > TOGETHER:
        parts = [members for _, members in families.grouped(labels, TOGETHER)]
    return {label: place for members in parts for place, label in enumerate(members)}


def leaders(lines: pd.DataFrame, better: str) -> pd.DataFrame:
    """The lines of the methods with the best mean of their league at some step count, in the order of the frame."""
    finite = lines[np.isfinite(lines["value"].to_numpy(float))].groupby(["league", "steps"])["value"]
    best = finite.idxmax() if better == "higher" else finite.idxmin()
    return lines[lines["method"].isin(lines.loc[best, "method"])]
