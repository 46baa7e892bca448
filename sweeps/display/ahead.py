"""How far a run has come, training and scoring together, by its plan and its own words; and how long the rest will take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.engine import Record

ALMOST = 0.994
"""The most that is shown before the end, which no rounding says then."""
LEAST = 0.002
"""The share that must have been gained before the rest is estimated from it."""


def training(job: Mapping[str, Any]) -> float:
    """The share of a run that is its training, by the costs in the plan; the rest is its scoring."""
    try:
        cost, scoring = float(job["cost"]), float(job["scoring"])
    except (KeyError, TypeError, ValueError):  # of another version
        return 1.0
    return cost / (cost + scoring) if cost + scoring > 0 else 1.0


def ahead(record: Record, part: float, took: float) -> tuple[float | None, float | None, float | None]:
    """The share of a run that is behind it, the images per second of its training, and the seconds that are left, by how long
    this attempt took for what it did; None for what cannot be told. took: since its first report, for a process needs seconds
    until it begins."""
    if not record.budget:
        return None, None, None
    began, trained = (min(1.0, images / record.budget) for images in (max(record.began, 0), record.images))
    share = min(ALMOST, part * (1.0 if record.scored else trained) + (1 - part) * record.scored)
    gained = share - part * began
    if took <= 0 or gained < LEAST or began == 1:  # what was scored by an attempt before is not known
        return share, None, None
    rate = (record.images - max(record.began, 0)) / took if trained < 1 and not record.scored else None
    return share, rate, took * (1 - share) / gained if share < ALMOST else None
