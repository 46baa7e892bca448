"""An experiment of several processes that only counts them."""

import json
import os
from pathlib import Path


def execute(config, folder, report):
    """Every rank writes what the sum over the ranks of 1, and of its number, is."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    total = torch.tensor([1.0, float(dist.get_rank())])
    dist.all_reduce(total)
    rank = {"total": total.tolist(), "node": os.environ["SLURMD_NODENAME"], "local": os.environ["LOCAL_RANK"]}
    Path(folder, f"rank-{dist.get_rank()}.json").write_text(json.dumps(rank))
    dist.destroy_process_group()
    return "done"


def where():
    """What a task of a submitit job knows of its place: the job's hosts, its node, its rank."""
    import submitit

    environment = submitit.JobEnvironment()
    return environment.hostnames, os.environ["SLURMD_NODENAME"], environment.global_rank
