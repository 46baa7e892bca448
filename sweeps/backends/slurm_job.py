"""What runs inside a Slurm job: one attempt, in the surroundings that torch.distributed expects, then perhaps once more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from submitit.helpers import TorchDistributedEnvironment

from results.records import read_json, write_json
from sweeps.backends import slurm_queries as queries
from sweeps.backends.attempt import YIELDED, run_attempt

CANCELLED = "cancelled"
"""The folder of handles that were cancelled by their controller."""


def task(execute: str, folder: str, number: int, batches: str, requeue: bool) -> None:
    """One task of a job executes attempt `number` of the run in `folder`. Exits with 1 if the run failed.

    Several tasks (or nodes) are one run: RANK, WORLD_SIZE, MASTER_ADDR and their relatives are set for torch.distributed. A
    run that a signal has stopped goes back into the queue if it may, so that it continues without a controller.
    """
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        TorchDistributedEnvironment().export(overwrite=True)
    if leads := int(os.environ.get("SLURM_PROCID", "0")) == 0:
        _keep(Path(folder) / "attempts" / f"{number:04d}.json", int(os.environ.get("SLURM_RESTART_COUNT", "0")))
    status = run_attempt(execute, Path(folder), number)
    if status == YIELDED:
        if requeue and leads and _is_wanted(Path(folder), number):
            _requeue(Path(batches))
    elif status:
        sys.exit(status)


def _keep(record: Path, restarts: int) -> None:
    """What this attempt wrote before Slurm started it again goes beside it, as NNNN-1.json after the first time."""
    if restarts and record.exists():
        written = read_json(record)
        ended = {"outcome": written["outcome"] or "lost",
                 "reason": written["reason"] or "it ended without a word and Slurm started it again"}
        write_json(record.with_name(f"{record.stem}-{restarts}.json"), {**written, **ended})


def _is_wanted(folder: Path, number: int) -> bool:
    """Whether the run shall go on as this attempt: it is still the run's newest, and a signal of Slurm's has stopped it.

    SIGUSR2 comes before a time limit or a preemption; SIGTERM from who cancels a job and does not want it back.
    """
    job = read_json(folder / "job.json")
    record = read_json(folder / "attempts" / f"{number:04d}.json")
    return bool(job["attempt"] == number and record["reason"].startswith("SIGUSR2"))


def _requeue(batches: Path) -> None:
    """Back into the queue, unless it was the user who ended the run. Where a site forbids it the controller does the rest."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    handle = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    if not (batches / CANCELLED / handle).exists():
        try:
            queries.run("scontrol", "requeue", handle)
        except queries.Silent as error:
            print(f"not requeued, the controller will submit it again: {error}")
