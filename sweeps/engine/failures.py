"""From an exception to the kind of failure that decides what happens next. Names and messages only: no torch here."""

from __future__ import annotations

from sweeps.engine.seam import Kind

# What drivers, networks and allocators say inside a plain RuntimeError.
MEMORY = ("out of memory", "cannot allocate memory", "can't allocate memory", "cublas_status_alloc_failed")
MEMORY_TYPES = {"OutOfMemoryError", "MemoryError"}
BROKEN = ("cuda error", "cuda driver error", "cudnn error", "cudnn_status", "cublas_status", "nccl", "ecc error",
          "no cuda gpus are available", "device-side assert", "connection reset", "connection refused",
          "connection closed by peer", "broken pipe", "stale file handle", "input/output error")
BROKEN_TYPES = {"OSError", "DistBackendError", "DistNetworkError", "DistStoreError", "StoreError", "EOFError"}
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
