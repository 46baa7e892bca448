"""The leaderboard for eyes: a Markdown page with one wide table per metric, and a compact text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from results.records import metric_info
from results.tables import wide
from results.tables.numbers import count, decimals, fixed, number, steps_title
from results.tables.wide import Cell, Wide

__all__ = ["count", "markdown", "number", "plain"]


def markdown(
    frame: pd.DataFrame, title: str = "Leaderboard", subtitle: str = "", tables: Sequence[Wide] | None = None
) -> str:
    """The whole page: one section per metric and league, in the order of the frame. `tables`: its wide tables, if made."""
    sections = [_section(table) for table in tables or wide.tables(frame)] or ["No run has been scored yet."]
    return "\n\n".join([f"# {title}", *([subtitle] if subtitle else []), *sections]) + "\n"


def plain(frame: pd.DataFrame, metric: str | None = None) -> str:
    """One metric (default: the first) as an aligned table for the terminal: mean +- half interval, * best or tied."""
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "")
    part = frame[frame["metric"] == name]
    if part.empty:
        return "nothing scored yet"
    info, steps = metric_info(name), wide.step_counts(part)
    methods, references = part[part["sampler"] != "reference"], part[part["sampler"] == "reference"]
    body = [[wide.named(label, rows), *map(_short_cell, wide.across(rows, steps)), *_bill(rows)]
            for label, rows in wide.grouped(methods)]  # fmt: skip
    body += [[label, _short_cell(rows[0])] + [""] * (len(steps) + 4) for label, rows in wide.grouped(references)]
    head = [info.name, *map(steps_title, steps), "images", "seconds", "params", "teacher", "status"]
    caption = f"{info.title}, {wide.ARROW[info.better]}; mean ±95 % over training seeds (references: over sample draws)"
    caption += ", * best or tied" if methods["rank_low"].notna().any() else ""
    caption += ", † sampling noise of one training only" if (methods["interval"] == "sampling").any() else ""
    if info.better and methods["rank_low"].isna().all():
        caption += "; not ranked: that takes three training seeds"
    if (methods["league"] != "plain").any():
        caption += "; (perceptual): ranked by themselves"
    return "\n".join([*_aligned([head, *body]), f"{caption}; protocol {wide.protocol(part)}, {wide.seeds(part)}"])


def _section(table: Wide) -> str:
    rule = ["---", *["---:"] * (len(table.head) - 2), "---" if table.head[-1] == "status" else "---:"]
    lines = [f"| {' | '.join(cells)} |" for cells in (table.head, rule, *([*map(_marked, line)] for line in table.body))]
    return "\n".join([f"## {table.title}", "", table.caption, "", *lines])


def _marked(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|")
    mark = "**" if cell.bold else "*" if cell.italic and text else ""
    return f"{mark}{text}{mark}"


def _short_cell(row: dict[str, Any] | None) -> str:
    if row is None or math.isnan(row["value"]):
        return wide.absent(row)
    places = decimals(row["value"])
    half = "" if math.isnan(row["low"]) else f" ±{fixed(row['high'] - row['value'], places)}"
    sampling = bool(row["interval"] == "sampling")
    return fixed(row["value"], places) + half + "†" * sampling + "*" * wide.is_best(row)


def _bill(rows: Sequence[dict[str, Any]]) -> list[str]:
    """images, seconds, params, teacher images, status."""
    first, images = rows[0], count(max(row["images_seen"] for row in rows))
    seconds, params = f"{first['train_seconds']:,.0f}", count(first["params"])
    return [images, seconds, params, count(first["teacher_images"]), "; ".join(dict.fromkeys(row["status"] for row in rows))]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    last = len(widths) - 1
    padded = [
        [cell.ljust(width) if i in (0, last) else cell.rjust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(line, widths, strict=True) for line in lines)
    ]
    return ["  ".join(line).rstrip() for line in padded]
