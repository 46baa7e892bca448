"""How the starts of runs ended, from files alone: those that the journal tells of, and those that Slurm repeated by itself.

A job that goes back into the queue keeps its attempt's number; what it wrote before stands beside it, as `NNNN-K.json` for
the K-th restart (`sweeps.backends.slurm_job`). The controller hears of the last one only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.records import StoreError, read_json
from sweeps.plan import State


@dataclass(frozen=True)
class Try:
    """One start of a run and its end. restart: the K of a start that Slurm repeated, else 0; seconds: on its worker."""

    attempt: int
    restart: int
    outcome: str
    reason: str
    node: str
    seconds: float

    @property
    def text(self) -> str:
        """What went wrong, empty for a start that ended well."""
        return "" if self.outcome == State.DONE else self.reason or self.outcome


def ended(lines: Iterable[Mapping[str, Any]], runs: Path) -> dict[str, list[Try]]:
    """The starts of each run that are over, oldest first; the journal's is the last of its number.

    lines: the journal's. runs: the folder of the run folders.
    """
    found: dict[str, list[Try]] = {}
    started: set[str] = set()
    for line in lines:
        if line.get("event", "ended") == "ended" and {"job", "attempt", "outcome"} <= line.keys():
            found.setdefault(line["job"], []).append(Try(
                line["attempt"], 0, line["outcome"], line.get("reason", ""), line.get("node", ""), line.get("seconds", 0.0)))
        if "job" in line:
            started.add(line["job"])
    for run in started:
        if repeated := _repeated(runs / run / "attempts"):
            found[run] = sorted([*found.get(run, []), *repeated], key=lambda t: (t.attempt, not t.restart, t.restart))
    return found


def _repeated(folder: Path) -> list[Try]:
    try:
        names = [name.removesuffix(".json").split("-") for name in os.listdir(folder) if "-" in name]
    except OSError:
        return []
    found = []
    for attempt, restart in (parts for parts in names if len(parts) == 2 and all(part.isdigit() for part in parts)):
        try:
            record = read_json(folder / f"{attempt}-{restart}.json")
            seconds = max(0.0, (record["ended"] or record["beat"] / 1e9) - record["started"])
            found.append(Try(int(attempt), int(restart), record["outcome"], record["reason"], record["node"], seconds))
        except (StoreError, KeyError, TypeError):
            continue
    return found
