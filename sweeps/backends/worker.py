"""One run inside a worker, and the life of a worker process.

A worker imports the function once and runs many jobs, because importing a deep-learning library costs seconds. It
exits when its controller is gone, whatever ended that, so the same command can always be started again.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from results import terminal
from sweeps.backends.recorder import Recorder
from sweeps.backends.writer import sole_writer
from sweeps.engine import Execute, Info, Kind, Report, SweepError, classify
from sweeps.plan import FINAL, State, read_reason, read_status

REPORT_EVERY = 0.2
"""Seconds between two reports of one run that cross the pipe; a run may report every step at no cost."""
RETURNED = (State.DONE, State.DIVERGED, State.INTERRUPTED)


def resolve(dotted: str) -> Execute:
    """The function behind "package.module:function". Raises SweepError if there is none."""
    module, _, name = dotted.partition(":")
    try:
        function: Execute = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise SweepError(f"cannot import {dotted!r}: {one_line(error)}") from error
    return function


class Performed(NamedTuple):
    """How an attempt ended: the reason is one line, empty if all is well; only a failure has a kind."""

    outcome: State
    reason: str = ""
    kind: Kind | None = None


def perform(function: Execute, config: dict[str, Any], folder: Path, report: Report, lease: bool = False) -> Performed:
    """Executes one run as the only writer of its folder; returns how it ended. For `lease` see `sole_writer`.

    A run that is already done is not repeated. An exception becomes FAILED, its traceback goes to `error.txt` in the
    folder. Only KeyboardInterrupt passes through.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with sole_writer(folder, report, lease) as alone:
            if not alone:
                return Performed(State.INTERRUPTED, "stopped while another process was executing this run")
            if (status := read_status(folder)) in FINAL:
                return _returned(State(status), folder)
            (folder / "error.txt").unlink(missing_ok=True)
            outcome = function(config, str(folder), report)
            if outcome not in RETURNED:
                raise TypeError(f"the function returned {outcome!r} where {', '.join(RETURNED)} is expected")
            return _returned(State(outcome), folder)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _leave(folder / "error.txt", traceback.format_exc())
        return Performed(State.FAILED, one_line(error), classify(error))


def _returned(outcome: State, folder: Path) -> Performed:
    """Of a run that diverged, its record says why."""
    return Performed(outcome, read_reason(folder) if outcome == State.DIVERGED else "")


def record(recorder: Recorder, function: Execute, config: dict[str, Any], folder: Path, report: Report) -> Performed:
    """`perform` with a file about this attempt."""

    def heard(info: Info) -> bool:
        stopped = recorder.hear(info)
        return report(info) or stopped

    recorder.start()
    ended = perform(function, config, folder, heard)
    recorder.finish(*ended)
    return ended


def one_line(error: BaseException) -> str:
    """An exception as one line of bounded length: its type and the first line of its message."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:300] if first else type(error).__name__


def main(connection: Connection, dotted: str, grace: float) -> None:
    """The life of a worker process; `connection` is its only tie to the controller."""
    terminal.ready()
    line = Line(connection, grace)
    # Ctrl-C in a terminal reaches every process of the group; what to do about it is the controller's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, line.on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        function = resolve(dotted)
    except SweepError as error:
        line.send(("unusable", str(error)))
        return
    faulthandler.enable()  # a segmentation fault leaves a Python traceback in the log of its run
    while not line.stopping:
        line.send(("ready",))
        job = line.inbox.get()
        if job is None:
            return
        id, config, folder, number, tag = job
        recorder = Recorder(Path(folder), number, tag, tag)
        with output_to(Path(folder) / "log.txt"):
            record(recorder, function, config, Path(folder), line.reporter(id))
        line.send(("ended", tag))


class Line:
    """The worker's end of the pipe. A thread listens, so that asking "should I stop?" costs a run nothing."""

    def __init__(self, connection: Connection, grace: float) -> None:
        self.stopping = False
        self.inbox: queue.SimpleQueue[tuple[str, dict[str, Any], str, int, str] | None] = queue.SimpleQueue()
        self._connection = connection
        self._grace = grace
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="controller", daemon=True).start()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.halt()

    def halt(self) -> None:
        """The run in progress is told to stop; there will be no other one."""
        self.stopping = True
        self.inbox.put(None)

    def send(self, message: tuple[Any, ...]) -> None:
        """Tells the controller; if it is gone the listener knows, and there is nobody to tell."""
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            self.stopping = True

    def reporter(self, id: str) -> Callable[[Info], bool]:
        """The `report` of one run: throttled, but a new stage is always told."""
        stage: object = None
        due = 0.0

        def report(info: Info) -> bool:
            nonlocal stage, due
            now = time.monotonic()
            if now >= due or info.get("stage") != stage:
                stage, due = info.get("stage"), now + REPORT_EVERY
                self.send(("report", id, {key: value for key, value in info.items() if _is_plain(value)}))
            return self.stopping

        return report

    def _listen(self) -> None:
        try:
            while (message := self._connection.recv()) is not None:
                self.inbox.put(message)
            self.halt()
            self._connection.recv()  # nothing more is sent: this returns when the controller hangs up
        except (EOFError, OSError):
            self.halt()
        # The controller is gone or has no more patience. A run that reaches no step boundary must not outlive it for
        # long: the same command may already have been started again. Its last checkpoint is where it continues.
        time.sleep(self._grace)
        os._exit(1)


@contextmanager
def output_to(file: Path) -> Iterator[None]:
    """What is printed meanwhile, by Python or by a library underneath, goes to the end of a file, not on the screen."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        log = file.open("a", encoding="utf-8")
    except OSError:  # the run itself will say what is wrong with its folder
        yield
        return
    with log:
        kept = [os.dup(number) for number in (1, 2)]
        try:
            _flush()
            for number in (1, 2):
                os.dup2(log.fileno(), number)
            yield
        finally:
            _flush()
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(original, number)
                os.close(original)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str)


def _leave(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError:
        print(text, file=sys.stderr)
