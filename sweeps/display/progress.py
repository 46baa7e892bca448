"""What the person in front of the screen sees: a bar for the sweep, a line per running job; plain lines in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

from sweeps.display.tally import Tally
from sweeps.engine import Event
from sweeps.plan import Plan, duration

REFRESH = 0.5
LINES = 16
"""At most so many job lines on a terminal."""


class Display:
    """Shows a sweep on a stream. It is the `progress` of a run and a context manager:

        with Display(plan, states, workers) as display:
            run(plan, ..., progress=display)

    On a terminal: a bar with elapsed and remaining time, and a line per running job. Elsewhere one plain line about
    every `every` seconds. Failures are told as they happen. `states` are those of the run folders at the start,
    `saved` the shares in [0, 1] at which begun runs go on. `workers`: how many runs go on at a time; None where the
    cluster decides.
    """

    def __init__(self, plan: Plan, states: Mapping[str, str], workers: int | None, *, saved: Mapping[str, float] | None = None,
                 stream: TextIO | None = None, every: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        at_once = None if workers is None else max(1, workers)
        self._tally = Tally(plan, {id: state for id, state in states.items() if id in plan}, at_once, saved)
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
