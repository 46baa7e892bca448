"""Where a run executes: processes that share it, the device, its memory, threads that read ahead. Nothing that
knows what is run."""

from bench.processes.ahead import Ahead, Place
from bench.processes.dist import Pulse, Ranks

__all__ = ["Ahead", "Place", "Pulse", "Ranks"]
