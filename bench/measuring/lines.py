"""A measurement as a line of perf.jsonl, from which plans are priced (bench/planning/rates.py)."""

from datetime import UTC, datetime
from typing import Any

import torch

from bench.config import records
from bench.measuring.cases import Case
from bench.measuring.measure import Measured
from bench.processes import device as devices


def line(case: Case, found: Measured, device: torch.device) -> dict[str, Any]:
    """As plain data. gflop_per_image is planning's count, whatever was counted in the step: rates are multiplied with it."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "device": devices.name(device), "kind": device.type,
        "alike": records.kind(case.config), "network": records.network(case.config), "method": case.experiment.name,
        "precision": case.experiment.precision, "compiled": case.experiment.train.compile,
        "channels_last": case.experiment.train.channels_last, "batch": case.batch,
        "micro_batch": found.rows if found.rows < case.batch else None,
        "images_per_second": case.batch / found.seconds, "gflop_per_image": case.gflops, "peak_memory": found.memory,
        "step_ms": 1000 * found.seconds,
    }
