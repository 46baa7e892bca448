"""Bytes: the peak of one training (a device's own on CUDA, the process's high-water mark on a CPU), and what is free."""

import math
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
INFO, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def restart(device: torch.device) -> None:
    """Let the peak begin again from what is in use now, where the system offers that (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        CLEAR.write_text("5", encoding="utf-8")  # a worker executes many runs: each has a peak of its own


def free(device: torch.device) -> float:
    """Bytes of a CUDA device that are not in use; of a CPU what the machine, or its container, can still give: infinity where
    that is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    known = [math.inf]
    with suppress(OSError, StopIteration):
        line = next(line for line in INFO.read_text(encoding="utf-8").splitlines() if line.startswith("MemAvailable:"))
        known.append(1024 * int(line.split()[1]))
    with suppress(OSError, ValueError):  # "max": no limit
        limit, used = (int((CONTAINER / name).read_text(encoding="utf-8")) for name in ("memory.max", "memory.current"))
        known.append(limit - used)
    return min(known)


def whole(device: torch.device) -> int:
    """Bytes that a CUDA device has, in use or not."""
    return torch.cuda.mem_get_info(device)[1]


def peak(device: torch.device) -> int:
    """Bytes since `restart`, or since the process began where that has no effect."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError, StopIteration):
        line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else 1024 * found
