"""The backend without processes: one run at a time, in this one. For single runs, debuggers and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sweeps.backends.recorder import Recorder
from sweeps.backends.worker import record
from sweeps.engine import Attempt, Execute, Info, Outcome, Progress, Refused, Rules, Seen, Smaller, Source, Where, reconcile
from sweeps.plan import Plan


class Inline:
    """Executes each job inside `submit`. A crash of the process is a crash of the sweep; all else is as with workers."""

    attached = True
    interval = 0.0

    def __init__(self, function: Execute) -> None:
        self._function = function
        self._report: Callable[[str, Info], bool] = lambda id, info: False
        self._next: Attempt | None = None
        self._stopping = False

    def connect(self, report: Callable[[str, Info], bool]) -> None:
        self._report = report

    def room(self, wanted: int) -> int:
        return 1 if wanted and self._next is None else 0

    def submit(self, attempts: Sequence[Attempt]) -> list[str | Refused | None]:
        (self._next,) = attempts
        return [self._next.tag]

    def poll(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        """Whatever was submitted has ended by the time anybody asks."""
        if self._next is not None and not self._stopping:
            each, self._next = self._next, None
            recorder = Recorder(each.folder, each.number, each.tag, each.tag)
            record(recorder, self._function, each.config, each.folder, lambda info: self._report(each.job.id, info))
        self._next = None
        return {handle: Seen(Where.GONE, reason="stopped before it started") for handle in handles}

    def cancel(self, handles: Sequence[str], now: bool = False) -> None:
        self._stopping = True

    def logs(self, handle: str) -> Path | None:
        return None

    def find(self, tags: Sequence[str]) -> Mapping[str, str]:
        return {}

    def wait(self, seconds: float) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        self._next = None


def run_inline(plan: Plan, function: Execute, out: Path, progress: Progress | None = None, max_attempts: int = 2, *,
               name: str = "default", source: Source | None = None, smaller: Smaller | None = None) -> Outcome:
    """`local.run` without processes: same order, same files, same outcome. Give `function` itself, not its name."""
    return reconcile(plan, Inline(function), Path(out).resolve(), name, progress, Rules(attempts=max_attempts), source=source,
                     smaller=smaller)
