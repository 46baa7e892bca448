"""`python -m sweeps.status NAME_OR_FOLDER [--out outputs]`: a sweep as a table, from its files alone (--help: as a picture)."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import terminal
from results.records import StoreError, read_curves, read_json, read_jsonl, short, write_text
from sweeps.display import Try, ahead, picture, spark, training, tries
from sweeps.engine import Book, Entry, Record, RequestError, find_sweep, newest, planned, read_record, sound
from sweeps.plan import DEAD_ENDS, FINAL, State, aligned, count, duration, read_status

SILENT = 120.0
"""Seconds without a sign of life after which a running job is shown as silent."""


@dataclass(frozen=True)
class Row:
    """One run. progress: the share of its training and scoring that is done; rate: images per second of this attempt, while it
    trains; left: seconds; cost: seconds of a worker so far, all
    tries; loss: how it goes, of one that is running."""

    run: str
    label: str
    state: str
    progress: float | None = None
    rate: float | None = None
    left: float | None = None
    attempts: int = 0
    node: str = ""
    cost: float = 0.0
    reason: str = ""
    loss: str = ""


def rows(folder: Path, now: float) -> list[Row]:
    """Every run of the plan, in its order. `folder` is `<out>/sweeps/<name>`."""
    lines = _journal(folder)
    book = Book.read(lines)
    runs = folder.parents[1] / "runs"
    past = tries.ended(lines, runs)
    states: dict[str, str] = {}
    made = []
    for job in _plan(folder, book):
        made.append(_row(job, book.jobs.get(job["id"], Entry()), runs, states, past.get(job["id"], []), now))
        states[job["id"]] = made[-1].state.split(" ")[0]
    return made


def told(folder: Path) -> str:
    """Every start of a run that has ended, one line each: of which run, the how manieth, where, how and why."""
    past = tries.ended(_journal(folder), folder.parents[1] / "runs")
    cells = [("run", "try", "node", "end", "reason")]
    cells += [(run, str(number), each.node or "-", each.outcome, each.reason)
              for run, every in past.items() for number, each in enumerate(every, 1)]
    return "\n".join(aligned(cells))


def _journal(folder: Path) -> list[dict[str, Any]]:
    journal = folder / "attempts.jsonl"
    return [line for line in read_jsonl(journal) if sound(line)] if journal.exists() else []


def _plan(folder: Path, book: Book) -> list[dict[str, Any]]:
    return planned(folder) or [{"id": id, "label": "", "parents": []} for id in book.jobs]


def _row(job: dict[str, Any], entry: Entry, runs: Path, states: dict[str, str], past: Sequence[Try], now: float) -> Row:
    id, spent, last = job["id"], sum(each.seconds for each in past), next((t.text for t in past[::-1] if t.text), "")
    state, reason = str(entry.state), entry.reason
    if entry.open is None:
        written = read_status(runs / id)
        if written in FINAL or entry.state in FINAL:
            state = str(written if written in FINAL else state)
            reason = "" if state == State.DONE else last  # `--tries` tells what became of its starts
        elif entry.state == State.TODO:
            state, reason = _waiting(job, states, reason)
        share = 1.0 if state == "done" else _saved(runs / id / "attempts", entry, training(job))
        return Row(id, job["label"], state, share, attempts=len(past), cost=spent,
                   node=past[-1].node if past else "", reason=reason)
    record = _record(runs / id / "attempts" / f"{entry.open.number:04d}.json")
    if record is None or record.tag != entry.open.tag:
        return Row(id, job["label"], "queued", attempts=len(past), cost=spent, reason=last)
    beat = record.beat / 1e9
    silent = f" (silent for {duration(now - beat)})" if now - beat > SILENT and not record.ended else ""
    ran = max((record.ended or beat) - record.started, 1e-9)
    share, rate, left = ahead(record, training(job), (record.ended or beat) - (record.since or record.started))
    return Row(id, job["label"], (record.stage or "running") + silent, share, rate, left, len(past) + 1, record.node,
               spent + ran, last, spark([look["loss"] for look in read_curves(runs / id) if "loss" in look]))


def _saved(attempts: Path, entry: Entry, part: float) -> float | None:
    """The share of a run at which its next start goes on; None where nothing is known to be saved."""
    reached = max((each.reached for each in entry.past), default=0)
    record = _record(attempts / f"{entry.number:04d}.json") if reached else None
    return part * min(1.0, reached / record.budget) if record and record.budget else None


def _waiting(job: dict[str, Any], states: dict[str, str], reason: str) -> tuple[str, str]:
    """A job that is not submitted: parents stand before it in the plan."""
    for parent in job["parents"]:
        if states.get(parent) in {str(s) for s in DEAD_ENDS}:
            return "skipped", f"its parent {parent} {DEAD_ENDS[State(states[parent])]}"
    waits = [parent for parent in job["parents"] if states.get(parent) != "done"]
    return ("blocked", f"waits for {waits[0]}") if waits else ("ready", reason)


def _record(path: Path) -> Record | None:
    try:
        return read_record(read_json(path))
    except (StoreError, TypeError):
        return None


def table(found: Sequence[Row], most: int | None = None) -> str:
    """The rows and their totals. `most`: how many rows to show; what needs attention goes before what is done."""
    shown = found if most is None or len(found) <= most else sorted(found, key=_urgency)[:most]
    hidden = [f"... and {count(len(found) - len(shown), 'run')} more"] if len(shown) < len(found) else []
    return "\n".join([*aligned(cells(shown)), *hidden, "", *totals(found)])


def cells(shown: Sequence[Row]) -> list[tuple[str, ...]]:
    """The table's cells, the header first; losses have a column while there are some, labels where a hash alone tells
    two runs apart."""
    told = any(r.loss for r in shown)
    named = len({r.run.rpartition("-")[0] or r.run for r in shown}) < len(shown)
    head = ("run", *(["label"] if named else []), "state", "progress", "images/s", "left", *(["loss"] if told else []), "tries",
            "node", "time", "last error")
    return [head, *((r.run, *([r.label or "-"] if named else []), r.state, "-" if r.progress is None else f"{r.progress:.0%}",
                     "-" if r.rate is None else f"{r.rate:,.0f}", "-" if r.left is None else duration(r.left),
                     *([r.loss or "-"] if told else []), str(r.attempts or "-"), r.node or "-",
                     duration(r.cost) if r.cost >= 1 else "-", short(r.reason)[:80])
                    for r in shown)]


def totals(found: Sequence[Row]) -> list[str]:
    """Two lines: how many runs are in which state, and what they have taken."""
    words = (r.state.replace(",", " ").split()[0] for r in found)
    numbers = Counter(word if word.isalpha() else "train" for word in words)  # stages of some methods are called "4 steps"
    states = ", ".join(f"{n:,} {state}" for state, n in numbers.most_common())
    tries, seconds = sum(row.attempts for row in found), sum(row.cost for row in found)
    return [f"{count(len(found), 'run')}: {states}", f"tries: {tries:,}, cost so far: {duration(seconds)} of one worker"]


def _urgency(row: Row) -> int:
    order = ("failed", "dead", "ready", "blocked", "skipped", "cancelled", "pruned", "queued")
    return 9 if row.state == "done" else order.index(row.state) if row.state in order else -1


def controller(folder: Path) -> str:
    """Who controls the sweep, in words."""
    try:
        found = read_json(folder / "controller.json")
        age = max(0.0, time.time() - float(found["renewed"]))
        return f"controller: process {found['pid']} on {found['host']}, last heard of {duration(age)} ago"
    except (StoreError, KeyError, TypeError, ValueError):
        pid = _holder(folder / "attempts.jsonl")
        return f"controller: process {pid} on this machine" if pid else "controller: none; the sweep's own command continues it"


def _holder(journal: Path) -> int | None:
    """The process of this machine that holds the lock of a local sweep's journal; None where none is, or none can be asked."""
    try:
        inode, locks = journal.stat().st_ino, Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    held = (line.split() for line in locks)  # number, kind, ADVISORY, WRITE, process, device:inode, ...
    return next((int(words[4]) for words in held if words[1] == "FLOCK" and words[5].endswith(f":{inode}")), None)


def main(arguments: Sequence[str] | None = None) -> int:
    terminal.ready()
    parser = argparse.ArgumentParser(prog="python -m sweeps.status", description="Show a sweep from its files alone.")
    parser.add_argument("name", nargs="?", help="the sweep's name or folder (default: the one that was written to last)")
    parser.add_argument("--out", type=Path, default=Path("outputs"), help="the output folder (default: outputs)")
    parser.add_argument("--watch", action="store_true", help="show it again every few seconds")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the table into a file instead")
    parser.add_argument("--tries", action="store_true", help="also list every start that has ended, and why")
    given = parser.parse_args(arguments)
    try:
        folder = find_sweep(given.name, given.out) if given.name else newest(given.out)
        head = [] if given.name else [f"{folder}, the newest sweep", ""]
        if given.picture:
            if given.picture.suffix != ".svg":
                raise RequestError(f"--picture {given.picture}: it draws SVG; name it {given.picture.with_suffix('.svg')}")
            write_text(given.picture, picture.draw(found := rows(folder, time.time()), cells(found), totals(found)))
            return 0
        while True:
            text = "\n".join([*head, table(rows(folder, time.time()), 40 if given.watch else None), controller(folder),
                              *(["", told(folder)] if given.tries else [])])
            print(("\033[2J\033[H" if given.watch and sys.stdout.isatty() else "") + text, flush=True)
            if not given.watch:
                return 0
            time.sleep(5.0)
    except RequestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
