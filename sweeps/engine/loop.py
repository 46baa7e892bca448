"""The reconcile loop: look at what runs, write down what ended, start what may start; until nothing is left.

All it must remember is in files, so it can be killed at any moment, and running the same command again is the resume.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from sweeps.engine.book import Book
from sweeps.engine.control import Controller
from sweeps.engine.files import Disk
from sweeps.engine.lease import LENGTH, Lease
from sweeps.engine.rules import Rules
from sweeps.engine.seam import Backend, Info, Progress, Reported, Source, Stopping, SweepError, Tick
from sweeps.engine.tracker import Smaller
from sweeps.plan import Plan, State

GRACE = 30.0
"""Seconds a run has to reach a step boundary and save itself after it was asked to stop."""


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended. Every job of the plan is in one field: `done` and `diverged` include what was so before,
    `failed` (the dead included), `skipped`, `cancelled` and `pruned` give reasons in one line, `left` is what is not
    finished. `detached`: it goes on without a controller until the same command is given again."""

    done: tuple[str, ...]
    diverged: tuple[str, ...]
    failed: dict[str, str]
    skipped: dict[str, str]
    left: tuple[str, ...]
    interrupted: bool
    cancelled: dict[str, str] = field(default_factory=dict)
    pruned: dict[str, str] = field(default_factory=dict)
    detached: bool = False


@dataclass
class Watch:
    """Counts the signals that ask the controller to end. told: whether the first was answered on the screen."""

    count: int = 0
    told: bool = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 2:  # the first is polite; later ones must not disturb the clean-up
            raise KeyboardInterrupt


def reconcile(plan: Plan, backend: Backend, out: Path, name: str = "default", progress: Progress | None = None,
              rules: Rules | None = None, grace: float = GRACE, *, source: Source | None = None, detach: bool = False,
              smaller: Smaller | None = None, tell: Callable[[str], None] = print, lease: float = LENGTH) -> Outcome:
    """Executes what is left of the plan and closes the backend.

    Attached backend: the first SIGINT or SIGTERM asks the runs to stop and waits `grace` seconds for them; the second
    ends them at once. Detached backend: a signal ends this process and the jobs go on; where another controller has
    this sweep, this one watches and takes over if the other one dies.

    source: a search that lets the plan grow. detach: submit what can be submitted and return. smaller: how a run that
    was out of memory is given a smaller micro-batch. tell: receives lines for people. lease: seconds after which a
    silent controller on another host counts as dead. Raises SweepError if nothing can be executed at all.
    """
    if not name or "/" in name or name in (".", ".."):
        raise SweepError(f"sweep name {name!r} cannot name a folder: use letters, digits, '-', '_' and '.'")
    files = Disk(out, name, not backend.attached)
    prefix = hashlib.sha256(os.fsencode(files.folder.absolute())).hexdigest()[:6]
    try:
        with signals() as watch, _alone(backend, files, lease, watch, tell) as right:
            control = Controller(plan, backend, files, out, prefix, time.time, rules or Rules(), progress or _silent, source,
                                 smaller, fresh=backend.attached, stopping=lambda: watch.count > 0)
            if right.mine:
                _hear(backend, progress or _silent, watch, grace)
                control.begin()
                with suppress(KeyboardInterrupt):  # the second signal: no more patience
                    _loop(control, backend, right, watch, grace, progress or _silent, detach)
                if backend.attached and control.live:
                    control.give_up("stopped at once by a second signal")
                if control.finished() and not watch.count:
                    control.end()
            found = outcome(control, detach and not watch.count)
            backend.close()
            return found
    finally:
        backend.close()
        files.close()


def outcome(control: Controller, detached: bool = False) -> Outcome:
    """What the controller knows, sorted."""
    by: dict[State, list[str]] = {}
    for id in control.plan.ids:
        by.setdefault(control.states[id], []).append(id)
    reasons = {state: {id: control.reason(id) for id in by.get(state, ())}
               for state in (State.FAILED, State.DEAD, State.CANCELLED, State.PRUNED)}
    failed = {id: control.reason(id) for id in control.plan.ids if control.states[id] in (State.FAILED, State.DEAD)}
    ended = {*by.get(State.DONE, ()), *by.get(State.DIVERGED, ()), *control.frontier.skipped}.union(*reasons.values())
    left = tuple(id for id in control.plan.ids if id not in ended)
    return Outcome(tuple(by.get(State.DONE, ())), tuple(by.get(State.DIVERGED, ())), failed, dict(control.frontier.skipped),
                   left, bool(left) and not detached, reasons[State.CANCELLED], reasons[State.PRUNED], bool(left) and detached)


def _loop(control: Controller, backend: Backend, right: Right, watch: Watch, grace: float, progress: Progress,
          detach: bool) -> None:
    deadline: float | None = None
    while not control.finished():
        if watch.count and not backend.attached:
            return
        if watch.count and deadline is None:
            deadline = time.monotonic() + grace
            _answer(watch, progress, grace)
            backend.cancel(control.handles())
        if deadline is not None and time.monotonic() > deadline:
            return control.give_up(f"stopped: it reached no step boundary within {grace:.0f} s")
        if not right.renew():
            raise SweepError("another controller has taken this sweep over (this process was silent for too long); "
                             "run the same command again to watch it")
        control.step()
        progress(Tick())
        if detach and not backend.attached:
            return
        if not control.finished():
            backend.wait(backend.interval)


@dataclass
class Right:
    """Whether this process may act. A lease for jobs that outlive it, nothing more than a lock for those that do not."""

    mine: bool
    lease: Lease | None = None

    def renew(self) -> bool:
        return self.lease is None or self.lease.renew()


@contextmanager
def _alone(backend: Backend, files: Disk, length: float, watch: Watch, tell: Callable[[str], None]) -> Iterator[Right]:
    """Waits for the right to act; gives Right(mine=False) if the sweep ended, or a signal came, while waiting."""
    if backend.attached:
        try:
            fcntl.flock(files.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SweepError(f"this sweep is already running: another process holds {files.path}. Wait for it or end it, "
                             "then run the same command again") from error
        except OSError:
            pass  # a file system without locks: nothing to hold on to
        yield Right(True)
        return
    lease = Lease(files.folder / "controller.json", length)
    if not lease.acquire():
        tell(f"{lease.holder()} controls this sweep; this one watches and takes over if that falls silent. Ctrl-C ends "
             "only the watching.")
        while not watch.count and not lease.acquire():
            time.sleep(min(1.0, length / 6))
        if watch.count or Book.read(files.journal()).over:
            lease.release()
            yield Right(False)
            return
        tell("the other controller is gone; this one goes on")
    try:
        yield Right(True, lease)
    finally:
        lease.release()


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


def _hear(backend: Backend, progress: Progress, watch: Watch, grace: float) -> None:
    """What runs of an attached backend say goes to the screen; the answer is whether to stop. A run in this process hears a
    signal here, before the loop does."""

    def report(id: str, info: Info) -> bool:
        progress(Reported(id, info))
        if watch.count:
            _answer(watch, progress, grace)
        return watch.count > 0

    backend.connect(report)


def _answer(watch: Watch, progress: Progress, grace: float) -> None:
    """Say once that the runs are asked to stop."""
    if not watch.told:
        watch.told = True
        progress(Stopping(grace))


def _silent(event: object) -> None:
    """Nobody watches."""
