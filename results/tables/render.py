"""The leaderboard for eyes: a Markdown page with one wide table per metric, and a compact text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from results.records import Metric, metric_info
from results.tables import board, captions, marks, wide
from results.tables.numbers import billed, count, decimals, fixed, known, number, seconds, steps_title
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


def plain(frame: pd.DataFrame, metric: str | None = None) -> str:
    """One metric (default: the first) as an aligned table for the terminal: mean +- half interval and marks, told below."""
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

    body = [[board.named(label, rows), *map(cell, board.across(rows, steps)), *beside(label), *_bill(rows)]
            for label, rows in board.grouped(methods)]  # fmt: skip
    body += [[label, cell(rows[0])] + [""] * (len(steps) - 1) + beside(label) + [""] * 5
             for label, rows in board.grouped(references)]  # fmt: skip
    head = [info.name, *map(steps_title, steps), *told, "images", "seconds", "params", "teacher", "status"]
    caption = f"{info.title}, {captions.ARROW[info.better]}; mean ±95 % over training seeds (references: over sample draws)"
    caption += f"; * {marks.BEST_WORDS}" if (methods["mark"] == "best").any() else ""
    caption += f", {marks.TIED} {marks.TIED_WORDS}" if (methods["mark"] == "tied").any() else ""
    if info.better and (methods["mark"] == "").all():
        caption += "; not ranked: that takes three training seeds"
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


def _bill(rows: Sequence[dict[str, Any]]) -> list[str]:
    """images, seconds, params, teacher images, status."""
    first = rows[0]
    images = max(row["images_seen"] for row in rows)
    teacher = "–" if math.isnan(images) else billed(count, first["teacher_images"])
    return [known(count, images), known(seconds, first["train_seconds"]), known(count, first["params"]), teacher,
            board.status(rows)]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    last = len(widths) - 1
    padded = [
        [cell.ljust(width) if i in (0, last) else cell.rjust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(line, widths, strict=True) for line in lines)
    ]
    return ["  ".join(line).rstrip() for line in padded]
