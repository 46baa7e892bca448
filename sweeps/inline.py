"""The backend without processes: one run at a time, in this one. For single runs, debuggers and tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sweeps.backend import Ended, Execute, Info, Progress
from sweeps.engine import Outcome, reconcile
from sweeps.plan import Job, Plan
from sweeps.worker import perform


class Inline:
    """Executes each job inside `wait`. A crash of the process is a crash of the sweep; all else is as with workers."""

    def __init__(self, function: Execute) -> None:
        self._function = function
        self._next: tuple[Job, Path] | None = None

    def room(self, wanted: int) -> int:
        return 1 if wanted and self._next is None else 0

    def submit(self, job: Job, folder: Path) -> int:
        self._next = job, folder
        return 0

    def wait(self, seconds: float, report: Callable[[str, Info], bool]) -> list[Ended]:
        if self._next is None:
            return []
        (job, folder), self._next = self._next, None
        since = time.monotonic()
        outcome, reason = perform(self._function, job.config, folder, lambda info: report(job.id, info))
        return [Ended(job.id, outcome, reason, time.monotonic() - since)]

    def stop(self) -> None:
        """Nothing runs between two calls, and a run in progress learns it from its report."""

    def close(self) -> None:
        self._next = None


def run_inline(plan: Plan, function: Execute, out: Path, progress: Progress | None = None, max_attempts: int = 2, *,
               name: str = "default") -> Outcome:
    """`local.run` without processes: same order, same files, same outcome. Give `function` itself, not its name."""
    return reconcile(plan, Inline(function), Path(out).resolve(), name, progress, max_attempts)
