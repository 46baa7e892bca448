"""Lines as `bench.perf` leaves them, for prices that are measured."""

import json
from pathlib import Path
from typing import Any

from bench.config import records
from bench.planning import work
from sweeps.plan import Job


def perf(out: Path, job: Job, rate: float, **fields: Any) -> None:
    """A line of bench.perf, which makes the job do so many GFLOP/s."""
    config = job.config
    line = {"time": "2026-01-02T03:04:05", "device": "NVIDIA H100", "kind": "cuda", "alike": records.kind(config),
            "network": records.network(config), "method": config["method"]["name"], "precision": records.precision(config),
            "compiled": False, "images_per_second": rate / work.per_image(config), "gflop_per_image": work.per_image(config)}
    with open(out / "perf.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line | fields) + "\n")
