"""Cancel and retry, as files: who wants something writes one file, the controller acts on it and writes down that it did."""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results import terminal
from results.records import StoreError, near, read_json, write_json
from sweeps.plan import FINAL, count, read_status


class RequestError(ValueError):
    """A sweep or a run that is not there."""


def find_sweep(name: str, out: Path) -> Path:
    """The folder of a sweep given its name or the folder itself. Raises RequestError naming the nearest."""
    for folder in (Path(name), out / "sweeps" / name):
        if (folder / "attempts.jsonl").exists() or (folder / "plan.json").exists():
            return folder
    known = sorted(path.parent.name for path in (out / "sweeps").glob("*/attempts.jsonl"))
    close = [each for each in known if each.startswith(f"{name}-")][:5] or near(name, known, 3) or known[:5]
    raise RequestError(f"no sweep {name!r} in {out}/sweeps" + (f"; there are: {', '.join(close)}" if close else "")
                       + "; --out names another output folder")


def newest(out: Path) -> Path:
    """The folder of the sweep whose journal was written last. Raises RequestError where there is none."""
    journals = sorted((out / "sweeps").glob("*/attempts.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not journals:
        raise RequestError(f"no sweep has begun in {out}/sweeps; --out names another output folder")
    return journals[-1].parent


def request(folder: Path, verb: str, runs: Sequence[str]) -> Path:
    """Writes one request: `verb` is "cancel" or "retry", no runs mean all. Raises RequestError for an unknown run."""
    known = [job["id"] for job in planned(folder)]
    for run in runs:
        if known and run not in known:
            close = near(run, known, 3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise RequestError(f"sweep {folder.name} has no run {run!r}{hint}")
    path = folder / "requests" / f"{time.time_ns()}-{verb}-{uuid.uuid4().hex[:6]}.json"
    write_json(path, {"verb": verb, "runs": list(runs)})
    return path


def planned(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep's plan: id, label, parents, cost, scoring. [] if it is not written, or not as a controller does."""
    try:
        jobs = [{"label": "", **job} for job in read_json(folder / "plan.json")["jobs"]]
        fit = all(isinstance(job["id"], str) and isinstance(job["label"], str) and isinstance(job["parents"], list)
                  and all(isinstance(parent, str) for parent in job["parents"]) for job in jobs)
        return jobs if fit else []
    except (StoreError, KeyError, TypeError):
        return []


def _finished(folder: Path, runs: Sequence[str]) -> str:
    """In words that the runs, or all of the sweep's, have ended with a result; empty where one has not."""
    asked = list(runs) or [job["id"] for job in planned(folder)]
    if not asked or any(read_status(folder.parents[1] / "runs" / run) not in FINAL for run in asked):
        return ""
    return f"{', '.join(runs) or 'every run'} of {folder.name} {'are' if len(runs) > 1 else 'is'} finished"


def command(verb: str, arguments: Sequence[str] | None = None) -> int:
    """`python -m sweeps.VERB NAME [RUN...] [--out outputs]`; returns the exit status."""
    terminal.ready()
    parser = argparse.ArgumentParser(prog=f"python -m sweeps.{verb}", description=f"Ask a sweep's controller to {verb} runs.")
    parser.add_argument("name", help="the sweep's name or folder")
    parser.add_argument("runs", nargs="*", help="run ids; none for all")
    parser.add_argument("--out", type=Path, default=Path("outputs"), help="the output folder (default: outputs)")
    given = parser.parse_args(arguments)
    try:
        folder = find_sweep(given.name, given.out)
        if finished := _finished(folder, given.runs):
            print(f"nothing to {verb}: {finished}")
            return 0
        request(folder, verb, given.runs)
    except (RequestError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    what = count(len(given.runs), "run") if given.runs else "all runs"
    print(f"asked to {verb} {what} of {folder.name}; its controller acts within seconds, or when the sweep's command is given "
          "again if none is alive")
    return 0
