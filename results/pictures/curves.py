"""What the trainings of a sweep told while they went on: loss and gradient norm, a panel for each method, and below them,
where milestones were scored, the metric against images and against the seconds of training.

Losses of two methods are different numbers, so that each panel has a scale of its own. Metrics are the same number: up to
twelve methods share axes, told apart by colour, marker and line; more have a panel each, before the others in grey.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from results.pictures.lines import GREY
from results.pictures.plots import PANELS, TOGETHER
from results.pictures.scales import readable
from results.pictures.style import COLOURS, MARKERS, STYLES, save_figure
from results.records import Look, RunRecord, Runs, distinct_labels, metric_info
from results.statistics import primary_metric
from results.tables import count, steps_title

FILE = "curves.png"
COLUMNS, WIDTH = 5, 11.0
SECOND = COLOURS[1]  # of the gradient's axis, whose lines are dashed
AXES = {"images": "training images", "seconds": "training seconds, teacher included"}

Looks = Mapping[str, Sequence[Look]]
"""What each run has told, by its id."""
Point = tuple[float, float, float]  # images, seconds, value
Metrics = dict[int, dict[str, list[Point]]]  # steps -> label -> points by images
Block = tuple[float, Callable[[SubFigure], None]]  # its height in inches, and what fills it


def draw(runs: Runs, looks: Looks, path: Path, order: Sequence[str] = (), protocols: Collection[str] | None = None) -> bool:
    """Write the picture (PNG) if some run has told anything; whether it was. The first sixty methods are drawn."""
    if (figure := picture(runs, looks, order, protocols)) is None:
        return False
    save_figure(figure, path)
    return True


def picture(
    runs: Runs, looks: Looks, order: Sequence[str] = (), protocols: Collection[str] | None = None, only: str | None = None,
    width: float = WIDTH, metric: str | None = None,
) -> Figure | None:
    """The figure, so many inches wide, None if no run has told anything. only: of the method of this label; metric: in place
    of the runs' primary one."""
    labels = distinct_labels([record for record, _ in runs if record.kind != "reference"])
    place = {label: at for at, label in enumerate(order)}
    told = [record for record, _ in runs if _told(looks.get(record.run_id, ()))
            and record.run_id in labels and only in (None, labels[record.run_id])]  # fmt: skip
    told.sort(key=lambda record: place.get(record.label, len(place)))
    if not told:
        return None
    names = list(dict.fromkeys(labels[record.run_id] for record in told))[:PANELS]
    metric = metric or primary_metric(runs)
    drawn = {run: label for run, label in labels.items() if label in names}
    found = milestones(runs, looks, drawn, metric, protocols) if metric else {}
    blocks: list[Block] = [(_rows(names) * 1.55 + 0.9, partial(_trainings, names, labels, told, looks))]
    if found and metric and len(names) <= TOGETHER:
        blocks.append((3.0 * len(found) + 0.8 + 0.25 * math.ceil(len(names) / 4), partial(_together, names, found, metric)))
    elif found and metric:
        blocks += [(_rows(names) * 1.3 + 0.9, partial(_apart, names, found, metric, axis)) for axis in AXES]
    figure = Figure(figsize=(width, sum(height for height, _ in blocks)), layout="constrained")
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=[height for height, _ in blocks]).ravel()
    for part, (_, paint) in zip(parts, blocks, strict=True):
        paint(part)
    return figure


def _told(looks: Sequence[Look]) -> bool:
    return any("loss" in look for look in looks)


def milestones(
    runs: Runs, looks: Looks, labels: Mapping[str, str], metric: str, protocols: Collection[str] | None
) -> Metrics:
    """The means over seeds at the fewest and the most steps; nothing where no run was scored more than once on its way."""
    first: dict[tuple[str, int], str] = {}  # each method's own sampler is the one that was scored first
    values: dict[tuple[int, str, int], list[tuple[float, float]]] = defaultdict(list)
    for record, rows in runs:
        if (label := labels.get(record.run_id)) is not None:
            for row in rows:
                told = protocols is None or row.protocol in protocols
                if row.metric == metric and told and first.setdefault((label, row.steps), row.sampler) == row.sampler:
                    at = _seconds(record, looks.get(record.run_id, ()), row.images_seen)
                    values[row.steps, label, row.images_seen].append((at, row.value))
    found: Metrics = {steps: defaultdict(list) for steps in sorted({steps for steps, _, _ in values})}
    for (steps, label, images), each in sorted(values.items()):
        seconds, value = np.mean(each, axis=0).tolist()
        found[steps][label].append((float(images), seconds, value))
    on_the_way = any(len(points) > 1 for lines in found.values() for points in lines.values())
    return {steps: dict(found[steps]) for steps in dict.fromkeys([min(found), max(found)])} if on_the_way else {}


def _seconds(record: RunRecord, looks: Sequence[Look], images: int) -> float:
    """Of training when so many images had been seen, the teacher's included where they are known."""
    timed = [(look["images"], look["seconds"]) for look in looks if "seconds" in look]
    own = record.train_seconds * images / max(record.images_seen, 1)
    if timed and timed[-1][0] >= images:
        seen, seconds = np.array([(0.0, 0.0), *timed]).T
        own = float(np.interp(images, seen, seconds))
    return own + (record.teacher_seconds if math.isfinite(record.teacher_seconds) else 0.0)


def _rows(names: Sequence[str]) -> int:
    return math.ceil(len(names) / _columns(names))


def _columns(names: Sequence[str]) -> int:
    return math.ceil(len(names) / math.ceil(len(names) / COLUMNS))


def _grid(part: SubFigure, names: Sequence[str], sharey: bool = False) -> list[Axes]:
    """A panel for each name, its title over it."""
    grid: list[Axes] = list(part.subplots(_rows(names), _columns(names), squeeze=False, sharex=True, sharey=sharey).ravel())
    for axes in grid[len(names):]:
        axes.set_axis_off()
    for axes, name in zip(grid, names, strict=False):
        axes.set_title(name, fontsize=8, pad=3)
        _plain(axes)
    for axes in grid[max(0, len(names) - _columns(names)) : len(names)]:
        axes.tick_params(labelbottom=True)
    return grid[: len(names)]


def _plain(axes: Axes) -> None:
    axes.grid(True, which="major", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7)
    axes.spines["top"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))


def _trainings(
    names: Sequence[str], labels: Mapping[str, str], told: Sequence[RunRecord], looks: Looks, part: SubFigure
) -> None:
    part.suptitle("Training: loss (solid, left scale) and gradient norm before clipping (dashed, right scale)", fontsize=11)
    part.supxlabel("training images; a line for each training seed", fontsize=9)
    for axes, name in zip(_grid(part, names), names, strict=True):
        mine = [record for record in told if labels[record.run_id] == name]
        other = axes.twinx()
        _plain(other)
        other.grid(False)
        for scale, key, colour, style in ((axes, "loss", COLOURS[0], "-"), (other, "gradient", SECOND, (0, (3, 1.5)))):
            lines = [_line(looks[record.run_id], key) for record in mine]
            for x, y in lines:
                scale.plot(x, y, color=colour, linestyle=style, linewidth=1.2, alpha=0.9 if len(mine) == 1 else 0.6)
            scale.tick_params(axis="y", colors=colour)
            _logarithmic(scale, [value for _, y in lines for value in y])
        bad = [record.status for record in mine if record.status not in ("done", "running")]
        axes.set_title(f"{name} ({bad[0]})" if bad else name, fontsize=8, pad=3)


def _line(looks: Sequence[Look], key: str) -> tuple[list[float], list[float]]:
    """Images and values; a value that is no number breaks the line."""
    points = [(look["images"], look[key] if math.isfinite(look[key]) else math.nan) for look in looks if key in look]
    return [x for x, _ in points], [y for _, y in points]


def _logarithmic(axes: Axes, values: Sequence[float]) -> None:
    """Where that can be: a loss may pass zero."""
    finite = [value for value in values if math.isfinite(value)]
    if finite and min(finite) > 0:
        axes.set_yscale("log")
        margin = max((max(finite) / min(finite)) ** 0.06, 1.03)
        axes.set_ylim(min(finite) / margin, max(finite) * margin)
        readable(axes.yaxis, *axes.get_ylim())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))


def _together(names: Sequence[str], found: Metrics, metric: str, part: SubFigure) -> None:
    _headline(part, metric)
    for row, (steps, lines) in zip(part.subplots(len(found), 2, squeeze=False, sharey="row"), found.items(), strict=True):
        for column, (axes, axis) in enumerate(zip(row, AXES, strict=True)):
            for index, name in enumerate(names):
                points = np.array(lines.get(name, []), float).reshape(-1, 3)
                axes.plot(points[:, column], points[:, 2], color=COLOURS[index % len(COLOURS)], linewidth=1.4, label=name,
                          linestyle=STYLES[index // len(COLOURS) % len(STYLES)], marker=MARKERS[index % len(MARKERS)],
                          markersize=5, markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip
            _plain(axes)
            axes.set_title(steps_title(steps), fontsize=9)
            axes.set_xlabel(AXES[axis], fontsize=9)
        _logarithmic(row[0], _values(lines, names))
    handles, titles = part.axes[0].get_legend_handles_labels()
    part.legend(handles, titles, loc="outside lower center", ncols=min(len(names), 4 if max(map(len, names)) < 26 else 2),
                fontsize=9, frameon=False, handlelength=3.2)  # fmt: skip


def _apart(names: Sequence[str], found: Metrics, metric: str, axis: str, part: SubFigure) -> None:
    _headline(part, metric)
    column = list(AXES).index(axis)
    drawn: list[tuple[int, dict[str, Any]]] = [
        (steps, {"color": COLOURS[2 * at], "linestyle": STYLES[at], "marker": MARKERS[at]}) for at, steps in enumerate(found)]
    words = [f"{steps_title(steps)} ({('solid, circles', 'dashed, squares')[at]})" for at, steps in enumerate(found)]
    part.supxlabel(f"{AXES[axis]}; {', '.join(words)}; grey: the others", fontsize=9)
    for axes, name in zip(_grid(part, names, sharey=True), names, strict=True):
        others = [np.array(points, float)[:, [column, 2]] for lines in found.values() for label, points in lines.items()
                  if label != name and label in names]  # fmt: skip
        axes.add_collection(LineCollection(others, colors=GREY, linewidths=0.6, zorder=1.5))
        for steps, style in drawn:
            points = np.array(found[steps].get(name, []), float).reshape(-1, 3)
            axes.plot(points[:, column], points[:, 2], linewidth=1.4, markersize=3.5, zorder=3, **style)
    _logarithmic(axes, [value for lines in found.values() for value in _values(lines, names)])


def _headline(part: SubFigure, metric: str) -> None:
    info = metric_info(metric)
    better = {"lower": " (lower is better)", "higher": " (higher is better)"}.get(info.better, "")
    part.suptitle(f"{metric} at milestones{better}", fontsize=11)
    part.supylabel(info.title, fontsize=9)


def _values(lines: Mapping[str, Sequence[Point]], names: Sequence[str]) -> list[float]:
    return [value for name in names for *_, value in lines.get(name, [])]
