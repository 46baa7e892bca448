"""The controller's own record: one line per attempt of a job, kept because a killed run cannot write its own end."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sweeps.backend import Ended, SweepError


class Journal:
    """`attempts.jsonl` of one sweep, append only, locked while a controller has it: one sweep, one controller.

    A torn line of a killed predecessor is left as it is and never joined to a new one. Raises SweepError if the file
    cannot be written or another controller holds it. The lock ends with the process, however that ends.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise SweepError(f"cannot write {path} ({error.strerror}): make it writable or choose another output "
                             "folder with out=FOLDER") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise SweepError(f"this sweep is already running: another process holds {path}. Wait for it or end it, "
                             "then run the same command again") from error
        except OSError:
            pass  # a file system without locks: nothing to hold on to
        self._count = Counter(self._jobs())

    def add(self, ended: Ended) -> None:
        """Writes one attempt; attempts are numbered over all invocations."""
        self._count[ended.job] += 1
        line = {"job": ended.job, "attempt": self._count[ended.job], "outcome": str(ended.outcome),
                "reason": ended.reason, "seconds": round(ended.seconds, 3),
                "time": datetime.now(UTC).isoformat(timespec="seconds")}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def _jobs(self) -> list[str]:
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        if lines[-1]:
            self._file.seek(0, os.SEEK_END)
            self._file.write(b"\n")
        return [job for line in lines if (job := _job(line)) is not None]

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._file.close()


def _job(line: bytes) -> str | None:
    try:
        return str(json.loads(line)["job"])
    except (ValueError, KeyError, TypeError):
        return None
