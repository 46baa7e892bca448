"""What guidance buys and what it costs: distance, precision, recall and label accuracy against its scale.

The scale that is best for one is not for another: each has a panel of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from results.pictures.scales import readable
from results.pictures.style import COLOURS, MARKERS, STYLES, Style, save_figure
from results.records import At, Runs, metric_info
from results.statistics import Score, mean, primary_metric, scores
from results.tables import number

FILE = "guidance.png"
BESIDE = ("precision", "recall", "label_accuracy")
GUIDED = " guided "  # between a sampler's name and the scale

Line = tuple[str, int]  # method with its solver, steps


def draw(runs: Runs, path: Path, protocols: Collection[str] | None = None, at: At | None = None,
         style: Style | None = None) -> bool:
    """Write the picture if some method was sampled at several scales; whether it was."""
    scales = {row.sampler: float(row.extra["guidance"]) for _, rows in runs for row in rows if "guidance" in row.extra}
    if len(set(scales.values())) < 2:
        return False
    found = scores(runs, protocols, at)
    metrics = [name for name in (primary_metric(runs), *BESIDE) if name]
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    for axes, metric in zip(figure.subplots(2, 2).ravel(), metrics, strict=False):
        of = [score for score in found if score.metric == metric]
        _panel(axes, metric, lines(of, scales), references(of))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.suptitle("What the scale of guidance does", fontsize=12, fontweight="bold")
    columns = min(len(handles), 4 if max(map(len, labels), default=0) < 26 else 2)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9, frameon=False, handlelength=2.8)
    save_figure(figure, path, style)
    return True


def lines(of: list[Score], scales: dict[str, float]) -> dict[Line, dict[float, float]]:
    """{(method, steps): {scale: mean over training seeds}} of what was sampled at several scales."""
    values: dict[Line, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    own = [(score, score.sampler.partition(GUIDED)[0]) for score in of if score.sampler in scales and not score.reference]
    for score, solver in own:
        several = len({other for each, other in own if each.family == score.family}) > 1
        name = f"{score.family} ({solver})" if several else score.family
        values[name, score.steps][scales[score.sampler]].append(score.value)
    means = {line: {scale: mean(found) for scale, found in sorted(at.items())} for line, at in values.items()}
    return {line: at for line, at in means.items() if len(at) > 1}


def references(of: list[Score]) -> dict[str, float]:
    """Means over evaluation seeds, by name, as the table has them."""
    values: dict[str, list[float]] = defaultdict(list)
    for score in of:
        if score.reference:
            values[score.label].append(score.value)
    return {label: mean(own) for label, own in values.items()}


def _panel(axes: Axes, metric: str, drawn: dict[Line, dict[float, float]], beside: dict[str, float]) -> None:
    names, steps = list(dict.fromkeys(name for name, _ in drawn)), sorted({n for _, n in drawn})
    for (name, n), at in drawn.items():
        shown = {scale: value for scale, value in at.items() if math.isfinite(value)}
        colour, kind = COLOURS[names.index(name) % len(COLOURS)], steps.index(n)
        axes.plot(list(shown), list(shown.values()), color=colour, linestyle=STYLES[kind % len(STYLES)], linewidth=1.6,
                  marker=MARKERS[kind % len(MARKERS)], markersize=5, label=f"{name}, {n} step{'s' * (n > 1)}")  # fmt: skip
    info = metric_info(metric)
    every = [value for at in drawn.values() for value in at.values() if math.isfinite(value)] or [1.0]
    if info.better == "lower" and min(every) > 0:
        axes.set_yscale("log")
    for label, value in beside.items():
        if 0 < value <= 1.5 * max(every):  # what is far off would flatten the rest, and says nothing here
            axes.axhline(value, color="#777777", linestyle=(0, (5, 4)), linewidth=0.9, zorder=1)
            axes.annotate(f"{label}\n{number(value)}", (1, value), (4, 0), xycoords=("axes fraction", "data"),
                          textcoords="offset points", va="center", fontsize=7.5, color="#444444")  # fmt: skip
    arrow = {"lower": "lower is better", "higher": "higher is better"}.get(info.better, "")
    axes.set_title(f"{info.name} ({arrow})", fontsize=10)
    axes.set_xlabel("scale of guidance (1: none)", fontsize=9)
    if axes.get_yscale() == "log":
        readable(axes.yaxis, *axes.get_ylim())
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(True, color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
