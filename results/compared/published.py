"""Tables of published numbers: those of `results/published` by name, a user's own by its path.

Columns: label (of our table; empty for a method we do not have), name (the paper's), dataset, metric, steps (network
evaluations; empty where the solver chose), value, count (samples scored), budget (training images), params, league, protocol,
checkpoint (which was scored, where it was not the last), source and status (READ-P: read in the primary source; READ-S: in a
secondary one; RECALLED: from memory). What is not known is empty. Other columns of a file are passed over.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from results.records import StoreError, near
from results.records import published as packaged

FOLDER = packaged.FOLDER
TEXTS = ("label", "name", "dataset", "metric", "league", "protocol", "checkpoint", "source", "status")
STATUSES = ("READ-P", "READ-S", "RECALLED")
"""How a number came here: read in its paper, read in another one, or remembered, which is not comparable."""
COLUMNS = ("label", "name", "dataset", "metric", "steps", "value", "count", "budget", "params", "league", "protocol",
           "checkpoint", "source", "status")  # fmt: skip


def load(name: str) -> pd.DataFrame:
    """The published table `name`, or the file of that path if it ends in .csv.

    Raises StoreError naming the nearest table that exists, or the file with its line.
    """
    own = name.endswith(packaged.SUFFIX)
    if not own and name not in packaged.names():
        close = near(name, packaged.names(), 1, 0) or ["none"]
        raise StoreError(f"sweep.published: there is no table {name!r} in results/published; nearest: {close[0]!r}, or a "
                         f"file of your own by its path, which ends in {packaged.SUFFIX}")  # fmt: skip
    path = Path(name) if own else FOLDER / f"{name}{packaged.SUFFIX}"
    if own:
        _check(path)
    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), usecols=list(COLUMNS), encoding="utf-8-sig",
                       skipinitialspace=True)[list(COLUMNS)].fillna(dict.fromkeys(TEXTS, ""))  # fmt: skip


def _check(path: Path) -> None:
    """Every column is there and every number is one. Raises StoreError with the line of the first that is not."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            head, count = reader.fieldnames or [], 0
            for column in COLUMNS:
                if column not in head:
                    close = near(column, set(head) - set(COLUMNS), 1) or ["none like it"]
                    raise StoreError(f"{path}:1: there is no column {column!r} (nearest: {close[0]}); wanted: "
                                     f"{','.join(COLUMNS)}; what is not known is left empty")  # fmt: skip
            for row in reader:
                count += 1
                if fault := _fault(row):
                    raise StoreError(f"{path}:{reader.line_num}: {fault}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else f"no CSV in UTF-8: {error}"
        raise StoreError(f"{path}: published numbers cannot be read ({why})") from error
    if not count:
        raise StoreError(f"{path}:1: holds no number, only its columns")


def _fault(row: Mapping[str | None, str | list[str] | None]) -> str:
    """What is wrong with a line; empty if nothing is."""
    if None in row or None in row.values():
        return "another number of fields than columns; a text with a comma stands in double quotes"
    told = {key: value.strip() for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    if not told["metric"] or not (told["label"] or told["name"]):
        return "a number needs its metric, and a label (of our method) or a name (of the paper's)"
    if told["status"] and told["status"] not in STATUSES:
        return (f"there is no status={told['status']!r}; nearest: {near(told['status'], STATUSES, 1, 0)[0]}, "
                f"all: {', '.join(STATUSES)}, or none")  # fmt: skip
    for column in ("steps", "value", "count", "budget", "params"):
        text = told[column]
        if not text and column != "value":
            continue
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (column != "value" and number <= 0):
            return f"{column}={text!r} is no number{' above 0' * (column != 'value')}, such as 2.5 or 1e6"
    return ""
