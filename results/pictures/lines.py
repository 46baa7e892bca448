"""Lines of methods in one pair of axes: bands, names at their ends, values far outside marked at the edge.

Lines differ in marker, and in colour or dashes besides, so that neither colour nor a good print is needed to tell them apart.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter

from results.pictures.labels import LINE, Column, legible
from results.pictures.scales import at_values, readable
from results.pictures.style import COLOURS, MARKERS, STYLES, Style
from results.pictures.window import Window
from results.tables import number

AT = "nfe_rows"  # where a point stands: what is guided takes two rows a call, and has not half the price
GREY, DASHED, DARK = "#d4d4d4", (0, (5, 4)), "#555555"


def draw(axes: Axes, lines: pd.DataFrame, references: pd.DataFrame, window: Window, style: Style, named: bool = True) -> Column:
    """The lines of `lines` in their order, and dashed references; their names (without the references' if not `named`)."""
    column = Column(axes, style.font - 1)
    for index, (label, rows) in enumerate(lines.groupby("method", sort=False)):
        _line(axes, str(label), rows.sort_values(AT), index, window, style, column)
    for row in references[np.isfinite(references["value"].to_numpy(float))].to_dict("records"):
        inside = window.inside(row["value"])
        if inside:
            axes.axhline(row["value"], color=DARK, linestyle=DASHED, linewidth=0.9, zorder=1)
        if named:
            arrow = "" if inside else " ↑" if row["value"] > window.high else " ↓"
            name, height = f"{row['method']} {number(row['value'])}{arrow}", _height(axes, window, row["value"])
            column.add(name, 1.0 if inside else None, height, DARK, italic=True)
    return column


def grey(axes: Axes, lines: pd.DataFrame) -> None:
    """Many methods at once, without names."""
    ordered = lines[np.isfinite(lines["value"].to_numpy(float))].sort_values(AT)
    paths = [rows[[AT, "value"]].to_numpy(float) for _, rows in ordered.groupby("method", sort=False)]
    axes.add_collection(LineCollection(paths, colors=GREY, linewidths=0.6, zorder=1.5))


def scales(axes: Axes, lines: pd.DataFrame, window: Window) -> None:
    """Log-log with ticks at the NFE that occur; a symmetric log axis if a value is not positive."""
    calls = [float(nfe) for nfe in lines[AT] if nfe > 0] or [1.0]
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(calls) / 1.15, max(calls) * 1.15)
    at_values(axes.xaxis, calls)
    if window.logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(window.low, window.high)
        readable(axes.yaxis, window.low, window.high)
    else:
        positive = [float(v) for v in lines["value"] if math.isfinite(v) and v > 0]
        axes.set_yscale("symlog", linthresh=min(positive, default=1.0))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def tidy(axes: Axes, style: Style) -> None:
    """Grid, ticks and frame."""
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=style.font - 1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _line(
    axes: Axes, label: str, rows: pd.DataFrame, index: int, window: Window, style: Style, column: Column
) -> None:
    """One method over its finite values; a band (or bar, for one point) where an interval exists."""
    finite = rows[np.isfinite(rows["value"].to_numpy(float))]
    colour = COLOURS[index % len(COLOURS)]
    ink: dict[str, Any] = {"color": colour, "zorder": 3}
    at, value = finite[AT], finite["value"]
    inside = value.between(window.low, window.high)
    axes.plot(at, value, linestyle=STYLES[index // len(COLOURS) % len(STYLES)], linewidth=style.line, **ink)
    axes.plot(at[inside], value[inside], linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=style.marker,
              markeredgecolor="white", markeredgewidth=0.6, label=label, **ink)  # fmt: skip
    for row in finite[~inside].to_dict("records"):
        _beyond(axes, row, window, style, colour, column)
    known = finite[finite["low"].notna()]
    if len(known) > 1:
        axes.fill_between(known[AT], known["low"], known["high"], alpha=0.12, linewidth=0, color=colour)
    elif len(known) == 1 and inside.any():
        ends = [known["value"] - known["low"], known["high"] - known["value"]]
        axes.errorbar(known[AT], known["value"], yerr=ends, capsize=3, fmt="none", **ink)
    name = label if len(finite) == len(rows) else f"{label} ({_shortfall(rows)})"
    if len(finite):
        last = (float(at.iloc[-1]), window.clipped(float(value.iloc[-1])))
        start = axes.transAxes.inverted().transform(axes.transData.transform(last))[0]
        column.add(name, float(start), _height(axes, window, last[1]), colour)
    else:
        column.add(name, None, 0.0, colour)


def _beyond(
    axes: Axes, row: dict[Any, Any], window: Window, style: Style, colour: str, column: Column
) -> None:
    """A hollow arrow at the edge and its number above, one over the other where several stand at one place."""
    up, at = row["value"] > window.high, float(row[AT])
    axes.plot(at, window.clipped(row["value"]), "^" if up else "v", color=colour, markerfacecolor="white",
              markersize=style.marker, zorder=4, clip_on=False)  # fmt: skip
    font = style.font - 1.5
    axes.annotate(number(row["value"]), (at, window.clipped(row["value"])), (0, 5 + column.beyond[at, up] * LINE * font),
                  textcoords="offset points", ha="center", va="bottom", fontsize=font, color=legible(colour),
                  annotation_clip=False)  # fmt: skip
    column.beyond[at, up] += 1
    column.above = max(column.above, 5 + column.beyond[at, True] * LINE * font)


def _height(axes: Axes, window: Window, value: float) -> float:
    """Of a value, as a share of the axes."""
    if window.logarithmic:
        return window.place(value)
    return float(axes.transAxes.inverted().transform(axes.transData.transform((1.0, value)))[1])


def _shortfall(rows: pd.DataFrame) -> str:
    """Why some of a method's points are absent: the status of the first row without a value."""
    return str(rows.loc[~np.isfinite(rows["value"].to_numpy(float)), "status"].iloc[0]).split(" (")[0].replace("done", "NaN")
