"""What a job writes about one of its attempts, while it runs and when it ends: `<folder>/attempts/NNNN.json`."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeps.engine import Info, Kind, Record
from sweeps.plan import State

EVERY = 2.0
"""Seconds between two writes while a run makes progress."""
STOP_EVERY = 0.5


class Recorder:
    """The one writer of one attempt's file. It also reads the one file that is written for it: the request to stop."""

    def __init__(self, folder: Path, number: int, tag: str, handle: str = "", node: str = "") -> None:
        self.path = folder / "attempts" / f"{number:04d}.json"
        self._stop = folder / "stop.json"
        self._lock = threading.Lock()
        self._due = self._look = 0.0
        self.stopped = ""  # why the controller wants it to stop
        self.record = Record(tag=tag, handle=handle, node=node or socket.gethostname(), started=time.time())

    def start(self) -> None:
        """Writes that the attempt has begun; an attempt that the scheduler requeued begins again. A folder that cannot be
        written is the run's to tell of."""
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write(beat=time.time_ns())

    def hear(self, info: Info) -> bool:
        """Takes in a report of the run; True once the controller wants this attempt to stop."""
        now = time.monotonic()
        images = int(info.get("images", self.record.images))
        began = images if self.record.began < 0 and "images" in info else self.record.began
        since = self.record.since or (time.time() if began >= 0 else 0.0)
        told: dict[str, Any] = {
            "images": images, "began": began, "since": since, "budget": int(info.get("budget", self.record.budget)),
            "stage": str(info.get("stage", self.record.stage)), "scored": float(info.get("scored", self.record.scored)),
        }  # fmt: skip
        new = told["stage"] != self.record.stage or began != self.record.began
        self.record = dataclasses.replace(self.record, **told)
        if now >= self._due or new:
            self._due = now + EVERY
            self._write(beat=time.time_ns())
        if now >= self._look and not self.stopped:
            self._look = now + STOP_EVERY
            self.stopped = self._asked()
        return bool(self.stopped)

    def beat(self) -> None:
        """A sign of life from another thread, for a run that has nothing to report for long."""
        self._write(beat=time.time_ns())

    def finish(self, outcome: State, reason: str, kind: Kind | None) -> None:
        """The last word."""
        self._write(ended=time.time(), outcome=str(outcome), reason=self.stopped or reason, kind=str(kind or ""),
                    beat=time.time_ns())

    def _write(self, **changes: Any) -> None:
        with self._lock:
            if self.record.ended:
                return
            self.record = dataclasses.replace(self.record, **changes)
            aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            with suppress(OSError):  # a full disk must not end a run that does not need it now
                aside.write_text(json.dumps({**dataclasses.asdict(self.record), "pid": os.getpid(),
                                             "host": socket.gethostname()}), encoding="utf-8")
                os.replace(aside, self.path)

    def _asked(self) -> str:
        try:
            found = json.loads(self._stop.read_text(encoding="utf-8"))
            return str(found["reason"] or "stopped on request") if found["tag"] == self.record.tag else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""
