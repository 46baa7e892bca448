"""One run, one writer: a run folder is written by one process at a time, whoever started it and on whatever host."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeps.engine import LENGTH, Lease, Report

LOCK_POLL = 0.2


@contextmanager
def sole_writer(folder: Path, report: Report, lease: bool = False, length: float = LENGTH) -> Iterator[bool]:
    """Holds the lock of a run folder; gives False if told to stop while another process held it.

    The other process is a second sweep that shares this run, or one whose controller was killed a moment ago and that
    is still saving its checkpoint. The lock ends with its process. `lease`: in addition a lease file, for file systems
    on which a lock does not reach other hosts, or where there are none; it lapses `length` seconds after its holder.
    """
    with (folder / ".lock").open("w", encoding="utf-8") as file:
        while not _locked(file.fileno()):
            if report({"stage": "waits for another process that executes this run"}):
                yield False
                return
            time.sleep(LOCK_POLL)
        if not lease:
            yield True
            return
        mine = Lease(folder / ".writer.json", length)
        while not mine.acquire():
            if report({"stage": f"waits for {mine.holder()}, which executes this run or has died a moment ago"}):
                yield False
                return
            time.sleep(min(LOCK_POLL, length / 6))
        over = threading.Event()
        thread = threading.Thread(target=_keep, args=(mine, over), name="lease", daemon=True)
        thread.start()
        try:
            yield True
        finally:
            over.set()
            thread.join()
            mine.release()


def _locked(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _keep(lease: Lease, over: threading.Event) -> None:
    while not over.wait(lease.length / 6) and lease.renew():
        pass
