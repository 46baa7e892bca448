"""How many attempts a queue is offered at a time: as many as there are, until it refuses.

A site may bound what a user has queued and running (MaxSubmitJobs, MaxJobCount, a limit of arrays), and refuses what would go
beyond as a whole. Nobody says where the bound is, so it is found: half after a refusal, twice as many after a success.
"""

from __future__ import annotations

FIRST, LONGEST = 5.0, 300.0
"""Seconds until a queue that has refused a single attempt is asked again: twice as long each time, and at once when a job
has ended."""


class Offer:
    """The policy of one controller. `said`: the words of the last refusal, empty as long as there was none."""

    def __init__(self) -> None:
        self.said = ""
        self._size: int | None = None
        self._pause = self._due = 0.0

    @property
    def limited(self) -> bool:
        """Whether the queue has refused something."""
        return self._size is not None

    def most(self, wanted: int, now: float) -> int:
        """How many of `wanted` to offer now."""
        if now < self._due:
            return 0
        return wanted if self._size is None else min(wanted, self._size)

    def taken(self, count: int) -> None:
        """The queue has taken so many (>= 1)."""
        self._pause = 0.0
        if self._size is not None:
            self._size = 2 * count

    def refused(self, count: int, said: str, now: float) -> None:
        """The queue has refused so many (>= 1)."""
        self.said, self._size = said, max(1, count // 2)
        if count == 1:
            self._pause = min(2 * self._pause or FIRST, LONGEST)
            self._due = now + self._pause

    def freed(self) -> None:
        """A job has ended: there may be room."""
        self._due = 0.0
