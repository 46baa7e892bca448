"""Paired comparisons for people: one Markdown section for each metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from results.records import metric_info
from results.tables import marks, number, numbers, steps_title


def markdown(frame: pd.DataFrame) -> str:
    """One section per metric: difference [95 % interval], bold where zero is outside it."""
    sections = [_section(metric_info(str(name)).name, part) for name, part in frame.groupby("metric", sort=False)]
    return "\n\n".join(["# Paired comparisons", *(sections or ["No training seed is shared by two methods."])]) + "\n"


def _section(metric: str, part: pd.DataFrame) -> str:
    steps, against = sorted(part["steps"].unique()), part["against"].iloc[0]
    titles = " | ".join(steps_title(int(n)) for n in steps)
    lines = [f"| method - {against} | {titles} | pairs |", "| --- |" + " ---: |" * (len(steps) + 1)]
    for label, rows in part.groupby("method", sort=False):
        by_steps = {int(row["steps"]): row for row in rows.to_dict("records")}
        cells = [_cell(by_steps[n]) if n in by_steps else "" for n in steps]
        lines.append(f"| {label} | {' | '.join(cells)} | {rows['seeds'].max()} |")
    seen = part["detectable"].dropna()
    caption = (
        f"Mean difference [95 % Student-t interval over training seeds] on the same training seed and the same noise; "
        f"{metric_info(metric).better or 'neither'} is better; bold: zero lies outside (one comparison, 5 %). None below three "
        f"pairs."
    )
    caption = " ".join([caption, *marks.kind_words(set(part["interval"]))])
    caption += f" Smallest difference detectable (80 % power): {number(float(seen.median()))} (median)." if len(seen) else ""
    return "\n".join([f"## {metric} against {against}", "", caption, "", *lines])


def _cell(row: Mapping[Any, Any]) -> str:
    places = numbers.decimals(row["difference"])
    text = numbers.fixed(row["difference"], places)
    if math.isnan(row["low"]):
        return text
    text += f" [{numbers.fixed(row['low'], places)}, {numbers.fixed(row['high'], places)}]" + marks.of_interval(row)
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text
