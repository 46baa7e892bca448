"""What executes jobs behind the engine's seam: this process, workers, Slurm, a simulated cluster. No decision about a
plan."""

from sweeps.backends.slurm import Site, Slurm
from sweeps.backends.writer import sole_writer

__all__ = ["Site", "Slurm", "sole_writer"]
