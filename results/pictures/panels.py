"""Many methods in one picture: a panel for each family, its lines named, before all others in grey.

One pair of axes for all panels, so that heights compare.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from results.pictures import labels, lines
from results.pictures.families import grouped
from results.pictures.style import MARKERS, Style
from results.pictures.window import Window
from results.records import metric_info
from results.tables import number

WIDE = 1.5  # of a screen's picture: how much wider one of many panels is
ACROSS, DOWN = 36, 19  # the size of a panel, of its font


def draw(own: pd.DataFrame, references: pd.DataFrame, metric: str, subtitle: str, window: Window, style: Style) -> Figure:
    """One panel per family of the methods in `own`, log-log against NFE; the references are named below."""
    families = grouped(list(dict.fromkeys(own["method"])), len(MARKERS))
    width, em = style.width * (WIDE if style.titled else 1), style.font / 72
    across = min(len(families), max(1, round(width / (ACROSS * em))))
    down = math.ceil(len(families) / across)
    figure = Figure(figsize=(width, DOWN * em * down + 0.9), layout="constrained")
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    lines.scales(grid[0], own, window)
    columns = []
    for axes, (family, members) in zip(grid, families, strict=False):
        inside = own["method"].isin(members)
        lines.grey(axes, own[~inside])
        column = lines.draw(axes, own[inside], references, window, style, named=False)
        columns.append(column)
        lines.tidy(axes, style)
        axes.set_title(family, fontsize=style.font, loc="left", pad=4 + column.above)
    for axes in grid[len(families) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(families) - across) : len(families)]:
        axes.tick_params(labelbottom=True)
    titles(figure, metric, subtitle, style)
    figure.supylabel(labels.wrapped(metric_info(metric).title, DOWN * em * down, style.font), fontsize=style.font)
    figure.supxlabel("\n".join(["network evaluations per sample (NFE)", *_named(references, window)]), fontsize=style.font)
    labels.settle(figure, columns)
    return figure


def titles(figure: Figure, metric: str, subtitle: str, style: Style) -> None:
    """What a paper's caption says, over a picture for a screen."""
    if style.titled:
        better = {"lower": " (lower is better)", "higher": " (higher is better)"}.get(metric_info(metric).better, "")
        figure.suptitle(f"{metric} against network evaluations{better}\n{subtitle}".strip(), fontsize=style.font + 2)


def _named(references: pd.DataFrame, window: Window) -> list[str]:
    """The references in words: those that are drawn, and those that lie outside."""
    rows = [row for row in references.to_dict("records") if math.isfinite(row["value"])]
    found = []
    for word, inside in (("dashed", True), ("outside", False)):
        own = [f"{row['method']} {number(row['value'])}" for row in rows if window.inside(row["value"]) == inside]
        found += [f"{word}: {', '.join(own)}"] if own else []
    return ["; ".join(found)] if found else []
