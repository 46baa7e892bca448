"""Made-up but realistic run folders: what a finished sweep leaves behind, without training anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from results.records.record import EvalRow, RunRecord
from results.records.store import append_rows, write_run

STEPS = (1, 2, 4, 8, 16)
# one-step value, and the exponent with which it falls with the number of steps
CURVES = {
    "flow_matching": (95.0, 1.15), "lsd": (9.5, 0.35), "psd_m": (12.0, 0.4), "meanflow": (11.0, 0.2),
    "ect q=4": (15.0, 0.55), "lmd": (8.0, 0.3), "cd": (14.0, 0.5), "progressive": (10.0, 0.25), "imm": (21.0, 0.6),
}  # fmt: skip
REFERENCES = {"noise": 240.0, "gaussian fit": 18.0, "held-out data": 0.9}


def record(label: str = "lsd", seed: int = 0, **changes: Any) -> RunRecord:
    """A finished run; any field may be changed."""
    fields: dict[str, Any] = {
        "run_id": f"{label.replace(' ', '-')}-s{seed}", "label": label, "method": label.split()[0], "data": "digits",
        "backbone": "mlp", "seed": seed, "config": {"seed": seed, "batch": 256, "optimizer": {"lr": 1e-3}},
        "status": "done", "images_seen": 200_000, "images_budget": 200_000, "optimizer_steps": 782,
        "train_seconds": 41.0 + seed, "params": 412_345, "device": "cpu",
    }  # fmt: skip
    return RunRecord(**(fields | changes))


def row(run: RunRecord, steps: int = 1, value: float = 1.0, **changes: Any) -> EvalRow:
    """One evaluation row of `run`; any field may be changed."""
    fields: dict[str, Any] = {
        "run_id": run.run_id, "label": run.label, "seed": run.seed, "checkpoint": "last",
        "images_seen": run.images_seen, "ema": "0.999", "sampler": "hop", "steps": steps, "nfe": steps,
        "nfe_rows": steps, "evaluation_seed": 0, "count": 2048, "metric": "fd_digits8", "value": value,
        "protocol": "d3adb33f",
    }  # fmt: skip
    return EvalRow(**(fields | changes))


def sweep(root: Path, labels: tuple[str, ...] = tuple(CURVES), seeds: int = 3, evaluation_seeds: int = 2,
          data: str = "digits") -> list[Path]:
    """Write a whole sweep of images under `root`/runs and return its run folders, the reference run last."""
    folders = []
    for label in labels:
        for seed in range(seeds):
            teacher = {"teacher": f"fm-s{seed}", "teacher_images": 200_000, "teacher_seconds": 33.0}
            run = record(label, seed, data=data, **(teacher if label in ("lmd", "cd", "progressive") else {}))
            folders.append(write(root / "runs", run, _method_rows(run, evaluation_seeds)))
    reference = record("references", 0, run_id="reference-digits", kind="reference", params=0, train_seconds=0.0, images_seen=0)
    return [*folders, write(root / "runs", reference, _reference_rows(reference))]


def write(runs: Path, run: RunRecord, rows: list[EvalRow]) -> Path:
    folder = runs / run.run_id
    write_run(folder, run)
    append_rows(folder, rows)
    return folder


def _method_rows(run: RunRecord, evaluation_seeds: int) -> list[EvalRow]:
    start, slope = CURVES[run.label]
    generator = np.random.default_rng([*run.label.encode(), run.seed])
    luck = math.exp(0.05 * generator.standard_normal())
    rows = []
    for steps in STEPS:
        sampler = "solver:heun" if run.label == "flow_matching" else "hop"
        nfe = 2 * steps - 1 if sampler == "solver:heun" else steps
        for evaluation_seed in range(evaluation_seeds):
            value = (start * steps**-slope + 0.9) * luck * math.exp(0.02 * generator.standard_normal())
            shared = {"evaluation_seed": evaluation_seed, "sampler": sampler, "nfe": nfe, "nfe_rows": nfe}
            rows.append(row(run, steps, value, extra={"primary": True}, **shared))
            rows.append(row(run, steps, 2.0 + 0.01 * value, metric="nn_train", protocol="nn01", **shared))
    return rows


def _reference_rows(run: RunRecord) -> list[EvalRow]:
    generator = np.random.default_rng(7)
    common: dict[str, Any] = {"sampler": "reference", "nfe": 0, "nfe_rows": 0, "ema": ""}
    rows = []
    for label, value in REFERENCES.items():
        for seed in range(3):
            noisy = value * math.exp(0.01 * generator.standard_normal())
            rows.append(row(run, 0, noisy, label=label, seed=seed, extra={"primary": True}, **common))
            near = 2.0 + noisy / 200
            rows.append(row(run, 0, near, label=label, seed=seed, metric="nn_train", protocol="nn01", **common))
    return rows
