"""The job side on a cluster: `python -m sweeps.backends.attempt package.module:function FOLDER NUMBER` executes one attempt.

Everything it needs stands in `<folder>/job.json`, so a queued job depends on no pickle and on no living controller. It
exits with 0 if the run is finished, 75 if it stopped at a step boundary and can be continued, 1 if it failed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from results import terminal
from results.records import read_json
from sweeps.backends.recorder import Recorder
from sweeps.backends.worker import perform, resolve
from sweeps.engine import Info, Kind
from sweeps.plan import FINAL, State, read_status

BEAT = 20.0
YIELDED = 75  # EX_TEMPFAIL of sysexits.h
STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
"""What schedulers send before they kill. SIGCONT, which often precedes them, does nothing to a running process."""


class Flag:
    """Raised by a signal, read at step boundaries."""

    def __init__(self) -> None:
        self.raised = ""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self.raised = f"{name}: {'preemption or time limit' if name.startswith('SIGUSR') else 'ended from outside'}"

    def listen(self) -> None:
        for number in STOPPING:
            signal.signal(number, self)


def run_attempt(execute: str, folder: Path, number: int, handle: str = "", node: str = "",
                environment: Mapping[str, str] = os.environ) -> int:
    """Executes the run in `folder` as attempt `number` and writes how it went; returns the exit status.

    handle and node: how the scheduler calls this job and this machine (SLURM_JOB_ID and SLURMD_NODENAME by default).
    Of the processes of a multi-process job only rank 0 (RANK or SLURM_PROCID) keeps the books and the run's lock; the
    others execute. All stop at the step boundary that the training loop agrees on.
    """
    terminal.ready()
    flag = Flag()
    flag.listen()
    job = read_json(folder / "job.json")
    if int(environment.get("RANK") or environment.get("SLURM_PROCID") or 0) > 0:
        return _follow(execute, folder, job["config"], flag)
    tag = str(job["tag"]) if job["attempt"] == number else ""  # a job from a submission that was given up meanwhile
    recorder = Recorder(folder, number, tag, handle or _slurm_id(environment), node or environment.get("SLURMD_NODENAME", ""))
    recorder.start()
    over = threading.Event()
    threading.Thread(target=_beat, args=(recorder, over), name="beat", daemon=True).start()
    try:
        function = resolve(execute)
    except Exception as error:
        recorder.finish(State.FAILED, str(error), Kind.CONFIG)
        print(error, file=sys.stderr)
        return 1
    ended = perform(function, job["config"], folder, lambda info: recorder.hear(info) or bool(flag.raised), lease=True)
    over.set()
    outcome, reason = ended.outcome, ended.reason
    if outcome == State.INTERRUPTED:
        reason = reason or flag.raised
    recorder.finish(outcome, reason, ended.kind)
    return 1 if outcome == State.FAILED else YIELDED if outcome == State.INTERRUPTED else 0


def _follow(execute: str, folder: Path, config: dict[str, object], flag: Flag) -> int:
    """A rank other than 0."""
    if read_status(folder) in FINAL:
        return 0

    def report(info: Info) -> bool:
        return bool(flag.raised)

    return YIELDED if resolve(execute)(config, str(folder), report) == State.INTERRUPTED else 0


def _slurm_id(environment: Mapping[str, str]) -> str:
    """How Slurm's own commands call this job: an array's task by its array."""
    if array := environment.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{environment.get('SLURM_ARRAY_TASK_ID', '')}"
    return environment.get("SLURM_JOB_ID", "")


def _beat(recorder: Recorder, over: threading.Event) -> None:
    while not over.wait(BEAT):
        recorder.beat()


def main() -> int:
    if len(sys.argv) != 4 or not sys.argv[3].isdigit():
        print("usage: python -m sweeps.backends.attempt package.module:function FOLDER NUMBER", file=sys.stderr)
        return 2
    return run_attempt(sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
