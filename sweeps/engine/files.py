"""The files of one sweep, as the controller reads and writes them. Each has one writer.

    <out>/sweeps/<name>/attempts.jsonl      the controller's journal, append only
    <out>/sweeps/<name>/plan.json           its jobs, for commands that work from files alone
    <out>/sweeps/<name>/controller.json     who the controller is (`sweeps.engine.lease`)
    <out>/sweeps/<name>/requests/*.json     cancel and retry, one file per request (`sweeps.engine.requests`)
    <out>/runs/<id>/run.json                what the run has come to, by the run
    <out>/runs/<id>/attempts/NNNN.json      one attempt, by the job (`sweeps.backends.attempt`)
    <out>/runs/<id>/job.json, stop.json     what to execute and whether to stop, by the controller
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from results.records import write_bytes, write_json
from sweeps.engine.book import Line
from sweeps.engine.rules import Record
from sweeps.engine.seam import Attempt, SweepError
from sweeps.plan import Job, State, read_states, read_status

FIELDS = {field.name for field in dataclasses.fields(Record)}


class Files(Protocol):
    """What the controller asks of its files; the simulated cluster keeps them in memory."""

    def journal(self) -> Iterable[Line]:
        """All readable lines so far."""

    def append(self, lines: Sequence[Line]) -> None:
        """Adds lines to the journal; on disk when this returns."""

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        """What `run.json` of each job says; absent where it says nothing."""

    def status(self, id: str) -> State | None:
        """What `run.json` of one job says now."""

    def record(self, id: str, number: int, old: Record | None) -> Record | None:
        """What the job has written of an attempt; the very object `old` if it has written nothing since."""

    def plan(self, jobs: Iterable[Job]) -> None:
        """Writes what the plan is, for commands that work from files alone."""

    def prepare(self, attempt: Attempt) -> None:
        """Writes what the job must know before it is submitted."""

    def stop(self, id: str, tag: str, reason: str) -> None:
        """Asks the attempt with this tag, and no other one, to stop at its next step boundary."""

    def requests(self, known: set[str]) -> list[Line]:
        """New requests, oldest first: {"file", "verb": "cancel" or "retry", "runs": [] for all}."""


class Disk:
    """The real ones. `detached`: jobs read and outlive what is written here, so it is on disk before they exist."""

    def __init__(self, out: Path, name: str, detached: bool = True) -> None:
        self._detached = detached
        self.runs = out / "runs"
        self.folder = out / "sweeps" / name
        self.path = self.folder / "attempts.jsonl"
        self._versions: dict[str, tuple[int, int, int]] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("a+b")
        except OSError as error:
            raise SweepError(f"cannot write {self.path} ({error.strerror}): make it writable or choose another output "
                             "folder with out=FOLDER") from error
        self._torn = False

    def journal(self) -> list[Line]:
        """All readable lines. A torn last line of a killed predecessor is never joined to a new one; who only reads leaves it:
        it may be one that the controller is writing."""
        self.file.seek(0)
        lines = self.file.read().split(b"\n")
        self._torn = lines[-1] != b""
        return [line for text in lines if (line := _parsed(text)) is not None]

    def append(self, lines: Sequence[Line]) -> None:
        begin, self._torn = b"\n" if self._torn else b"", False
        try:
            self.file.write(begin + b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self.file.flush()
            if self._detached:
                os.fsync(self.file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        return read_states(self.runs.parent, ids)

    def status(self, id: str) -> State | None:
        return read_status(self.runs / id)

    def record(self, id: str, number: int, old: Record | None) -> Record | None:
        path = f"{self.runs}/{id}/attempts/{number:04d}.json"
        try:
            found = os.stat(path)
            changed = found.st_mtime_ns, found.st_ino, found.st_size  # the clock of a file system may tick in seconds
            if old is not None and self._versions.get(path) == changed:
                return old
            with open(path, encoding="utf-8") as file:
                record = read_record(json.load(file))
        except (OSError, ValueError, TypeError):
            return old  # not there yet, or not visible on this host for a moment
        self._versions[path] = changed
        return record

    def plan(self, jobs: Iterable[Job]) -> None:
        shown = [{"id": job.id, "label": job.label, "parents": list(job.parents), "cost": job.cost, "scoring": job.scoring}
                 for job in jobs]
        write_bytes(self.folder / "plan.json", json.dumps({"jobs": shown}).encode())

    def prepare(self, attempt: Attempt) -> None:
        """Without a sync: a job that finds it torn after a power failure is lost and submitted again."""
        if not self._detached:
            return
        aside = attempt.folder / ".job.json"
        try:
            attempt.folder.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps({"id": attempt.job.id, "attempt": attempt.number, "tag": attempt.tag,
                                         "parents": attempt.job.parents, "config": attempt.config}), encoding="utf-8")
            os.replace(aside, attempt.folder / "job.json")
        except OSError as error:
            raise _unwritable(aside.with_name("job.json"), error) from error

    def stop(self, id: str, tag: str, reason: str) -> None:
        write_json(self.runs / id / "stop.json", {"tag": tag, "reason": reason})

    def requests(self, known: set[str]) -> list[Line]:
        try:
            names = sorted(set(os.listdir(self.folder / "requests")) - known)
        except OSError:
            return []
        found = [(name, _parsed(_read(self.folder / "requests" / name))) for name in names if name.endswith(".json")]
        return [{"file": name, **line} for name, line in found if line is not None]

    def close(self) -> None:
        with suppress(OSError):  # what could not be written was told when it was written
            self.file.close()


def read_record(data: dict[str, Any]) -> Record:
    """A record from its file's content; fields of a newer version are passed over."""
    return Record(**{key: value for key, value in data.items() if key in FIELDS})


def _unwritable(path: Path, error: OSError) -> SweepError:
    return SweepError(f"cannot write {path} ({error.strerror}): make room or make it writable, then give the same command "
                      "again; nothing that has ended is lost")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parsed(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
