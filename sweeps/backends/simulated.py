"""A cluster with a clock, for tests of what no cluster does on demand.

It preempts, requeues, breaks nodes, forgets jobs, answers late, twice, in another order or not at all, and it shows files
late. Time is a number that `wait` moves; nothing sleeps. One seed gives one history.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps.backends.simulated_parts import Execution, Luck, Run, Submission
from sweeps.engine import Attempt, Info, Kind, Record, Refused, Seen, Where
from sweeps.plan import FINAL, State


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

    def submit(self, attempts: Sequence[Attempt]) -> list[str | Refused | None]:
        if self.luck.most is not None and self._active + len(attempts) > self.luck.most:
            return [Refused("the user has too many jobs")] * len(attempts)
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
            if job.where is Where.RUNNING and job.execution and now:
                self._kill(job.execution, "CANCELLED", final=True)
            elif job.where is Where.RUNNING and job.execution:
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
        """As `sweeps.backends.writer` and `perform` do: wait for the lock, look whether it is finished, execute."""
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
            (luck.hang, lambda: self._hang(each)),
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
            run.saved = each.begin + self._worked(each)
        again = self.random.random() < self.luck.requeue if requeue is None else requeue
        self._end(each, "interrupted", why, again=again)

    def _fail(self, each: Execution, kind: Kind, reason: str) -> None:
        if not each.dead:
            self._end(each, "failed", reason, kind)

    def _hang(self, each: Execution) -> None:
        each.until = self.now

    def _worked(self, each: Execution) -> int:
        return int(min(self.now, each.until) - each.since)

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

    def _kill(self, each: Execution, reason: str, final: bool = False) -> None:
        job, run = each.job, self.runs[each.job.attempt.job.id]
        if each.dead:
            return
        if run.holder is each:
            run.saved = max(run.saved, each.begin + self._worked(each) // 60 * 60)
        self._leave(each)
        job.where, job.reason = Where.GONE, reason  # which need not be the end
        if not final and self.random.random() < self.luck.requeue and not job.forgotten:
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
