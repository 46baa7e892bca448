"""Whole runs of a small benchmark: planned as the command line plans them, executed in order, compared by their files."""

from pathlib import Path
from typing import Any

from bench.config import request
from bench.job import execute
from bench.planning.jobs import jobs
from bench.training import checkpoint
from results.records import EvalRow, RunRecord, read_jsonl, read_rows, read_run

SMALL = ["sweep=none", "seed=0", "budget.images=51200", "backbone.width=64", "backbone.depth=2", "evaluation.seeds=[0]",
         "evaluation.steps=[1,4]", "evaluation.count=128", "train.logs=25"]
KNOBS = {"progressive": ["method.start=4"]}


def planned(method: str, *more: str) -> list[Any]:
    return jobs(request([*SMALL, f"method={method}", *KNOBS.get(method, []), *more]).experiments)


def run(out: Path, made: list[Any], stop_after: int | None = None) -> str:
    """Execute the jobs in order; the last one is stopped after that many images, if given."""
    status = ""
    for job in made:
        limit = stop_after if job is made[-1] else None
        status = execute(job.config, str(out / job.id), lambda m, limit=limit: limit is not None and m["images"] >= limit)
    return status


def ended(out: Path, *arguments: str) -> list[tuple[RunRecord, list[EvalRow], list[float]]]:
    """Execute all that a command line trains, teachers first: each run's record, rows and logged losses."""
    made = [job for job in jobs(request(arguments).experiments) if job.kind != "reference"]
    for job in made:
        execute(job.config, str(out / job.id), lambda message: False)
    return [(read_run(out / job.id), read_rows(out / job.id),
             [line["loss"] for line in read_jsonl(out / job.id / "progress.jsonl") if "loss" in line]) for job in made]


def bits(folder: Path) -> tuple[str, str]:
    found = checkpoint.newest(folder / "checkpoints")
    assert found is not None
    return found[0].name, (folder / "evals.jsonl").read_text()
