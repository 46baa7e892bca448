"""One controller per sweep, on any host that sees the folder: a lease in a file, because locks do not reach that far.

The holder renews `controller.json`; whoever sees it unchanged for the lease's length by his own clock takes it over.
Clocks of two hosts are never compared.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LENGTH = 30.0


class Lease:
    """The right to be the controller. Not reentrant, used from one thread."""

    def __init__(self, path: Path, length: float = LENGTH, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.length, self._clock = path, length, clock
        self.token = uuid.uuid4().hex
        self._seen: tuple[bytes, float] | None = None  # what another one wrote, and since when it is unchanged
        self._renewed = float("-inf")
        self._count = 0

    def acquire(self) -> bool:
        """Takes the lease if it is free, given back, or its holder is gone; ask again later otherwise. Does not wait."""
        now, found = self._clock(), self._read()
        if found is None:
            return self._create()
        if self._seen is None or self._seen[0] != found:
            self._seen = found, now
        if now - self._seen[1] < self.length and not _dead(found):
            return False
        aside = self.path.with_name(f"{self.path.name}.{self.token}")
        with suppress(OSError):
            os.rename(self.path, aside)  # of several that try, one succeeds
            taken = aside.read_bytes() == found
            if not taken:  # somebody else was quicker and this is his
                with suppress(OSError):
                    os.link(aside, self.path)
            aside.unlink()
            return taken and self._create()
        return False

    def renew(self) -> bool:
        """To be called often. False: somebody else has it (this process was stopped for long); do nothing any more."""
        now = self._clock()
        if now - self._renewed < self.length / 6:
            return True
        found = self._read()
        if found is None and now - self._renewed < self.length:
            return True  # a file system that falters: nobody may have taken it over yet, so the next pass looks again
        if _parsed(found or b"").get("token") != self.token:
            return False
        self._count += 1
        aside = self.path.with_name(f"{self.path.name}.{self.token}")
        with suppress(OSError):  # a full disk for a moment: the next pass tries again
            aside.write_bytes(self._content())
            os.replace(aside, self.path)
            self._renewed = now
        return True

    def release(self) -> None:
        """Gives it back if it is still ours."""
        if _parsed(self._read() or b"").get("token") == self.token:
            self.path.unlink(missing_ok=True)

    def holder(self) -> str:
        """Who has it, for people."""
        found = _parsed(self._read() or b"")
        return f"process {found.get('pid', '?')} on {found.get('host', '?')}"

    def _create(self) -> bool:
        """Creates the file with its content or not at all."""
        aside = self.path.with_name(f"{self.path.name}.{self.token}")
        try:
            aside.write_bytes(self._content())
            os.link(aside, self.path)
        except OSError:
            return False
        finally:
            aside.unlink(missing_ok=True)
        self._renewed = self._clock()
        return True

    def _content(self) -> bytes:
        return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "token": self.token, "count": self._count,
                           "renewed": time.time()}).encode()

    def _read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except OSError:
            return None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _dead(content: bytes) -> bool:
    """Whether the holder was a process of this host that is no more."""
    found = _parsed(content)
    if found.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(found["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, KeyError, ValueError, TypeError):
        return False
    return False
