"""The seam between the reconcile loop and whatever executes runs.

A backend knows nothing of plans, dependencies or retries. The loop knows nothing of processes, sbatch or clocks of a
cluster. What a run itself has to say (how far it is, how it ended) never crosses this seam: it stands in files of the
run folder, written by the job (`sweeps.backends.attempt`), because a controller may die while its jobs go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from sweeps.plan import Job, State

Info = Mapping[str, Any]
Report = Callable[[Info], bool]
"""What a run calls, from one thread, with a few plain values (`images`, `budget`, `stage`...). True means: stop at the
next step boundary, save a checkpoint and return "interrupted"."""

Execute = Callable[[dict[str, Any], str, Report], str]
"""`execute(config, folder, report)` runs one experiment in its folder and returns "done", "diverged" or "interrupted".
It raises if the run fails. It is also how a run continues: the same call in the same folder."""


class SweepError(RuntimeError):
    """A sweep that cannot be executed at all, as opposed to a run that fails."""


class Kind(StrEnum):
    """Why an attempt ended badly; what happens next depends on this alone (`sweeps.engine.rules`)."""

    ERROR = "error"  # the run raised: it would raise again
    CONFIG = "config"  # what it was asked makes no sense
    MEMORY = "memory"  # again with a smaller micro-batch
    INFRASTRUCTURE = "infrastructure"  # disk, network, driver, a kill: again, elsewhere
    PREEMPTED = "preempted"  # preemption or time limit: again, free of charge
    VANISHED = "vanished"  # the scheduler no longer knows it and nothing is heard of it


class Where(StrEnum):
    """What a scheduler says of one handle."""

    QUEUED = "queued"  # waiting, requeued or held: it will run without our doing anything
    RUNNING = "running"
    GONE = "gone"  # the scheduler says that it is over, in whatever way
    ABSENT = "absent"  # the scheduler does not know it (now), or could not be asked


@dataclass(frozen=True)
class Seen:
    """One look at one handle.

    node: where it runs or ran, empty if unknown. reason: one line for people, e.g. "NODE_FAIL" or "killed by SIGKILL".
    kind: for GONE only and only if the scheduler knows it (its out-of-memory, time-limit and preemption states); it
    speaks where the job itself could not. Infrastructure is assumed otherwise.
    """

    where: Where
    node: str = ""
    reason: str = ""
    kind: Kind | None = None


@dataclass(frozen=True)
class Refused:
    """The answer to a submission that has certainly not taken place: the queue takes no more now, or fewer at a time.
    said: its own words, in one line."""

    said: str


@dataclass(frozen=True)
class Attempt:
    """One submission of one job.

    number: from 1, over all invocations of this sweep; names `<folder>/attempts/NNNN.json`.
    tag: unique for ever and short enough for a job's comment (letters, digits, "-", "_", "."); see `Backend.find`.
    config: what `<folder>/job.json` says (it is written before `submit`): the job's own, perhaps with a smaller
        micro-batch.
    exclude: nodes on which runs of this sweep have failed repeatedly.
    """

    job: Job
    number: int
    folder: Path
    tag: str
    config: dict[str, Any] = field(repr=False)
    exclude: tuple[str, ...] = ()


class Backend(Protocol):
    """Five verbs (room, submit, poll, cancel, logs), and what a restarted controller needs (find). One thread calls.

    attached: True if jobs end with the controller (worker processes of this machine). The loop then asks them to stop
        when it is told to, and forgives them; jobs of a detached backend (a cluster) go on when the loop leaves.
    interval: seconds between two passes of the loop.
    """

    attached: bool
    interval: float

    def connect(self, report: Callable[[str, Info], bool]) -> None:
        """Called once, first. An attached backend that hears its runs passes on what they say, by job id; the answer
        True means that they shall stop. Jobs of a detached one speak through files."""

    def room(self, wanted: int) -> int:
        """How many of `wanted` (>= 0) attempts may be submitted now, e.g. below a limit of queued jobs. Raises
        SweepError if none will ever run."""

    def submit(self, attempts: Sequence[Attempt]) -> list[str | Refused | None]:
        """Hands attempts over, in order of importance; returns the handle of each, at most `room` at a time.

        A handle is any string that `poll` of another process can use (a Slurm id like "123_4"), unique as long as the
        sweep lives. None: no answer (the scheduler is busy or silent); the loop asks `find` and tries again. `Refused`:
        certainly not accepted; the loop offers fewer at a time, and these again.
        Each job runs `python -m sweeps.backends.attempt EXECUTE FOLDER NUMBER`, or calls `sweeps.backends.attempt.run_attempt`.
        Raises SweepError if the request can never succeed (wrong partition), naming the key at fault.
        """

    def poll(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        """What the scheduler says of each handle; a handle left out counts as ABSENT. Never raises for a scheduler
        that cannot be asked: everything is ABSENT then, and the loop is patient."""

    def cancel(self, handles: Sequence[str], now: bool = False) -> None:
        """Ends them: a running one gets a signal first and time to save itself; `now` leaves no time. Does not wait.
        Unknown and ended handles are no error."""

    def logs(self, handle: str) -> Path | None:
        """The file with what the job printed, if the backend knows one."""

    def find(self, tags: Sequence[str]) -> Mapping[str, str]:
        """The handles of those tags that the scheduler knows in any state, ended ones included where it can.

        Called for attempts that were meant to be submitted by a controller that died, or that got None. Raises OSError
        if the scheduler cannot be asked now: then nothing is submitted twice blindly.
        """

    def wait(self, seconds: float) -> None:
        """Returns after `seconds` or as soon as it is worth polling again."""

    def close(self) -> None:
        """Gives back what the backend holds in this process. An attached one ends at once whatever still runs; jobs of
        a detached one go on. May be called twice."""


class Detached:
    """What the backends of clusters share."""

    attached = False
    interval = 5.0

    def connect(self, report: Callable[[str, Info], bool]) -> None:
        """Jobs speak through files."""

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """Jobs go on; there is nothing to give back."""

    def logs(self, handle: str) -> Path | None:
        return None


@dataclass(frozen=True)
class Growth:
    """What a search wants: more jobs at the end of the plan, running jobs to stop early (reasons by id), and whether
    that was all (`closed`). While a source is open the sweep goes on even with nothing to run."""

    jobs: tuple[Job, ...] = ()
    prune: Mapping[str, str] = field(default_factory=dict)
    closed: bool = False


class Source(Protocol):
    """Where jobs come from while a sweep goes on (a search). The loop asks once per pass, from one thread.

    A restarted controller starts from the plan it is given and the journal: a source must return the jobs it has asked
    for before (from its own storage) at its first `advance`; jobs that are already in the plan are ignored.
    """

    def advance(self, states: Mapping[str, State], free: int) -> Growth:
        """`states`: where every job of the plan stands. `free`: jobs that could be submitted beyond those that are
        ready now. Must be quick and must not block."""


@dataclass(frozen=True)
class Started:
    """A job was handed over; `worker` is the number of the local worker that has it, or -1."""

    job: str
    worker: int = -1


@dataclass(frozen=True)
class Reported:
    """A run said how far it is."""

    job: str
    info: Info


@dataclass(frozen=True)
class Ended:
    """One attempt is over. `reason` is one line, empty if all is well; `seconds` is its wall time."""

    job: str
    outcome: State
    reason: str
    seconds: float


@dataclass(frozen=True)
class Tick:
    """Time has passed; comes a few times per second."""


@dataclass(frozen=True)
class Grown:
    """The plan has grown by these jobs; `states` is where each of them stands already."""

    jobs: tuple[Job, ...]
    states: Mapping[str, State]


@dataclass(frozen=True)
class Held:
    """The queue takes no more for now: so many runs that could start wait until it does. said: its own words."""

    waiting: int
    said: str


@dataclass(frozen=True)
class Stopping:
    """A signal has come: the runs are asked to save themselves, and are ended after `grace` seconds or by a second signal."""

    grace: float


Event = Started | Reported | Ended | Tick | Grown | Held | Stopping
Progress = Callable[[Event], None]
