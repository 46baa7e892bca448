"""The backend of one machine: long-lived worker processes, jobs handed out over pipes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from sweeps.backends import worker
from sweeps.backends.inline import run_inline
from sweeps.engine import (
    GRACE,
    Attempt,
    Info,
    Outcome,
    Progress,
    Refused,
    Rules,
    Seen,
    Smaller,
    Source,
    SweepError,
    Where,
    reconcile,
)
from sweeps.plan import Plan

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
POLL = 0.2
STILLBORN = 3
"""So many workers in a row that die before they are ready mean that none will ever be."""
EXIT = 5.0


def run(plan: Plan, execute: str, out: Path, workers: int, progress: Progress | None = None, max_attempts: int = 2,
        threads: int | None = None, *, name: str = "default", grace: float = GRACE, source: Source | None = None,
        smaller: Smaller | None = None, hang: float | None = None) -> Outcome:
    """Executes what is left of the plan on this machine, `workers` runs at a time.

    execute: "package.module:function", see `backend.Execute`; each worker imports it once. With `workers` <= 0
        everything happens in this process (`run_inline`).
    out: the output folder: runs go to `<out>/runs/<id>`, the record of attempts to `<out>/sweeps/<name>`.
    max_attempts: how often a job is started in this invocation if its worker dies; a run that raises is not repeated.
    threads: what OMP_NUM_THREADS and its relatives are in a worker before it imports anything.
    grace: seconds that runs have to save themselves after the first SIGINT or SIGTERM.
    source, smaller: see `engine.reconcile`; hang: see `rules.Rules`.

    A worker finds its number, 0 to workers - 1, in FEWSTEP_WORKER. As with every use of processes, a script that calls
    this needs `if __name__ == "__main__"`. Raises SweepError if nothing can be executed at all.
    """
    if workers <= 0:
        return run_inline(plan, worker.resolve(execute), out, progress, max_attempts, name=name, source=source,
                          smaller=smaller)
    pool = Pool(execute, workers, threads, grace)
    rules = Rules(attempts=max_attempts, hang=hang)
    return reconcile(plan, pool, Path(out).resolve(), name, progress, rules, grace, source=source, smaller=smaller)


@dataclass
class _Worker:
    """The controller's view of one process."""

    index: int
    process: SpawnProcess
    connection: Connection
    born: bool = False  # it has been ready once
    idle: bool = False
    handle: str | None = None


class Pool:
    """Worker processes as a backend. They are started when there is work for them, and replaced when they die.

    The handle of an attempt is its tag: nobody but this process can poll it.
    """

    attached = True
    interval = POLL

    def __init__(self, execute: str, limit: int, threads: int | None = None, grace: float = GRACE) -> None:
        self._execute = execute
        self._limit = limit
        self._grace = grace
        self._environment = {} if threads is None else dict.fromkeys(THREAD_VARIABLES, str(threads))
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}
        self._stillborn: list[str] = []
        self._gone: dict[str, Seen] = {}
        self._report: Callable[[str, Info], bool] = lambda id, info: False

    def connect(self, report: Callable[[str, Info], bool]) -> None:
        self._report = report

    def room(self, wanted: int) -> int:
        busy = sum(each.handle is not None for each in self._workers.values())
        while len(self._workers) < min(self._limit, busy + wanted) and len(self._stillborn) < STILLBORN:
            self._hire()
        if not self._workers:
            raise SweepError(f"no worker process could be started; the last one: {self._stillborn[-1]}")
        return sum(each.idle for each in self._workers.values())

    def submit(self, attempts: Sequence[Attempt]) -> list[str | Refused | None]:
        idle = [each for each in self._workers.values() if each.idle]
        for each, attempt in zip(idle, attempts, strict=False):
            each.idle, each.handle = False, attempt.tag
            _send(each.connection, (attempt.job.id, attempt.config, str(attempt.folder), attempt.number, attempt.tag))
        return [attempt.tag for attempt in attempts]

    def poll(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        self._hear(0.0)
        busy = {each.handle for each in self._workers.values()}
        seen = {handle: Seen(Where.RUNNING) if handle in busy else self._gone[handle] for handle in handles}
        self._gone.clear()  # the loop asks for everything that is open, so nobody asks again
        return seen

    def cancel(self, handles: Sequence[str], now: bool = False) -> None:
        chosen = set(handles)
        for each in self._workers.values():
            if each.handle in chosen and now:
                each.process.kill()
            elif each.handle in chosen:
                _send(each.connection, None)

    def logs(self, handle: str) -> Path | None:
        return None

    def find(self, tags: Sequence[str]) -> Mapping[str, str]:
        return {}

    def wait(self, seconds: float) -> None:
        self._hear(seconds)

    def close(self) -> None:
        for each in self._workers.values():
            if each.handle is not None:
                each.process.kill()
            each.connection.close()  # an idle worker takes this as its leave
        deadline = time.monotonic() + EXIT
        for each in self._workers.values():
            _end(each.process, deadline - time.monotonic())
        self._workers.clear()

    def _hire(self) -> None:
        index = next(i for i in range(self._limit) if i not in self._workers)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=worker.main, args=(theirs, self._execute, self._grace),
                                        name=f"fewstep-worker-{index}")
        with _environment({**self._environment, "FEWSTEP_WORKER": str(index)}), _signals_held():
            process.start()
        theirs.close()
        self._workers[index] = _Worker(index, process, ours)

    def _hear(self, seconds: float) -> None:
        """Takes in what the workers say, for at most so long."""
        by_pipe = {each.connection: each for each in self._workers.values()}
        spoke = wait(list(by_pipe), seconds)
        # A process forked by a run may keep the pipe of its dead parent open, so silence is checked as well.
        silent = [each for each in by_pipe.values() if each.connection not in spoke and not each.process.is_alive()]
        for each in [*(by_pipe[pipe] for pipe in spoke if isinstance(pipe, Connection)), *silent]:
            self._listen(each)

    def _listen(self, each: _Worker) -> None:
        """Everything the worker has said; its death, if that was the last thing."""
        try:
            while each.connection.poll():
                match each.connection.recv():
                    case ("ready",):
                        each.born = each.idle = True
                        self._stillborn.clear()
                    case ("unusable", str(reason)):
                        self._stillborn += [reason] * STILLBORN  # what cannot be imported now will not be later
                    case ("report", str(id), info):
                        self._report(id, info)
                    case ("ended", str(handle)):
                        each.handle = None
                        self._gone[handle] = Seen(Where.GONE)
            gone = not each.process.is_alive() and not each.connection.poll()
        except (EOFError, OSError):
            gone = True
        if gone:
            self._bury(each)

    def _bury(self, each: _Worker) -> None:
        _end(each.process, EXIT)
        each.connection.close()
        del self._workers[each.index]
        reason = _cause(each.process.exitcode)
        if not each.born and len(self._stillborn) < STILLBORN:
            self._stillborn.append(reason)
        if each.handle is not None:
            self._gone[each.handle] = Seen(Where.GONE, reason=reason)


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"worker process was ended by {name}{hint}"
    return f"worker process exited with code {code}"


def _end(process: SpawnProcess, patience: float) -> None:
    process.join(max(0.0, patience))
    if process.is_alive():
        process.kill()
        process.join()


def _send(connection: Connection, message: object) -> None:
    with suppress(OSError):  # the worker is dead: the next wait sees it
        connection.send(message)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set in the parent around the start: a child imports the main module, and with it anything, before our code."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


@contextmanager
def _signals_held() -> Iterator[None]:
    """A child is born with SIGINT and SIGTERM held until it has decided what to do with them (`worker.main`)."""
    resource_tracker.ensure_running()  # else starting it inside would release the signals again
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
