"""progress.jsonl: what a run's folder tells of a training while it goes on."""

from dataclasses import dataclass
from pathlib import Path

from bench.accounts.progress import Progress
from bench.accounts.stopwatch import Stopwatch
from results.records import append_jsonl, read_jsonl

FILE = "progress.jsonl"


@dataclass(frozen=True)
class Log:
    """The file in one run's folder, None for a run that keeps nothing. With `writes` False another rank writes it."""

    folder: Path | None
    writes: bool
    progress: Progress
    watch: Stopwatch

    def note(self, **what: object) -> None:
        """Append a line of this step."""
        if self.folder is not None and self.writes:
            row = {"step": self.progress.step, "seconds": round(self.watch.seconds, 3), **what}
            append_jsonl(self.folder / FILE, [row], sync=False)

    def seconds(self) -> float:
        """Of training up to this step, as the lines tell."""
        lines = read_jsonl(self.folder / FILE) if self.folder is not None else []
        told = ((line.get("step"), line.get("seconds")) for line in lines)
        return max((float(seconds) for step, seconds in told if isinstance(step, int) and isinstance(seconds, int | float)
                    and step <= self.progress.step), default=0.0)
