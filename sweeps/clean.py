"""`python -m sweeps.clean [NAME] [--out outputs] [--quota-gb N] [--yes]`: removes what finished runs no longer need.

By rule: of a finished run the older checkpoints (the newest whole one is what evaluation and loading need, and milestones
are results), and trajectories when no unfinished run, begun or planned in any sweep, learns from them. Nothing of an unfinished
run is touched. Under a quota only as much as it takes, the largest first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from results import terminal
from results.records import StoreError, read_json
from sweeps.engine import Ended, Event, Progress, RequestError, find_sweep, planned
from sweeps.plan import FINAL, read_status


@dataclass(frozen=True)
class Waste:
    """One file or folder that nothing needs any more."""

    path: Path
    size: int
    reason: str


def waste(out: Path, ids: Iterable[str] | None = None) -> list[Waste]:
    """What the rule would remove below `<out>/runs`, of these runs or of all."""
    every = sorted(folder for folder in (out / "runs").glob("*") if folder.is_dir())
    finished = {folder.name for folder in every if read_status(folder) in FINAL}
    wanted = {parent for folder in every if folder.name not in finished for parent in _teachers(folder)}
    wanted |= _planned_parents(out, finished)
    chosen = finished if ids is None else finished & set(ids)
    found = []
    for folder in every:
        if folder.name in chosen:
            found += [Waste(path, _bytes(path), "older checkpoint") for path in _older(folder)]
            solved = folder / "trajectories"
            if solved.is_dir() and folder.name not in wanted:
                found.append(Waste(solved, _size(solved), "trajectories that no unfinished run needs"))
    return sorted(found, key=lambda each: (-each.size, each.path))


def clean(out: Path, ids: Iterable[str] | None = None, quota: float | None = None) -> list[Waste]:
    """Removes waste until `<out>` takes at most `quota` bytes; all of it without one. Returns what was removed."""
    left = float("inf") if quota is None else _size(out)
    removed = []
    for each in waste(out, ids):
        if quota is not None and left <= quota:
            break
        if each.path.is_dir():
            shutil.rmtree(each.path, ignore_errors=True)
        else:
            each.path.unlink(missing_ok=True)
        left -= each.size
        removed.append(each)
    return removed


def _older(folder: Path) -> list[Path]:
    """All restart points but the newest, whose name begins with its step."""
    return sorted((folder / "checkpoints").glob("step-*.pt"))[:-1] or sorted(folder.glob("step-*.pt"))[:-1]


def _teachers(folder: Path) -> list[str]:
    for name in ("job.json", "run.json"):
        try:
            parents = read_json(folder / name)["parents"]  # of a record by role
            return list(parents.values() if isinstance(parents, dict) else parents)
        except (StoreError, KeyError, AttributeError, TypeError):
            continue
    return []


def _planned_parents(out: Path, finished: Container[str]) -> set[str]:
    """What the runs of all sweeps' plans wait for, unless they are finished: most have no folder yet."""
    plans = [planned(file.parent) for file in (out / "sweeps").glob("*/plan.json")]
    return {parent for jobs in plans for job in jobs if job["id"] not in finished for parent in job["parents"]}


class Quota:
    """Keeps an output folder within `limit` bytes while a sweep goes on: a `Progress` that passes everything on.

    It looks at the first event, when this sweep's plan is written, and when runs end, at most every `every` seconds because
    it counts all files. `tell` receives a line when something went, and once if there is nothing left to remove.
    """

    def __init__(self, out: Path, limit: float, progress: Progress, tell: Callable[[str], None] = warnings.warn,
                 every: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._limit, self._progress, self._tell = out, limit, progress, tell
        self._due: float | None = None
        self._every, self._clock, self._full = every, clock, False

    def __call__(self, event: Event) -> None:
        self._progress(event)
        if self._due is None or (isinstance(event, Ended) and event.outcome in FINAL and self._clock() >= self._due):
            self.look()

    def look(self) -> None:
        """Cleans if there is too much."""
        removed = clean(self._out, quota=self._limit)
        self._due = self._clock() + self._every
        if removed:
            self._tell(f"removed {sum(each.size for each in removed) / 1e9:.3f} GB that no run needs: backend.quota_gb")
        elif not self._full and (size := _size(self._out)) > self._limit:
            self._full = True
            self._tell(f"{self._out} takes {size / 1e9:.3f} GB, more than backend.quota_gb={self._limit / 1e9:g}, and all "
                       "of it is needed")


def _size(folder: Path) -> int:
    return sum(_bytes(Path(at) / name) for at, _, names in os.walk(folder) for name in names)


def _bytes(path: Path) -> int:
    """Of one file; runs that go on rename and remove theirs at any moment, and what is gone takes nothing."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def main(arguments: Sequence[str] | None = None) -> int:
    terminal.ready()
    parser = argparse.ArgumentParser(prog="python -m sweeps.clean", description="Remove what finished runs no longer need.")
    parser.add_argument("name", nargs="?", help="only runs of this sweep (name or folder)")
    parser.add_argument("--out", type=Path, default=Path("outputs"), help="the output folder (default: outputs)")
    parser.add_argument("--quota-gb", type=float, help="remove only until the output folder takes so many GB")
    parser.add_argument("--yes", action="store_true", help="remove; without it only say what would go")
    given = parser.parse_args(arguments)
    try:
        ids = [job["id"] for job in planned(find_sweep(given.name, given.out))] if given.name else None
    except RequestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    quota = None if given.quota_gb is None else given.quota_gb * 1e9
    found = clean(given.out, ids, quota) if given.yes else waste(given.out, ids)
    for each in found:
        print(f"{each.size / 1e6:10.1f} MB  {each.path}  ({each.reason})")
    verb = "removed" if given.yes else "would be removed (add --yes)"
    print(f"{sum(each.size for each in found) / 1e9:.3f} GB {verb}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
