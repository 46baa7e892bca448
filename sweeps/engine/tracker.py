"""What a controller knows of its jobs and how it writes down what becomes of them: journal first, knowledge second."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sweeps.engine.book import Book, Line, Open
from sweeps.engine.files import Files
from sweeps.engine.offer import Offer
from sweeps.engine.rules import Record, Rules, Verdict, consequence, reached
from sweeps.engine.seam import Backend, Ended, Kind, Progress, Source, Started
from sweeps.plan import FINAL, Frontier, Plan, State

Smaller = Callable[[dict[str, Any], int], dict[str, Any] | None]
"""`smaller(config, times)`: the config with its micro-batch halved so many times, or None if that is not possible."""

STICKY = frozenset({State.FAILED, State.DEAD, State.CANCELLED, State.PRUNED})


@dataclass(slots=True)
class Live:
    """An open attempt as this controller sees it. sign: when it last gave a sign of life; moved: when it last got further."""

    open: Open
    slot: int
    sign: float
    since: float
    record: Record | None = None
    moved: float = 0.0


class Tracker:
    """States, open attempts and journal of one sweep. `Controller` decides what to do with them."""

    def __init__(self, plan: Plan, backend: Backend, files: Files, out: Path, prefix: str, clock: Callable[[], float],
                 rules: Rules, progress: Progress, source: Source | None = None, smaller: Smaller | None = None,
                 fresh: bool = False, stopping: Callable[[], bool] | None = None) -> None:
        self.plan, self.backend, self.files, self.clock, self.rules = plan, backend, files, clock, rules
        self._runs, self._prefix, self._progress, self._smaller = out / "runs", prefix, progress, smaller
        self._source, self._fresh = source, fresh
        self._stopping = stopping or (lambda: False)
        self.offer = Offer()
        self._asked = float("-inf")  # when the scheduler was last asked for attempts without a handle
        self.book = Book.read(files.journal())
        self.live: dict[str, Live] = {}
        self._slots: list[int] = []  # given back
        self.states = self._known()
        self.frontier = Frontier(plan, self.states)

    # What is known at the start

    def _known(self) -> dict[str, State]:
        written = self.files.states(self.plan.ids)
        return {id: self._state(id, written.get(id)) for id in self.plan.ids}

    def _state(self, id: str, written: State | None) -> State:
        entry = self.book.jobs.get(id)
        if entry is not None and entry.open is not None:
            return State.QUEUED
        if written in FINAL:
            return State(written)
        return entry.state if entry is not None and entry.state in STICKY else State.TODO

    def _adopt(self, id: str, open: Open) -> None:
        now = self.clock()
        if self.backend.attached:  # it ended with its controller, or is about to: the run's lock keeps order
            line = {"event": "ended", "job": id, "attempt": open.number, "outcome": "interrupted", "time": now,
                    "reason": "its controller died", "seconds": 0.0, "then": "todo"}
            self._write([line])
        else:
            self.live[id] = Live(open, self._slot(), now, open.since, moved=now)
            self._progress(Started(id, self.live[id].slot))

    # Ends

    def _settle(self, id: str, verdict: Verdict, node: str = "") -> None:
        live, entry, now = self._drop(id), self.book.entry(id), self.clock()
        self.offer.freed()
        if verdict.outcome in (State.LOST, State.YIELDED) and self.backend.attached and self._stopping():
            # the user is stopping the sweep: what ends now is nobody's fault
            verdict = Verdict(State.INTERRUPTED, None, verdict.reason)
        if verdict.outcome == live.open.stopping or not (verdict.reason or verdict.outcome in FINAL):
            verdict = replace(verdict, reason=live.open.why or verdict.reason)  # why it was told to end
        line: Line = {
            "event": "ended", "job": id, "attempt": live.open.number, "outcome": str(verdict.outcome),
            "kind": str(verdict.kind or ""), "reason": verdict.reason, "node": node, "time": now,
            "reached": reached(live.record, verdict.outcome), "seconds": round(self._seconds(live, now), 3),
        }
        Book.apply(self.book, line)
        then, why = State.TODO, verdict.reason
        if verdict.outcome != State.INTERRUPTED:
            then, why = consequence(entry.past, self.rules, self._can_shrink(id, live.open.shrink + 1))
        line |= {"then": str(then), "why": why}
        entry.state, entry.reason = then, why or line["reason"]
        self.files.append([line])
        self.states[id] = then
        self.frontier.settle(id)
        shown = verdict.outcome if then == State.TODO else then
        self._progress(Ended(id, shown, verdict.reason, line["seconds"]))

    def _seconds(self, live: Live, now: float) -> float:
        """How long the attempt held its worker: by the job's own clock where it told."""
        record = live.record
        if record is not None and record.started:
            return max(0.0, (record.ended or now) - record.started)
        return max(0.0, now - live.since) if self.backend.attached else 0.0

    def _can_shrink(self, id: str, times: int) -> bool:
        return self._smaller is not None and self._smaller(self.plan[id].config, times) is not None

    def _attach(self, id: str, handle: str) -> None:
        self._write([{"event": "submitted", "job": id, "attempt": self.live[id].open.number, "handle": handle}])

    def _shrink(self, id: str) -> int:
        past = self.book.entry(id).past
        return past[-1].shrink + (past[-1].kind == Kind.MEMORY) if past else 0

    def _drop(self, id: str) -> Live:
        live = self.live.pop(id)
        heapq.heappush(self._slots, live.slot)
        return live

    def _slot(self) -> int:
        """The smallest number that no live attempt has: its line on the screen."""
        if self._slots:
            return heapq.heappop(self._slots)
        return len(self.live)

    def _write(self, lines: Sequence[Line]) -> None:
        """To the journal, and at once into what this controller knows."""
        if lines:
            self.files.append(lines)
            for line in lines:
                self.book.apply(line)
