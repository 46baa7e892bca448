"""A cluster with a clock, and the files of a sweep in memory: for tests of what no cluster does on demand.

It preempts, requeues, breaks nodes, forgets jobs, answers late, twice, in another order or not at all, and it shows files
late. Time is a number that `wait` moves; nothing sleeps. One seed gives one history.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweeps.backend import Attempt, Info, Kind, Seen, Where
from sweeps.book import Line
from sweeps.plan import Job
from sweeps.rules import Record
from sweeps.states import FINAL, State


@dataclass(frozen=True)
class Luck:
    """How badly things go. Rates are probabilities per started execution unless they say otherwise.

    preempt, lose_node, vanish, oom, error: what may end an execution (error: of the infrastructure).
    requeue: share of preempted and lost ones that the site queues again under their handle.
    blind: share of polls without any answer. hide: share of answers that leave a job out.
    late: seconds until a new job or a file becomes visible, at most.
    refuse: share of submissions without an answer, half of which took place.
    zombie: share of vanished executions that go on all the same.
    """

    preempt: float = 0.15
    lose_node: float = 0.02
    vanish: float = 0.02
    oom: float = 0.02
    error: float = 0.0
    requeue: float = 0.5
    blind: float = 0.03
    hide: float = 0.01
    late: float = 60.0
    refuse: float = 0.02
    zombie: float = 0.3


@dataclass(slots=True)
class Run:
    """A run folder. `holder`: the execution that has its lock."""

    saved: int = 0
    status: State | None = None
    holder: Execution | None = None
    executions: int = 0
    finished: float = float("inf")
    stop: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Execution:
    """One start of one submission."""

    job: Submission
    node: int
    since: float
    begin: int
    token: int
    dead: bool = False


@dataclass(slots=True)
class Submission:
    """What the scheduler knows under one handle."""

    handle: str
    attempt: Attempt
    visible: float
    where: Where = Where.QUEUED
    node: str = ""
    reason: str = ""
    kind: Kind | None = None
    forgotten: bool = False
    execution: Execution | None = None


class Cluster:
    """`nodes` x `gpus`, one per job. A job works for `config["length"]` images, one per second, and saves each 60."""

    attached = False

    def __init__(self, nodes: int, gpus: int, seed: int, luck: Luck | None = None, interval: float = 30.0,
                 limit: int | None = None) -> None:
        self.now, self.interval = 0.0, interval
        self.luck, self.random = luck or Luck(), random.Random(seed)
        self.limit = limit or nodes * gpus * 2
        self.runs: dict[str, Run] = {}
        self.finished_again: list[str] = []  # finished runs that were executed once more: must stay empty
        self._free = [n for n in range(nodes) for _ in range(gpus)]
        self._down: dict[int, int] = {}  # broken nodes and how many of their GPUs are free
        self._on: dict[int, set[int]] = {n: set() for n in range(nodes)}
        self._executions: dict[int, Execution] = {}
        self._queue: list[Submission] = []
        self._by_handle: dict[str, Submission] = {}
        self._by_tag: dict[str, list[Submission]] = {}
        self._active = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.records: dict[tuple[str, int], list[tuple[float, Record]]] = {}

    # The verbs

    def connect(self, report: Callable[[str, Info], bool]) -> None:
        """Jobs speak through files."""

    def room(self, wanted: int) -> int:
        return max(0, min(wanted, self.limit - self._active))

    def submit(self, attempts: Sequence[Attempt]) -> list[str | None]:
        return [self._submit(attempt) for attempt in attempts]

    def poll(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        luck, draw = self.luck, self.random.random
        if draw() < luck.blind:
            return {}
        order = list(handles)
        if draw() < 0.1:
            order = order[::-1]
        found = {}
        for handle in order:
            job = self._by_handle[handle]
            if not job.forgotten and job.visible <= self.now and draw() >= luck.hide:
                found[handle] = Seen(job.where, job.node, job.reason, job.kind)
        return found

    def cancel(self, handles: Sequence[str], now: bool = False) -> None:
        for handle in handles:
            job = self._by_handle[handle]
            if job.where is Where.RUNNING and job.execution:
                self._yield(job.execution, "cancelled", requeue=False)
            elif job.where is Where.QUEUED:
                self._over(job, "CANCELLED")

    def logs(self, handle: str) -> Path | None:
        return None

    def find(self, tags: Sequence[str]) -> Mapping[str, str]:
        if self.random.random() < self.luck.blind:
            raise OSError("the scheduler does not answer")
        return {tag: jobs[-1].handle for tag in tags
                if (jobs := [j for j in self._by_tag.get(tag, ()) if not j.forgotten and j.visible <= self.now])}

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = until

    def close(self) -> None:
        """Jobs go on."""

    # What happens inside

    def _submit(self, attempt: Attempt) -> str | None:
        refused = self.random.random() < self.luck.refuse
        if refused and self.random.random() < 0.5:
            return None
        self._count += 1
        job = Submission(f"{self._count}", attempt, self.now + self.random.random() * self.luck.late)
        self._by_handle[job.handle] = job
        self._by_tag.setdefault(attempt.tag, []).append(job)
        self._active += 1
        self._enqueue(job)
        return None if refused else job.handle

    def _enqueue(self, job: Submission) -> None:
        job.where, job.execution = Where.QUEUED, None
        self._queue.append(job)
        self._dispatch()

    def _dispatch(self) -> None:
        while self._queue and self._free:
            job = self._queue.pop(0)
            if job.where is not Where.QUEUED:
                continue
            place = next((i for i in range(len(self._free) - 1, -1, -1)
                          if str(self._free[i]) not in job.attempt.exclude), len(self._free) - 1)
            self._execute(job, self._free.pop(place))

    def _execute(self, job: Submission, node: int) -> None:
        self._count += 1
        run = self.runs.setdefault(job.attempt.job.id, Run())
        each = Execution(job, node, self.now, run.saved, self._count)
        self._executions[each.token] = each
        self._on[node].add(each.token)
        job.where, job.node, job.execution = Where.RUNNING, str(node), each
        self._enter(each, run)

    def _enter(self, each: Execution, run: Run) -> None:
        """As `sweeps.writer` and `perform` do: wait for the lock, look whether it is finished, execute."""
        if each.dead:
            return
        if run.holder is not None:
            return self._at(30.0, lambda: self._enter(each, run))
        attempt = each.job.attempt
        if run.status in FINAL:
            return self._end(each, str(run.status))
        run.holder, run.executions, each.begin, each.since = each, run.executions + 1, run.saved, self.now
        self._write(each, began=run.saved, images=run.saved, started=self.now)
        left = attempt.config["length"] - run.saved
        draw, luck, act = self.random.random(), self.luck, attempt.config.get("act")
        moment = self.random.random() * left
        if act == "fail":
            return self._at(moment, lambda: self._fail(each, Kind.ERROR, "ValueError: no such thing"))
        for rate, accident in (
            (luck.preempt, lambda: self._yield(each, "preempted")),
            (luck.lose_node, lambda: self._break(each)),
            (luck.vanish, lambda: self._vanish(each)),
            (luck.oom, lambda: self._fail(each, Kind.MEMORY, "out of memory")),
            (luck.error, lambda: self._fail(each, Kind.INFRASTRUCTURE, "OSError: no such disk")),
        ):
            if draw < rate:
                return self._at(moment, accident)
            draw -= rate
        self._at(left, lambda: self._finish(each))

    def _finish(self, each: Execution) -> None:
        if not each.dead:
            run = self.runs[each.job.attempt.job.id]
            if run.status in FINAL:
                self.finished_again.append(each.job.attempt.job.id)
            run.saved, run.status, run.finished = each.job.attempt.config["length"], State.DONE, self.now
            self._end(each, "done")

    def _yield(self, each: Execution, why: str, requeue: bool | None = None) -> None:
        if each.dead:
            return
        run = self.runs[each.job.attempt.job.id]
        if run.holder is each:
            run.saved = each.begin + int(self.now - each.since)
        again = self.random.random() < self.luck.requeue if requeue is None else requeue
        self._end(each, "interrupted", why, again=again)

    def _fail(self, each: Execution, kind: Kind, reason: str) -> None:
        if not each.dead:
            self._end(each, "failed", reason, kind)

    def _break(self, each: Execution) -> None:
        """All that runs there is gone without a word; the node comes back after a while."""
        if each.dead:
            return
        node = each.node
        self._down[node] = self._free.count(node)
        self._free = [n for n in self._free if n != node]
        for token in sorted(self._on[node]):
            self._kill(self._executions[token], "NODE_FAIL")
        self._at(1800.0, lambda: self._mend(node))

    def _mend(self, node: int) -> None:
        self._free += [node] * self._down.pop(node)
        self._dispatch()

    def _kill(self, each: Execution, reason: str) -> None:
        job, run = each.job, self.runs[each.job.attempt.job.id]
        if each.dead:
            return
        if run.holder is each:
            run.saved = max(run.saved, each.begin + int(self.now - each.since) // 60 * 60)
        self._leave(each)
        job.where, job.reason = Where.GONE, reason  # final it is not
        if self.random.random() < self.luck.requeue and not job.forgotten:
            self._at(self.random.random() * 40.0, lambda: self._enqueue(job))
        else:
            self._active -= 1

    def _vanish(self, each: Execution) -> None:
        """The scheduler knows nothing of it any more; the process may."""
        if each.dead:
            return
        each.job.forgotten = True
        if self.random.random() < self.luck.zombie:
            left = each.job.attempt.config["length"] - each.begin - (self.now - each.since)
            return self._at(left, lambda: self._finish(each))
        self._active -= 1
        self._leave(each)

    def _end(self, each: Execution, outcome: str, reason: str = "", kind: Kind | None = None, again: bool = False) -> None:
        job = each.job
        self._write(each, outcome=outcome, reason=reason, kind=str(kind or ""), ended=self.now,
                    images=self.runs[job.attempt.job.id].saved)
        self._leave(each)
        if again:
            self._enqueue(job)
        else:
            self._over(job, "COMPLETED" if outcome == "done" else "FAILED")

    def _over(self, job: Submission, reason: str) -> None:
        job.where, job.reason = Where.GONE, reason
        self._active -= 1

    def _leave(self, each: Execution) -> None:
        each.dead = True
        run = self.runs[each.job.attempt.job.id]
        if run.holder is each:
            run.holder = None
        del self._executions[each.token]
        self._on[each.node].discard(each.token)
        if each.node in self._down:
            self._down[each.node] += 1
        else:
            self._free.append(each.node)
            self._dispatch()

    def _write(self, each: Execution, **changes: Any) -> None:
        key = each.job.attempt.job.id, each.job.attempt.number
        history = self.records.setdefault(key, [])
        old = history[-1][1] if history and "started" not in changes else Record(
            tag=each.job.attempt.tag, handle=each.job.handle, node=str(each.node), started=each.since)
        new = replace(old, **changes, beat=len(history) + 1)
        history.append((self.now + self.random.random() * self.luck.late, new))

    def _at(self, delay: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + max(0.0, delay), self._count, act))


@dataclass
class Memory:
    """`files.Files` without a disk, over the run folders of a cluster. Files become visible late, in order."""

    cluster: Cluster
    lines: list[Line] = field(default_factory=list)
    marks: list[Line] = field(default_factory=list)
    crash_after: int | None = None  # lines until the controller dies

    def journal(self) -> list[Line]:
        return list(self.lines)

    def append(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if self.crash_after is not None:
                if self.crash_after <= 0:
                    raise Crash
                self.crash_after -= 1
            self.lines.append(dict(line))

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        return {id: state for id in ids if (state := self.status(id)) is not None}

    def status(self, id: str) -> State | None:
        run = self.cluster.runs.get(id)
        return run.status if run else None

    def record(self, id: str, number: int, old: Record | None) -> Record | None:
        history = self.cluster.records.get((id, number))
        if not history:
            return None
        now = self.cluster.now
        for visible, record in reversed(history):
            if visible <= now:
                return record
        return None

    def plan(self, jobs: Iterable[Job]) -> None:
        """Nobody else reads it."""

    def prepare(self, attempt: Attempt) -> None:
        """The attempt carries its config."""

    def stop(self, id: str, tag: str, reason: str) -> None:
        run = self.cluster.runs.setdefault(id, Run())
        run.stop = tag, reason
        if (each := run.holder) is not None and each.job.attempt.tag == tag:
            self.cluster._yield(each, reason, requeue=False)

    def requests(self, known: set[str]) -> list[Line]:
        return [mark for mark in self.marks if mark["file"] not in known]


class Crash(Exception):
    """The controller was killed at this very line."""
