"""The rows of the tidy leaderboard, method by method, as tables of every kind lay them out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

Row = dict[str, Any]
ACCURACY = "label_accuracy"


def grouped(part: pd.DataFrame) -> list[tuple[str, list[Row]]]:
    """[(label, its rows as dictionaries)] in the order of the frame."""
    groups: dict[str, list[Row]] = {}
    for row in part.to_dict("records"):
        groups.setdefault(str(row["method"]), []).append({str(column): value for column, value in row.items()})
    return list(groups.items())


def step_counts(part: pd.DataFrame) -> list[int]:
    """The step counts that methods have; [0] where there is none."""
    return sorted({int(step) for step in part.loc[part["sampler"] != "reference", "steps"]}) or [0]


def across(rows: Sequence[Row], steps: Sequence[int]) -> list[Row | None]:
    """A method's row at each step count, None where it has none."""
    by_steps = {row["steps"]: row for row in rows}
    return [by_steps.get(step) for step in steps]


def named(label: str, rows: Sequence[Row]) -> str:
    """The label, with its league where methods of several stand in one table."""
    return label if rows[0]["league"] == "plain" else f"{label} ({rows[0]['league']})"


def status(rows: Sequence[Row]) -> str:
    """How a method's runs ended, of all its step counts."""
    return "; ".join(dict.fromkeys(row["status"] for row in rows))


def with_status(label: str, rows: Sequence[Row]) -> str:
    """A label for a table without a column of statuses."""
    return label if status(rows) == "done" else f"{label} ({status(rows)})"


def numberless(frame: pd.DataFrame) -> str:
    """One line that says how the methods ended, if none of them has a number anywhere; else empty."""
    own = frame[frame["sampler"] != "reference"]
    if own.empty or own["value"].notna().any():
        return ""
    ends = [(label, status(rows)) for label, rows in grouped(own)]
    said = [f"{', '.join(label for label, own in ends if own == end)} {end}" for end in dict.fromkeys(end for _, end in ends)]
    return f"no method has a number: {'; '.join(said)}"


def accuracies(frame: pd.DataFrame) -> dict[str, str]:
    """How often samples of each label are taken for the class asked for, in percent at each step count; of conditional runs.

    It stands beside the distance: what is best for one is not for the other.
    """
    part = frame[frame["metric"] == ACCURACY]
    return {label: ", ".join("–" if math.isnan(row["value"]) else f"{100 * row['value']:.1f}" for row in rows)
            for label, rows in grouped(part)}


def absent(row: Row | None) -> str:
    """A diverged or undefined score is the result NaN; what has not (yet) been scored is a dash."""
    if row is None:
        return ""
    return "NaN" if row["seeds"] or "diverged" in row["status"] else "–"
