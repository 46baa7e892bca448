"""What stands beside a method's values: what it took to train, how it is sampled, how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from results.records import near
from results.tables.board import Row, status
from results.tables.numbers import billed, count, known, number, seconds

FACTS = ("images", "seconds", "params", "teacher images", "teacher seconds", "compute", "teacher compute (share)", "GPU-hours",
         "memory", "NFE", "status")
COMPACT = ("images", "seconds")
"""Those that a compact table shows."""
TERMINAL = ("images", "seconds", "params", "teacher images", "status")
"""Those that a terminal has room for."""


def facts(texts: Sequence[str]) -> list[str]:
    """The columns that these names mean, in their order. Raises ValueError naming the nearest of an unknown one."""
    wanted = [name.lower().replace("_", " ") for name in texts if name != "none"]
    short = {name.partition(" (")[0].lower(): name for name in FACTS}
    for name in (name for name in wanted if name not in short):
        close = near(name, short, 1, 0)[0]
        raise ValueError(f"--columns: there is no {name!r}; nearest: {close!r}, all: {', '.join(short)}, none")
    return [short[name] for name in dict.fromkeys(wanted)]


def chosen(part: pd.DataFrame, wanted: Sequence[str]) -> list[tuple[str, Any]]:
    """Those of `columns` that are `wanted` (of FACTS), in that order."""
    return sorted((each for each in columns(part) if each[0] in wanted), key=lambda each: list(wanted).index(each[0]))


def columns(part: pd.DataFrame) -> list[tuple[str, Any]]:
    """(head, a method's rows -> text) of FACTS; what no run of the table has counted gets no column."""
    counted: list[tuple[str, Any]] = [
        ("images", lambda r: known(count, r["images_seen"])),
        ("seconds", lambda r: known(seconds, r["train_seconds"])),
        ("params", lambda r: known(count, r["params"])),
        ("teacher images", lambda r: billed(count, r["teacher_images"])),
        ("teacher seconds", lambda r: billed(seconds, r["teacher_seconds"])),
    ]
    if (part["compute"] > 0).any():
        counted.append(("compute", lambda r: known(count, r["compute"])))
        counted.append(("teacher compute (share)", _teacher))
    if (part["gpu_hours"] > 0).any():
        counted.append(("GPU-hours", lambda r: known(number, r["gpu_hours"])))
    if (part["peak_memory"] > 0).any():
        counted.append(("memory", lambda r: known(lambda size: f"{count(size)}B", r["peak_memory"])))
    bill: list[tuple[str, Any]] = [(name, lambda rows, write=write: _of(rows[0], write)) for name, write in counted]
    return [*bill, ("NFE", _nfe), ("status", status)]


def _of(row: Row, write: Callable[[Row], str]) -> str:
    """A cost of a method; a dash where it never trained: its teacher's is unknown in another way."""
    return "–" if math.isnan(row["images_seen"]) else write(row)


def _teacher(row: Row) -> str:
    full, share = row["teacher_compute"], row["teacher_compute_share"]
    if math.isnan(row["teacher_images"]):
        return billed(count, math.nan)
    return count(full) if full == share or math.isnan(full) else f"{count(full)} ({count(share)})"


def _nfe(rows: Sequence[Row]) -> str:
    if not any(row["sampler"] for row in rows):
        return "–"
    same = all(row["nfe"] == row["steps"] == row["nfe_rows"] for row in rows)
    return "= steps" if same else ", ".join(calls(row) for row in rows)


def calls(row: Mapping[Any, Any]) -> str:
    """Network calls, with rows per sample in brackets where one call takes more than one row."""
    return f"{row['nfe']:g}" + (f" ({row['nfe_rows']:g} rows)" if row["nfe_rows"] != row["nfe"] else "")
