"""The marks in a table and the words that explain them: the best, what ties, intervals of less, numbers that say little."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from results.records import Metric
from results.tables.numbers import count

Row = Mapping[str, Any]
TIED, SAMPLING, TEACHER, DOUBT = "≈", "†", "‡", "§"
GAUSSIAN = "gaussian fit"
ITSELF = "gaussian"  # the data that a Gaussian fits perfectly: no model can be better
FEW = 100  # optimizer steps
BEST_WORDS, TIED_WORDS = "best mean of its column", "cannot be told from it, nor can any mean between"
TEST = (
    "one-sided t tests at 2.5 % over the number of other methods, of logarithms where all values are positive; noise pooled "
    "over the methods, or a method's own where it is larger; paired where training seeds and evaluation noise are the same"
)


def of_interval(row: Row) -> str:
    """† or ‡ behind an interval that is not one of independent trainings."""
    return of_kind(row["interval"])


def of_kind(kind: str) -> str:
    """The same, of an interval's kind."""
    return {"sampling": SAMPLING, "teacher": TEACHER}.get(kind, "")


def of_value(row: Row, gaussian: float, metric: Metric) -> str:
    """§ behind a number that says little of its method."""
    return DOUBT * bool(doubts(row, gaussian, metric))


def gaussian_fit(references: pd.DataFrame) -> float:
    """The value of the Gaussian fit among a metric's references; NaN without one."""
    return float(references.loc[references["method"] == GAUSSIAN, "value"].mean())


def doubts(row: Row, gaussian: float, metric: Metric) -> list[str]:
    """Why a method's number says little of it."""
    if not metric.better or row["value"] != row["value"] or row["sampler"] == "reference":
        return []
    steps = row.get("optimizer_steps", 0)  # 0: not counted
    fitted = metric.better == "lower" and row.get("data") != ITSELF and row["value"] >= gaussian
    found = {"gaussian": fitted, "few": 0 < steps < FEW}
    return [why for why, holds in found.items() if holds]


def doubt_words(rows: Sequence[Row], gaussian: float, metric: Metric) -> str:
    """One sentence on all that bear §; empty where none does."""
    found = [(each, row) for row in rows for each in doubts(row, gaussian, metric)]
    steps = sorted({float(row["optimizer_steps"]) for each, row in found if each == "few"})
    reasons = ["no better than a Gaussian fitted to the training data"] if any(each == "gaussian" for each, _ in found) else []
    if steps:
        span = count(steps[0]) if len(steps) == 1 else f"{count(steps[0])} to {count(steps[-1])}"
        reasons.append(f"trained for {span} optimizer step{'s' * (steps[-1] != 1)} only")
    return f"{DOUBT} says little of the method: {', or '.join(reasons)}." if reasons else ""


def precision_words(part: pd.DataFrame) -> str:
    """One sentence where not all was trained in float32; else empty."""
    found: dict[str, list[str]] = {}
    for label, precision in part[["method", "precision"]].drop_duplicates().itertuples(index=False):
        if precision:
            found.setdefault(precision, []).append(label)
    if set(found) <= {"float32"}:
        return ""
    most = max(found, key=lambda precision: len(found[precision]))
    others = [f"{', '.join(labels)} in {precision}" for precision, labels in found.items() if precision != most]
    return f"Trained in {most}{', ' * bool(others)}{'; '.join(others)}."


def kept_words(part: pd.DataFrame) -> str:
    """Which checkpoint was scored where that was not the last, and where it was taken; else empty."""
    if "checkpoint" not in part:
        return ""
    found = []
    for rule, rows in part[part["checkpoint"] != ""].groupby("checkpoint", sort=False):
        span = dict.fromkeys(count(images) for images in (rows["kept_images"].min(), rows["kept_images"].max()))
        found.append(f"Checkpoint: {rule}, taken at {' to '.join(span)} images.")
    return " ".join(found)


def kind_words(kinds: Collection[str]) -> list[str]:
    """A sentence on all that bear † and one on all that bear ‡, for the kinds of interval that there are."""
    said = {
        "sampling": f"{SAMPLING} one training seed: the interval holds sampling noise only and says nothing about another "
                    "training.",
        "teacher": f"{TEACHER} students of one teacher: the interval says nothing of another teacher, and in comparisons they "
                   "count as one training.",
    }  # fmt: skip
    return [text for kind, text in said.items() if kind in kinds]
