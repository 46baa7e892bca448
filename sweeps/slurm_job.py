"""What runs inside a Slurm job: one attempt, in the surroundings that torch.distributed expects, then perhaps once more."""

from __future__ import annotations

import os
from pathlib import Path

from submitit.helpers import TorchDistributedEnvironment

from sweeps import slurm_queries as queries

CANCELLED = "cancelled"
"""The folder of handles that were cancelled by their controller."""


def task(execute: str, folder: str, number: int, batches: str, requeue: bool) -> None:
    """One task of a job executes attempt `number` of the run in `folder`.

    Several tasks (or nodes) are one run: RANK, WORLD_SIZE, MASTER_ADDR and their relatives are set for torch.distributed. A run
    that was told to save itself goes back into the queue if it may, so that it continues without a controller.
    """
    from sweeps.attempt import run_attempt

    if int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        TorchDistributedEnvironment().export(overwrite=True)
    outcome = run_attempt(execute, Path(folder), number)
    if outcome == "interrupted" and requeue and int(os.environ.get("SLURM_PROCID", "0")) == 0:
        _requeue(Path(batches))


def _requeue(batches: Path) -> None:
    """Back into the queue, unless it was the user who ended the run. Where a site forbids it the controller does the rest."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    handle = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    if not (batches / CANCELLED / handle).exists():
        try:
            queries.run("scontrol", "requeue", handle)
        except queries.Silent as error:
            print(f"not requeued, the controller will submit it again: {error}")
