"""What of our surroundings goes along with a submission: what the site has set, nothing of a job that we happen to run in.

sbatch hands its environment on to the job, where srun and submitit take the outer job's numbers for their own: a job then
reads another one's files, or is refused because two ways of asking for memory contradict each other. And what sbatch finds
in SBATCH_* goes before the lines of the script.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
OUTER = ("SLURM_", "SLURMD_", "SRUN_", "PMI_", "PMIX_", "SBATCH_MEM_BIND", "SBATCH_CPU_BIND")
DEVICES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "GPU_DEVICE_ORDINAL")
SITE = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_SACK_KEY", "SLURM_SACK_JWKS",
        "SLURM_TIME_FORMAT", "SLURM_HOME", "SLURM_ROOT")
SCRIPT = ("ARRAY_INX", "JOB_NAME", "OUTPUT", "ERROR", "OPEN_MODE", "SIGNAL", "TIMELIMIT", "REQUEUE", "NO_REQUEUE", "WAIT")
"""Options that each of our scripts states."""
ASKED = {"partition": ("PARTITION",), "account": ("ACCOUNT",), "constraint": ("CONSTRAINT",), "qos": ("QOS",),
         "memory": ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU"), "gpus": ("GPUS", "GPUS_PER_NODE", "GPUS_PER_TASK")}
"""Options that a script states where the key of `backend` is set, and leaves to the site otherwise."""
FILTERS = ("SQUEUE_", "SACCT_", "SCANCEL_")
"""The user's own habits with Slurm's commands, which would hide jobs from us or have scancel ask."""


def hidden(environment: Mapping[str, str], asked: Iterable[str]) -> set[str]:
    """The names in `environment` that a submission must not see. asked: the keys of `backend` that are set."""
    stated = {f"SBATCH_{word}" for word in (*SCRIPT, *(word for key in asked for word in ASKED.get(key, ())))}
    inside = "SLURM_JOB_ID" in environment or "SLURM_JOBID" in environment
    return {name for name in environment
            if name in LAUNCHER or name in stated or name.startswith("SUBMITIT_")
            or (inside and (name in DEVICES or (name.startswith(OUTER) and name not in SITE)))}


@contextmanager
def submission(asked: Iterable[str]) -> Iterator[None]:
    """Meanwhile this process has no other environment than a submission may see: submitit hands it on as it is."""
    away = {name: os.environ.pop(name) for name in hidden(os.environ, asked)}
    try:
        yield
    finally:
        os.environ.update(away)


def query() -> dict[str, str]:
    """The environment of Slurm's other commands."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FILTERS)}
