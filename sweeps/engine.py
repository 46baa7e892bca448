"""The reconcile loop: look at the states, start what may start, wait, write down what ended; until nothing is left.

All it must remember is in files, so it can be killed at any moment, and running the same command again is the resume.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from sweeps.backend import Backend, Ended, Info, Progress, Reported, Started, SweepError, Tick
from sweeps.journal import Journal
from sweeps.plan import Plan
from sweeps.states import FINAL, RETRIED, State, at_start, decide, read_states, read_status

POLL = 0.2
GRACE = 30.0
"""Seconds a run has to reach a step boundary and save itself after it was asked to stop."""


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended. Every job of the plan is in one field: `done` and `diverged` include what was so before,
    `failed` and `skipped` give reasons in one line, `left` is what an interrupted sweep did not finish."""

    done: tuple[str, ...]
    diverged: tuple[str, ...]
    failed: dict[str, str]
    skipped: dict[str, str]
    left: tuple[str, ...]
    interrupted: bool


@dataclass
class Watch:
    """Counts the signals that ask the controller to end."""

    count: int = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 2:  # the first is polite; later ones must not disturb the clean-up
            raise KeyboardInterrupt


def reconcile(plan: Plan, backend: Backend, out: Path, name: str = "default", progress: Progress | None = None,
              max_attempts: int = 2, grace: float = GRACE) -> Outcome:
    """Executes what is left of the plan and closes the backend.

    The first SIGINT or SIGTERM asks the runs to stop and waits `grace` seconds for them; the second ends them at once.
    Raises SweepError if nothing can be executed at all.
    """
    if not name or "/" in name or name in (".", ".."):
        raise SweepError(f"sweep name {name!r} cannot name a folder: use letters, digits, '-', '_' and '.'")
    try:
        with Journal(out / "sweeps" / name / "attempts.jsonl") as journal, signals() as watch:
            sweep = _Sweep(plan, backend, out, journal, progress or (lambda event: None), max_attempts, watch)
            with suppress(KeyboardInterrupt):  # the second signal: no more patience
                sweep.loop(grace)
            outcome = sweep.outcome()
            backend.close()
            return outcome
    finally:
        backend.close()


@contextmanager
def signals() -> Iterator[Watch]:
    """Turns SIGINT and SIGTERM into counts. Outside the main thread, where that is impossible, it counts nothing."""
    watch = Watch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = {number: signal.signal(number, watch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Sweep:
    """What one invocation knows; the files know the rest."""

    plan: Plan
    backend: Backend
    out: Path
    journal: Journal
    progress: Progress
    max_attempts: int
    watch: Watch
    attempts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = at_start(read_states(self.out, self.plan.ids))
        self.running: dict[str, float] = {}
        self.decision = decide(self.plan, self.states, self.attempts, self.max_attempts)

    def loop(self, grace: float) -> None:
        deadline: float | None = None
        while self.running or (self.decision.ready and not self.watch.count):
            if self.watch.count and deadline is None:
                deadline = time.monotonic() + grace
                self.backend.stop()
            if deadline is None:
                self.start()
            elif time.monotonic() > deadline:
                return self.give_up(f"stopped: it reached no step boundary within {grace:.0f} s")
            ended = self.backend.wait(POLL, self.report)
            for attempt in ended:
                self.settle(attempt)
            if ended:
                self.decision = decide(self.plan, self.states, self.attempts, self.max_attempts)
            self.progress(Tick())

    def start(self) -> None:
        ready = self.decision.ready
        starting = ready[:self.backend.room(len(ready))] if ready else ()
        for id in starting:
            self.states[id] = State.RUNNING
            self.attempts[id] += 1
            self.running[id] = time.monotonic()
            self.progress(Started(id, self.backend.submit(self.plan[id], self.out / "runs" / id)))
        if starting:
            self.decision = replace(self.decision, ready=ready[len(starting):])

    def settle(self, ended: Ended) -> None:
        if ended.outcome == State.LOST:
            # It may have died after its last word was written: a finished run is never repeated.
            status = read_status(self.out / "runs" / ended.job)
            ended = replace(ended, outcome=status) if status in FINAL else ended
        # An attempt that the user cut short is no attempt: the job is simply left for the next time.
        cut = self.watch.count and ended.outcome in RETRIED
        self.states[ended.job] = State.TODO if cut else ended.outcome
        self.running.pop(ended.job)
        self.reasons[ended.job] = ended.reason or "no reason given"
        self.journal.add(ended)
        self.progress(ended)

    def report(self, id: str, info: Info) -> bool:
        self.progress(Reported(id, info))
        return self.watch.count > 0

    def give_up(self, reason: str) -> None:
        """Writes down the runs that are about to be ended by force; their last checkpoint is where they continue."""
        for id, since in list(self.running.items()):
            self.settle(Ended(id, State.INTERRUPTED, reason, time.monotonic() - since))

    def outcome(self) -> Outcome:
        if self.running:
            self.give_up("stopped at once by a second signal")
        decision = decide(self.plan, self.states, self.attempts, self.max_attempts)
        done = tuple(id for id in self.plan.ids if self.states.get(id) == State.DONE)
        diverged = tuple(id for id in self.plan.ids if self.states.get(id) == State.DIVERGED)
        failed = {id: self.reasons[id] for id in decision.failed}
        ended = {*done, *diverged, *failed, *decision.skipped}
        left = tuple(id for id in self.plan.ids if id not in ended)
        return Outcome(done, diverged, failed, decision.skipped, left, interrupted=bool(left))
