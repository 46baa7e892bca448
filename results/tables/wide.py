"""Wide tables for eyes, from the tidy leaderboard: one for each metric and league, as plain cells that any format can draw.

The first metric has every column, with what each method cost; the others have values and marks only. `compact` is the first
one for a first look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import pandas as pd

from results.records import Metric, metric_info
from results.tables import board, captions, costs, marks
from results.tables.board import Row, absent, accuracies, across, grouped, named, step_counts
from results.tables.numbers import decimals, fixed, number, steps_title

COMPATIBLE = {
    "min_of_evaluation_seeds": "min of {seeds} evaluation seeds",
    "best_checkpoint": "best checkpoint per step count",
}
ACCURATE = "label accuracy, %"


@dataclass(frozen=True)
class Cell:
    """One cell's text and emphasis."""

    text: str
    bold: bool = False
    italic: bool = False


@dataclass(frozen=True)
class Wide:
    """One table: title, caption (code in backticks), column heads and lines."""

    title: str
    caption: str
    head: list[str]
    body: list[list[Cell]]
    notes: str = ""
    """What stands under a table whose caption is one sentence."""


def tables(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[Wide]:
    """One table per metric and league in the order of the frame, then the compatibility columns where the frame has them.

    `columns`: the facts that stand beside the values (of `costs.FACTS`); None: all.
    """
    found: list[Wide] = []
    for place, (name, part) in enumerate(frame.groupby("metric", sort=False)):
        references = part[part["sampler"] == "reference"]
        shown = () if place else costs.FACTS if columns is None else columns
        for league, own in part[part["sampler"] != "reference"].groupby("league", sort=False):
            beside = accuracies(frame) if place == 0 else {}
            found.append(_table(own, references, metric_info(str(name)), str(league), place == 0, shown, beside))
        if len(references) == len(part):
            found.append(_table(part[:0], references, metric_info(str(name)), "plain", place == 0, shown))
    first = frame[frame["metric"] == frame["metric"].iloc[0]] if len(frame) else frame
    return found + [_compatible(first, column) for column in COMPATIBLE if column in frame]


def compact(frame: pd.DataFrame) -> Wide:
    """The first metric's first league: means, a part of the bill, and a caption of two sentences."""
    own, references, metric, league = _first(frame)
    bold = f"Bold = {captions.marked(own)}; " * bool(captions.marked(own))
    caption = (
        f"{metric.title}, {captions.ARROW[metric.better]}; mean of {captions.seeds(own)}, "
        f"protocol `{captions.protocol(own, references)}`. {bold}italic = {captions.ITALIC}."
    )
    table = _table(own, references, metric, league, False, costs.COMPACT)
    caption = " ".join([caption, *captions.notes(own, references, metric, intervals=False)])
    return replace(table, caption=caption)


def brief(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> Wide:
    """`compact` for a column of a paper: a caption of one sentence, the other marks in notes under the table."""
    own, references, metric, league = _first(frame)
    table = _table(own, references, metric, league, False, costs.COMPACT if columns is None else columns)
    marked = f"; bold: {captions.marked(own).replace(f'{marks.TIED} =', f'{marks.TIED}:')}" * bool(captions.marked(own))
    caption = f"{metric.title}, {captions.ARROW[metric.better]}, as the mean of {captions.seeds(own)}{marked}."
    under = [f"Italic: {captions.ITALIC}." * bool(len(references)), *captions.notes(own, references, metric, intervals=False),
             f"League: {captions.league_note(league)}." * (league != "plain"),
             f"Protocol `{captions.protocol(own, references)}`."]  # fmt: skip
    return replace(table, title=metric.name, caption=caption, notes=" ".join(filter(None, under)))


def first(frame: pd.DataFrame) -> pd.DataFrame:
    """The methods' rows of which `compact` and `brief` are made."""
    return _first(frame)[0]


def _first(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, Metric, str]:
    """The leading metric's methods of its first league, and references; the metric; the league."""
    part = frame[frame["metric"] == frame["metric"].iloc[0]]
    references, own = part[part["sampler"] == "reference"], part[part["sampler"] != "reference"]
    league = str(own["league"].iloc[0]) if len(own) else "plain"
    return own[own["league"] == league], references, metric_info(str(part["metric"].iloc[0])), league


def _table(part: pd.DataFrame, references: pd.DataFrame, metric: Metric, league: str, full: bool,
           shown: Sequence[str] = (), accuracy: Mapping[str, str] = MappingProxyType({})) -> Wide:
    """full: with intervals. shown: the facts beside the values, of a compact table its costs. accuracy: see `accuracies`."""
    steps, methods = step_counts(part), grouped(part)
    columns = costs.chosen(part, shown)
    told = [ACCURATE] if accuracy else []
    head = ["method", *map(steps_title, steps), *told, *(name for name, _ in columns)]
    body = []
    gaussian = marks.gaussian_fit(references)
    for label, rows in methods:
        line = [Cell(label if "status" in head else board.with_status(label, rows))]
        line += [_cell(row, full, gaussian, metric) for row in across(rows, steps)]
        line += [Cell(accuracy.get(label, "")) for _ in told]
        body.append([*line, *(Cell(write(rows)) for _, write in columns)])
    if full and part["detectable"].notna().any():
        seen = [part.loc[part["steps"] == step, "detectable"].dropna() for step in steps]
        line = [Cell(number(float(values.median())) if len(values) else "", italic=True) for values in seen]
        body.append(_padded([Cell("smallest difference detectable", italic=True), *line], head))
    for label, rows in grouped(references):
        line = [Cell(label, italic=True), _cell(rows[0], full, gaussian, metric)]
        line += [Cell("")] * (len(steps) - 1) + [Cell(accuracy.get(label, "")) for _ in told]
        body.append(_padded(line, head))
    title = f"{metric.name}: {metric.title} ({captions.ARROW[metric.better]})"
    if league != "plain":
        title += f"; {captions.league_title(league)}"
    return Wide(title, captions.caption(part, references, metric, league, full, head), head, body)


def _compatible(part: pd.DataFrame, column: str) -> Wide:
    own = part[part["sampler"] != "reference"]
    steps, metric = step_counts(own), metric_info(str(own["metric"].iloc[0]) if len(own) else "")
    body = [
        [Cell(named(label, rows)), *(Cell("" if row is None else number(row[column])) for row in across(rows, steps))]
        for label, rows in grouped(own)
    ]
    seeds = int(own["evaluation_seeds"].max()) if len(own) else 0
    rule = COMPATIBLE[column].format(seeds=seeds)
    caption = "For comparison with papers that report it so: chosen by the metric itself, hence too good. Not ranked."
    return Wide(f"{metric.name}, compatibility: {rule}", caption, ["method", *map(steps_title, steps)], body)


def _padded(line: list[Cell], head: Sequence[str]) -> list[Cell]:
    return line + [Cell("")] * (len(head) - len(line))


def _cell(row: Row | None, full: bool, gaussian: float, metric: Metric) -> Cell:
    """`value [low, high]` and its marks; a word where no value is; empty where the method has no such step count."""
    if row is None or math.isnan(row["value"]):
        return Cell(absent(row))
    places = decimals(row["value"])
    text = fixed(row["value"], places)
    if full and not math.isnan(row["low"]):
        text += f" [{fixed(row['low'], places)}, {fixed(row['high'], places)}]" + marks.of_interval(row)
    text += marks.of_value(row, gaussian, metric) + f" {marks.TIED}" * (row["mark"] == "tied")
    return Cell(text, bold=row["mark"] == "best")
