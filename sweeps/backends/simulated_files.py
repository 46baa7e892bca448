"""The files of a sweep on the simulated cluster, in memory. They become visible late, and their writer can be killed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sweeps.backends.simulated import Cluster
from sweeps.backends.simulated_parts import Run
from sweeps.engine import Attempt, Line, Record
from sweeps.plan import Job, State


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
