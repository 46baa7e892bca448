"""What a controller knows of its sweep: a fold over the lines of its journal, so that a restarted one knows the same.

Lines (`event`): begin, end (of a round), intent, submitted, void, ended (attempts), state (a job's state without an
attempt), stopping, mark. A line without `event` is an ended attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeps.engine.rules import Past
from sweeps.engine.seam import Kind
from sweeps.plan import State

Line = dict[str, Any]
NUMBER = int | float
TYPES: Mapping[str, Any] = {
    "job": str, "attempt": int, "time": NUMBER, "outcome": str, "state": str, "tag": str, "reason": str, "file": str,
    "shrink": int, "reached": NUMBER, "seconds": NUMBER,
}  # fmt: skip


def sound(line: Mapping[str, Any]) -> bool:
    """Whether what a line of a journal says is of its type: a disk may have changed it, and it still reads."""
    return all(isinstance(line[name], kind) for name, kind in TYPES.items() if name in line)


@dataclass(slots=True)
class Open:
    """An attempt that is not over: `handle` is None between the intent and the scheduler's answer."""

    number: int
    tag: str
    since: float
    shrink: int = 0
    handle: str | None = None
    stopping: State | None = None
    why: str = ""


@dataclass(slots=True)
class Entry:
    """One job. `past`: the ends of its attempts in this round; `number`: the last one used, over all rounds."""

    state: State = State.TODO
    reason: str = ""
    number: int = 0
    past: list[Past] = field(default_factory=list)
    open: Open | None = None


@dataclass
class Book:
    """The state of a sweep as the journal tells it."""

    jobs: dict[str, Entry] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)  # bad ends in a row
    marks: set[str] = field(default_factory=set)  # requests that have been taken in
    over: bool = False  # the last round came to its end

    @classmethod
    def read(cls, lines: Iterable[Mapping[str, Any]]) -> Book:
        """The book after all lines; one that makes no sense is passed over (a torn or foreign line)."""
        book = cls()
        for line in filter(sound, lines):
            try:
                book.apply(line)
            except (KeyError, ValueError, TypeError):
                continue
        return book

    def entry(self, id: str) -> Entry:
        if id not in self.jobs:
            self.jobs[id] = Entry()
        return self.jobs[id]

    def apply(self, line: Mapping[str, Any]) -> None:
        """Takes in one line."""
        match line.get("event", "ended"):
            case "intent":
                entry = self.entry(line["job"])
                entry.number = max(entry.number, line["attempt"])
                entry.open = Open(line["attempt"], line["tag"], line["time"], line.get("shrink", 0))
                entry.state = State.QUEUED
            case "submitted":
                if open := self.entry(line["job"]).open:
                    open.handle = line["handle"]
            case "void":
                entry = self.entry(line["job"])
                entry.open, entry.state, entry.reason = None, State.TODO, line.get("reason", entry.reason)
            case "stopping":
                if open := self.entry(line["job"]).open:
                    open.stopping, open.why = State(line["state"]), line["reason"]
            case "ended":
                self._ended(line)
            case "state":
                entry = self.entry(line["job"])
                entry.state, entry.reason = State(line["state"]), line["reason"]
                if entry.state == State.TODO:
                    entry.past = []
            case "mark":
                self.marks.add(line["file"])
            case "begin":
                self._begin(line.get("fresh", True))
            case "end":
                self.over = True

    def _begin(self, fresh: bool) -> None:
        """A new round after one that has ended gives what failed another chance; results and cancelled jobs stay."""
        if fresh or self.over:
            for entry in self.jobs.values():
                if entry.open is None:
                    entry.past = []
                    if entry.state in (State.FAILED, State.DEAD):
                        entry.state = State.TODO
        self.over = False

    def _ended(self, line: Mapping[str, Any]) -> None:
        entry = self.entry(line["job"])
        outcome = State(line["outcome"])
        kind = Kind(line["kind"]) if line.get("kind") else None
        shrink, node = entry.open.shrink if entry.open else 0, line.get("node", "")
        entry.number = max(entry.number, line["attempt"])
        if outcome != State.INTERRUPTED:  # the user's own doing is no attempt
            entry.past.append(Past(outcome, kind, line["reason"], node, line.get("reached", 0), shrink))
        entry.open, entry.state, entry.reason = None, State(line.get("then", State.TODO)), line.get("why", line["reason"])
        if node and outcome == State.DONE:
            self.nodes.pop(node, None)
        elif node and kind in (Kind.INFRASTRUCTURE, Kind.VANISHED):
            self.nodes[node] = self.nodes.get(node, 0) + 1
