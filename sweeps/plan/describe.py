"""A plan as text: what would run, what is done, how long it would take. Nothing is started and nothing is built."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from sweeps.plan.jobs import Job, Plan
from sweeps.plan.states import FINAL, at_start, decide, todo

PARENTS_SHOWN = 2
DAY = 86400


def describe(plan: Plan, states: Mapping[str, str], seconds: float | None = None, workers: int | None = 1,
             factor: float = 1.0, worker: str = "worker", cap: str = "") -> str:
    """One row per job, then the totals, the longest chain and the expected wall time.

    `states` are those of the run folders (see `read_states`). `seconds` is the time of one unit of cost on one worker;
    None if nothing is known: costs are then in units, and no time is promised. factor: by how much the expected time may be
    shorter or longer. worker: what a worker is called. workers: None for as many as there are runs; `cap` names the
    setting that bounds them.
    """
    left = todo(plan, states)
    skipped = decide(plan, at_start(states)).skipped
    shown = {job.id: "skipped" if job.id in skipped else _state(states.get(job.id)) for job in plan}
    rows = [("run", "label", "seed", "waits for", "state", "cost")]
    rows += [(job.id, job.label, "-" if job.seed is None else str(job.seed), _parents(job), shown[job.id],
              amount(job.cost, seconds)) for job in plan]
    counts = Counter(word.split(" (")[0] for word in shown.values())
    chain = longest_chain(plan, left)
    total = sum(job.cost for job in left)
    wall = makespan(left, plan.tail, max(1, len(left) if workers is None else workers))
    at_once = "all at once that need not wait" if workers is None else count(max(1, workers), worker)
    return "\n".join([
        *aligned(rows), "",
        f"{count(len(plan), 'run')}: " + ", ".join(f"{n} {word}" for word, n in counts.items()),
        *(f"skipped: {id} ({reason})" for id, reason in skipped.items()),
        f"cost to do: {amount(total, seconds)} on one {worker}",
        f"longest chain: {amount(sum(job.cost for job in chain), seconds)}"
        + (f" ({' -> '.join(job.id for job in chain)})" if chain else ""),
        f"{at_once}, estimated wall time: {amount(wall, seconds)}"
        + (f" ({amount(wall / factor, seconds)} to {amount(wall * factor, seconds)})" if factor > 1 and wall else "")
        + (f"; {cap} caps them" if workers is None and cap else ""),
    ])


def longest_chain(plan: Plan, among: Sequence[Job]) -> list[Job]:
    """The most costly chain of jobs, first to last, among some jobs of the plan in its order.

    No number of workers finishes sooner than this chain.
    """
    until: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for job in among:
        before[job.id] = max((p for p in job.parents if p in until), key=lambda p: until[p], default=None)
        until[job.id] = job.cost + until.get(before[job.id] or "", 0.0)
    chain: list[Job] = []
    at = max(until, key=lambda id: until[id], default=None)
    while at is not None:
        chain.append(plan[at])
        at = before[at]
    return chain[::-1]


def makespan(jobs: Sequence[Job], tail: Mapping[str, float], workers: int) -> float:
    """Cost until the last job ends, if each free worker takes the ready job with the most costly chain behind it.

    `jobs` are in topological order; parents that are not among them count as done.
    """
    among = {job.id: job for job in jobs}
    waits = {job.id: {p for p in job.parents if p in among} for job in jobs}
    children: dict[str, list[str]] = {id: [] for id in among}
    for id, parents in waits.items():
        for parent in parents:
            children[parent].append(id)
    ready = [(-tail[id], id) for id, parents in waits.items() if not parents]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            id = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + among[id].cost, id))
        now, ended = heapq.heappop(running)
        for child in children[ended]:
            waits[child].discard(ended)
            if not waits[child]:
                heapq.heappush(ready, (-tail[child], child))
    return now


def amount(cost: float, seconds: float | None) -> str:
    """A cost for people: a time if the seconds of one unit are known, else units."""
    return f"{cost:.4g} units" if seconds is None else duration(cost * seconds)


def duration(seconds: float) -> str:
    """0.4 s, 8 s, 3 min 20 s, 5 h 02 min, 3 d 04 h, 5 months, 12 years."""
    if not math.isfinite(seconds):
        return "for ever" if seconds > 0 else "an unknown time"
    whole = round(seconds)
    for size, unit in ((365.25 * DAY, "year"), (30.4 * DAY, "month")):
        if whole >= 2 * size:
            return count(_rounded(whole / size), unit)
    for size, unit, part, small in ((DAY, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part:02d} {small}"
    return f"{seconds:.0f} s" if seconds >= 9.95 or seconds == 0 else f"{seconds:.2g} s"


def gpu_time(hours: float) -> str:
    """Time on a GPU: under a GPU-minute, 12 GPU-minutes, 3.4 GPU-hours, 12,000 GPU-hours."""
    if hours <= 0:
        return "no GPU time"
    if hours * 60 < 1:
        return "under a GPU-minute"
    if hours < 1:
        return count(round(hours * 60), "GPU-minute")
    return count(_rounded(hours), "GPU-hour") if hours >= 99.95 else f"{hours:.1f} GPU-hours"


def _rounded(number: float) -> int:
    """To two digits: more would promise what no estimate holds."""
    return round(float(f"{number:.2g}"))


def count(n: int, noun: str) -> str:
    """1 run, 2 runs."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _state(status: str | None) -> str:
    if status is None:
        return "to do"
    return str(status) if status in FINAL else f"to do (was {status})"


def _parents(job: Job) -> str:
    hidden = len(job.parents) - PARENTS_SHOWN
    return (", ".join(job.parents[:PARENTS_SHOWN]) + (f" +{hidden}" if hidden > 0 else "")) or "-"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, the first row as a header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
