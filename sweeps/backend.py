"""The seam between the reconcile loop and whatever executes runs: five verbs, and the events that come back.

A backend knows nothing of plans, dependencies or attempts. The loop knows nothing of processes. A cluster or a fake
with a clock fits behind the same five verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sweeps.plan import Job
from sweeps.states import State

Info = Mapping[str, Any]
Report = Callable[[Info], bool]
"""What a run calls, from one thread, with a few plain values (`images`, `budget`, `stage`...). True means: stop at the
next step boundary, save a checkpoint and return "interrupted"."""

Execute = Callable[[dict[str, Any], str, Report], str]
"""`execute(config, folder, report)` runs one experiment in its folder and returns "done", "diverged" or "interrupted".
It raises if the run fails. It is also how a run continues: the same call in the same folder."""


class SweepError(RuntimeError):
    """A sweep that cannot be executed at all, as opposed to a run that fails."""


@dataclass(frozen=True)
class Started:
    """A job was handed to a worker."""

    job: str
    worker: int


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


Event = Started | Reported | Ended | Tick
Progress = Callable[[Event], None]


class Backend(Protocol):
    """Five verbs. All are called from one thread."""

    def room(self, wanted: int) -> int:
        """How many of `wanted` jobs can be handed over now. Raises SweepError if none will ever run."""

    def submit(self, job: Job, folder: Path) -> int:
        """Hands one job over; returns the number of the worker that has it. Called at most `room` times in a row."""

    def wait(self, seconds: float, report: Callable[[str, Info], bool]) -> list[Ended]:
        """The attempts that ended, after at most about `seconds`. What runs say meanwhile goes to `report`.

        Its answer is True once the user asked to stop, for a backend that blocks in here and never hears `stop`.

        A job that was submitted ends exactly once, as LOST if its worker died.
        """

    def stop(self) -> None:
        """Asks everything that runs to stop at its next step boundary; does not wait. Nothing is submitted after it."""

    def close(self) -> None:
        """Ends at once whatever still runs and gives everything back. May be called twice."""
