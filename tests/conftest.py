"""Fixtures of the whole suite."""

from fixtures import postgres, slurm, slurm_without_accounting

__all__ = ["postgres", "slurm", "slurm_without_accounting"]
