"""The leaderboard for eyes: a Markdown page with one wide table per metric, and a compact text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from results.records import Metric, metric_info
from results.tables import board, captions, costs, marks, wide
from results.tables.numbers import count, decimals, fixed, number, steps_title
from results.tables.wide import Cell, Wide

__all__ = ["count", "markdown", "number", "plain"]


def markdown(
    frame: pd.DataFrame, title: str = "Leaderboard", subtitle: str = "", tables: Sequence[Wide] | None = None,
    remarks: Sequence[str] = (),
) -> str:
    """The whole page: one section per metric and league, in the order of the frame. `tables`: its wide tables, if made;
    `remarks`: lines below the first."""
    sections = [_section(table) for table in tables or wide.tables(frame)] or ["No run has been scored yet."]
    sections[1:1] = ["\n".join(f"- {line}" for line in remarks)] if remarks else []
    return "\n\n".join([f"# {title}", *([subtitle] if subtitle else []), *sections]) + "\n"


def remarked(frame: pd.DataFrame, remarks: Mapping[str, str] | None) -> list[str]:
    """`remarks` on the methods that have a row, a line for each."""
    shown = set(frame["method"])
    return [f"{name}: {line}" for name, line in (remarks or {}).items() if name in shown]


def plain(frame: pd.DataFrame, metric: str | None = None, columns: Sequence[str] | None = None) -> str:
    """One metric (default: the first) as an aligned table for the terminal: mean +- half interval and marks, told below.

    `columns`: the facts beside the values, of `costs.FACTS` (None: a few of them).
    """
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "")
    part = frame[frame["metric"] == name]
    if part.empty:
        return "nothing scored yet"
    info, steps = metric_info(name), board.step_counts(part)
    methods, references = part[part["sampler"] != "reference"], part[part["sampler"] == "reference"]
    gaussian = marks.gaussian_fit(references)

    def cell(row: dict[str, Any] | None) -> str:
        return _short_cell(row, gaussian, info)

    accuracy = board.accuracies(frame) if metric is None else {}
    told = [wide.ACCURATE] if accuracy else []

    def beside(label: str) -> list[str]:
        return [accuracy.get(label, "") for _ in told]

    facts = costs.chosen(methods, costs.TERMINAL if columns is None else columns)
    head = [info.name, *map(steps_title, steps), *told, *(name for name, _ in facts)]

    def label(name: str, rows: Sequence[dict[str, Any]]) -> str:
        title = board.named(name, rows)
        return title if "status" in head else board.with_status(title, rows)

    body = [[label(name, rows), *map(cell, board.across(rows, steps)), *beside(name), *(write(rows) for _, write in facts)]
            for name, rows in board.grouped(methods)]  # fmt: skip
    body += [[name, cell(rows[0])] + [""] * (len(steps) - 1) + beside(name) + [""] * len(facts)
             for name, rows in board.grouped(references)]  # fmt: skip
    caption = f"{info.title}, {captions.ARROW[info.better]}; mean ±95 % over training seeds (references: over sample draws)"
    caption += f"; * {marks.BEST_WORDS}" if (methods["mark"] == "best").any() else ""
    caption += f", {marks.TIED} {marks.TIED_WORDS}" if (methods["mark"] == "tied").any() else ""
    if info.ranks and (methods["mark"] == "").all():
        caption += "; not ranked: that takes three training seeds"
    caption += "; not ranked by itself" * info.half
    for league in methods["league"].unique():
        caption += f"; ({league}): ranked by themselves" if league != "plain" else ""
    caption += f"; protocol {captions.protocol(part)}, {captions.seeds(part)}, {captions.evaluations(methods)}"
    return "\n".join([*_aligned([head, *body]), caption,
                      *captions.notes(methods, references, info)])  # fmt: skip


def _section(table: Wide) -> str:
    rule = ["---", *["---:"] * (len(table.head) - 2), "---" if table.head[-1] == "status" else "---:"]
    lines = [f"| {' | '.join(cells)} |" for cells in (table.head, rule, *([*map(_marked, line)] for line in table.body))]
    return "\n".join([f"## {table.title}", "", table.caption, "", *lines])


def _marked(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|")
    mark = "**" if cell.bold else "*" if cell.italic and text else ""
    return f"{mark}{text}{mark}"


def _short_cell(row: dict[str, Any] | None, gaussian: float, metric: Metric) -> str:
    if row is None or math.isnan(row["value"]):
        return board.absent(row)
    places = decimals(row["value"])
    half = "" if math.isnan(row["low"]) else f" ±{fixed(row['high'] - row['value'], places)}"
    rank = {"best": "*", "tied": marks.TIED}.get(row["mark"], "")
    return fixed(row["value"], places) + half + marks.of_interval(row) + marks.of_value(row, gaussian, metric) + rank


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    left = {0} | {i for i, name in enumerate(lines[0]) if name == "status"}
    padded = [
        [cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(line, widths, strict=True) for line in lines)
    ]
    return ["  ".join(line).rstrip() for line in padded]
