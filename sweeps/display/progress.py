"""What the person in front of the screen sees: a bar for the sweep, a line per running job; plain lines in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

from sweeps.engine import Ended, Event, Grown, Held, Info, Reported, Started, Stopping
from sweeps.plan import FINAL, Job, Plan, State, at_start, count, decide, duration

REFRESH = 0.5
SETTLED = FINAL | {State.FAILED, State.DEAD, State.PRUNED, State.CANCELLED}
ALMOST = 0.994
LEAST = 0.002
"""The share of a sweep that must have been gained before the rest is estimated from it."""
LINES = 16
"""At most so many job lines on a terminal."""


@dataclass
class Active:
    """A running job: where it is, and since when it has told."""

    job: Job
    worker: int
    stage: str = "starts"
    images: int = 0
    budget: int = 0
    first: tuple[float, int] | None = None  # the clock and the images of this stage's first report
    rate: float = 0.0
    saved: float = 0.0  # the share that a next start would begin with
    behind: float = 0.0  # the share that is done, which never falls: a stage may count other images
    resumed: float = 0.0  # how much of it was done before this start, beyond what was known to be saved
    told: bool = False
    scored: bool = False

    def __post_init__(self) -> None:
        self.behind = self.saved

    def hear(self, info: Info, now: float) -> None:
        """Takes in what the run reported; a value that it did not name keeps."""
        stage = str(info.get("stage", self.stage))
        if stage != self.stage:
            self.stage, self.first = stage, None
        self.images = int(info.get("images", self.images))
        self.budget = int(info.get("budget", self.budget))
        before, first = self.behind, bool(self.budget and not self.told) or ("scored" in info and not self.scored)
        self.behind = max(before, self._share(info))
        if first:  # what it resumed from, in its training or in its scoring
            self.saved, self.resumed = self.behind, self.resumed + self.behind - before
        self.told, self.scored = self.told or self.budget > 0, self.scored or "scored" in info
        if self.first is None:
            self.first, self.rate = (now, self.images), 0.0
        elif now > self.first[0]:
            self.rate = (self.images - self.first[1]) / (now - self.first[0])

    def fraction(self) -> float:
        """How much of the run is behind it, in [0, 1]."""
        return self.behind

    def _share(self, info: Info) -> float:
        """By the last report: of the training by its images, of the scoring by what the run says."""
        trained = min(1.0, max(0.0, self.images / self.budget)) if self.budget > 0 else 0.0
        if not self.job.whole:
            return trained
        return (trained * self.job.cost + float(info.get("scored", 0.0)) * self.job.scoring) / self.job.whole

    def text(self) -> str:
        seed = self.job.seed
        words = [self.job.label if seed is None else f"{self.job.label} seed {seed}", self.stage]
        if self.budget:
            words.append(f"{self.images:,}/{self.budget:,} images")
        if self.rate > 0:
            words.append(f"{self.rate:,.0f}/s")
        return "  ".join(words)


class Tally:
    """The arithmetic of the display: which cost is settled, what runs, how it went. Knows no screen."""

    def __init__(self, plan: Plan, states: Mapping[str, str], workers: int, saved: Mapping[str, float] | None = None) -> None:
        self.plan = plan
        self.workers = workers
        # Of runs that wait: the share at which they go on, of which their scoring has none that is known.
        self._saved = {id: share * plan[id].cost / (plan[id].whole or 1.0) for id, share in (saved or {}).items()}
        self.active: dict[str, Active] = {}
        self._resumed = 0.0  # cost that runs which have ended found done when they began
        self._held = ""  # the words of a queue that takes no more
        self._states: dict[str, State] = at_start(states)
        self._count()

    def take(self, event: Event, now: float) -> str | None:
        """Takes in one event; returns a line worth keeping on the screen, if it makes one."""
        match event:
            case Grown(jobs, states):
                self.plan = Plan([*self.plan, *jobs])
                self._states |= {id: state for id, state in states.items() if state in SETTLED}
                self._count()
            case Started(id, worker):
                self.active[id] = Active(self.plan[id], worker, saved=self._saved.pop(id, 0.0))
            case Held(waiting, said) if said != self._held:
                self._held = said
                return f"the queue takes no more for now, {count(waiting, 'run')} wait and are offered again: {said}"
            case Stopping(grace):
                return (f"stopping: runs save what they have, for at most {duration(grace)}; a second signal (Ctrl-C) ends "
                        "them at once")
            case Reported(id, info) if id in self.active:
                self.active[id].hear(info, now)
            case Ended(id, outcome, reason, _):
                left = self.active.pop(id, None)
                if left:
                    self._resumed += left.resumed * left.job.whole
                if left and outcome not in SETTLED:  # a graceful end saves all
                    graceful = outcome in (State.YIELDED, State.INTERRUPTED)
                    self._saved[id] = left.fraction() if graceful else left.saved
                self._states[id] = outcome
                self._count()
                if outcome in (State.FAILED, State.LOST, State.DIVERGED):
                    return f"{id} {outcome}" + (f": {reason}" if reason else "")
        return None

    def fraction(self) -> float:
        """Settled, running and saved cost over the whole, in [0, 1]; 1 at the end alone, which no rounding says before."""
        if self._over and not self.active:
            return 1.0
        running = sum(each.fraction() * each.job.whole for each in self.active.values())
        waiting = sum(share * self.plan[id].whole for id, share in self._saved.items() if self._states.get(id) not in SETTLED)
        return min(ALMOST, (self._settled + running + waiting) / self._total) if self._total else 0.0

    def left(self, gained: float, passed: float) -> float | None:
        """Seconds until the end, where a share `gained` of the whole took `passed` seconds; None where that is too little
        to tell by. What runs found done when they began was gained by an earlier command."""
        resumed = self._resumed + sum(each.resumed * each.job.whole for each in self.active.values())
        gained -= resumed / self._total if self._total else 0.0
        return passed * (1 - self.fraction()) / gained if gained >= LEAST else None

    def headline(self) -> str:
        """18 runs, 2 workers, 7 done, 1 failed."""
        ends = [f"{self._counts.get(word, 0)} {word}" for word in ("done", "diverged", "pruned", "failed", "skipped")
                if word == "done" or self._counts.get(word)]
        return ", ".join([count(len(self.plan), "run"), count(self.workers, "worker"), *ends])

    def _count(self) -> None:
        # A lost run is tried again, or becomes failed at the end: it does not count as settled here.
        skipped = decide(self.plan, self._states).skipped
        ended = {id: state for id, state in self._states.items() if state in SETTLED}
        self._counts = Counter([*map(str, ended.values()), *("skipped" for _ in skipped)])
        self._over = len(ended) + len(skipped) == len(self.plan)
        self._total = sum(job.whole for job in self.plan)
        self._settled = sum(self.plan[id].whole for id in [*ended, *skipped])


class Display:
    """Shows a sweep on a stream. It is the `progress` of a run and a context manager:

        with Display(plan, states, workers) as display:
            run(plan, ..., progress=display)

    On a terminal: a bar with elapsed and remaining time, and a line per running job. Elsewhere one plain line about
    every `every` seconds. Failures are told as they happen. `states` are those of the run folders at the start,
    `saved` the shares in [0, 1] at which begun runs go on.
    """

    def __init__(self, plan: Plan, states: Mapping[str, str], workers: int, *, saved: Mapping[str, float] | None = None,
                 stream: TextIO | None = None, every: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._tally = Tally(plan, {id: state for id, state in states.items() if id in plan}, max(1, workers), saved)
        terminal = self._stream.isatty()
        view = _Bars if terminal else _Lines
        self._view: _Bars | _Lines = view(self._stream, self._tally, clock())
        self._every = REFRESH if terminal else every
        self._due = clock()

    def __call__(self, event: Event) -> None:
        now = self._clock()
        if told := self._tally.take(event, now):
            self._view.tell(told)
        if now >= self._due:
            self._due = now + self._every
            self._view.show(now)

    def close(self) -> None:
        """The last state, then nothing more is drawn."""
        self._view.show(self._clock())
        self._view.close()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _clock(seconds: float) -> str:
    """01:50 or 5:02:10; in words from a day on."""
    return str(tqdm.format_interval(seconds)) if seconds < 86400 else duration(seconds)


def _left(tally: Tally, gained: float, passed: float) -> str:
    return "?" if (left := tally.left(gained, passed)) is None else _clock(left)


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar whose time left is the tally's, in words where a clock would not tell it."""

    def __init__(self, tally: Tally, **settings: Any) -> None:
        self._tally = tally
        super().__init__(**settings)

    @property
    def format_dict(self) -> dict[str, Any]:
        found = dict(super().format_dict)
        return found | {"left": _left(self._tally, found["n"] - found["initial"], found["elapsed"])}


class _Bars:
    """A terminal: tqdm draws, the text is ours."""

    def __init__(self, stream: TextIO, tally: Tally, now: float) -> None:
        self._stream = stream
        self._tally = tally
        shape = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{left}"
        start = tally.fraction()
        self._bar = _Bar(tally, total=1.0, initial=start, file=stream, bar_format=shape, dynamic_ncols=True, position=0,
                         desc=tally.headline())
        self._lines: list[Any] = []

    def tell(self, text: str) -> None:
        tqdm.write(text, file=self._stream)

    def show(self, now: float) -> None:
        width = shutil.get_terminal_size().columns - 1
        texts = [each.text() for each in sorted(self._tally.active.values(), key=lambda each: each.worker)][:LINES]
        while len(self._lines) < len(texts):
            self._lines.append(tqdm(file=self._stream, bar_format="{desc}", position=len(self._lines) + 1, leave=False))
        for line, text in zip(self._lines, texts + [""] * (len(self._lines) - len(texts)), strict=True):
            line.set_description_str(f"  {text}"[:width])
        self._bar.n = self._tally.fraction()
        self._bar.set_description_str(self._tally.headline())

    def close(self) -> None:
        for line in self._lines:
            line.close()
        self._bar.close()


class _Lines:
    """A file or a pipe: whole lines only."""

    def __init__(self, stream: TextIO, tally: Tally, now: float) -> None:
        self._stream = stream
        self._tally = tally
        self._since = now
        self._start = tally.fraction()

    def tell(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def show(self, now: float) -> None:
        elapsed, fraction = now - self._since, self._tally.fraction()
        left = _left(self._tally, fraction - self._start, elapsed)
        head = f"{self._tally.headline()}  {fraction:4.0%}  {_clock(elapsed)}<{left}"
        self.tell(" | ".join([head, *(each.text() for each in self._tally.active.values())]))

    def close(self) -> None:
        pass
