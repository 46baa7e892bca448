"""Seconds and peak memory of a report on 100,000 evaluation rows from 2,000 runs, read from their folders.

Goals: below 5 seconds and 1 GB, in a process of its own with its imports. The page's share is part of it once there is one.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from fake_results import record, row

METHODS, SEEDS, STEPS, DRAWS = 400, 5, (1, 2, 4, 8, 16), 2
METRICS = ("fid", "kid", "precision", "recall", "nn_train")


def big_sweep(place: Path) -> None:
    """2,000 runs of 50 rows each: 400 settings of 20 methods with 5 training seeds."""
    rng = np.random.default_rng(0)
    for k in range(METHODS):
        for seed in range(SEEDS):
            cost = {"forward_rows": 10**6 * (1 + k), "backward_rows": 10**6, "peak_memory": 10**9, "gpus": 1}
            run = record(f"method{k % 20} lr={k // 20}", seed, **cost, teacher=f"t-s{seed}" if k % 2 else None)
            luck = 3.0 + k / 50 + rng.normal()
            rows = [
                row(run, n, luck / n**0.5 + rng.normal() / 10, metric=m, evaluation_seed=d, extra={"primary": m == "fid"})
                for n in STEPS for d in range(DRAWS) for m in METRICS
            ]  # fmt: skip
            folder = place / "runs" / run.run_id
            folder.mkdir(parents=True)
            (folder / "run.json").write_text(json.dumps(run.to_dict(), indent=1))
            (folder / "evals.jsonl").write_text("".join(json.dumps(r.to_dict()) + "\n" for r in rows))


def test_a_report_on_a_hundred_thousand_rows(tmp_path: Path, benchmark: Any, spent: Any, told: Any) -> None:
    big_sweep(tmp_path)
    took = spent("-m", "results.report", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    benchmark.extra_info.update(seconds=took.wall, processor_seconds=took.processor, bytes=took.peak)
    benchmark.pedantic(lambda: None, rounds=1)
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    told(f"report on 100,000 rows of 2,000 runs: {took.wall:.1f} s ({took.processor:.1f} s of processor), "
         f"{took.peak / 1e9:.2f} GB at the most, wrote {', '.join(files)}")
