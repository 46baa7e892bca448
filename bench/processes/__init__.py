"""Where a run executes: processes that share it, the device, its memory. Nothing that knows what is run."""

from bench.processes.dist import Pulse, Ranks

__all__ = ["Pulse", "Ranks"]
