"""What an attempt died of: the kind of an exception, which decides what happens next, and the last words of a job that left
no other. Names and messages only: no torch here."""

from __future__ import annotations

import re
from pathlib import Path

from sweeps.engine.seam import Kind

# What drivers, networks and allocators say inside a plain RuntimeError.
MEMORY = ("out of memory", "cannot allocate memory", "can't allocate memory", "cublas_status_alloc_failed")
MEMORY_TYPES = {"OutOfMemoryError", "MemoryError"}
BROKEN = ("cuda error", "cuda driver error", "cudnn error", "cudnn_status", "cublas_status", "nccl", "ecc error",
          "no cuda gpus are available", "device-side assert", "connection reset", "connection refused",
          "connection closed by peer", "broken pipe", "stale file handle", "input/output error")
BROKEN_TYPES = {"OSError", "DistBackendError", "DistNetworkError", "DistStoreError", "StoreError", "EOFError"}
TELLING = re.compile(r"error|exception|fatal|killed|denied|not found|no such|cannot|failed|fault", re.IGNORECASE)
ECHO = re.compile(r"^srun: (error: \S+: tasks? \S+: Exited|Terminating|Job step aborted)|^slurmstepd: error: \*\*\* STEP")
"""What Slurm says after any end of a task."""
TAIL, WORDS = 16_384, 300
"""How much of a log is read, in bytes, and shown, in characters."""
CONFIG_TYPES = {"ConfigError", "RecordError", "SpecError", "PlanError", "SweepError"}


def classify(error: BaseException) -> Kind:
    """The kind of an exception, by the names of its classes first and by its message where that says more.

    Out of memory is told from other device errors, because a smaller micro-batch helps against it. An OSError counts as
    infrastructure even if it says that a file is not there: on a cluster a mount may be missing on one node.
    """
    names = {base.__name__ for base in type(error).__mro__}
    text = str(error).lower()
    if names & CONFIG_TYPES:
        return Kind.CONFIG
    if names & MEMORY_TYPES or any(words in text for words in MEMORY):
        return Kind.MEMORY
    if names & BROKEN_TYPES or ("RuntimeError" in names and any(words in text for words in BROKEN)):
        return Kind.INFRASTRUCTURE
    return Kind.ERROR


def last_words(log: Path) -> str:
    """The last two lines of a job's log that tell of an error, else its last line; one line, empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        return ""
    own = [line for line in lines if not ECHO.search(line)] or lines
    telling = [line for line in own if TELLING.search(line)][-2:] or own[-1:]
    return "; ".join(telling)[-WORDS:]
