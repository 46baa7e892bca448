"""The seconds of a training, over restarts and without what is done beside it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Counts from `start` on; `seconds` is as of the last lap, on top of what a run that continues has spent before."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.start()

    def start(self) -> None:
        """Count from now on: the time since the last lap is no training's."""
        self._since = time.monotonic()

    def lap(self) -> None:
        """Add the time since the last lap."""
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now

    @contextmanager
    def off(self) -> Iterator[None]:
        """What is done inside the block is not counted."""
        self.lap()
        yield
        self.start()
