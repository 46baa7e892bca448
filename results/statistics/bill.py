"""The bill of one line of the table: the mean over its runs of what each spent up to the checkpoint that was scored.

A run that is scored at a milestone is billed pro rata for its own training, and in full for its teacher: the student could
not have begun without it. The teacher's `share` is its full price divided by the runs of the table that learn from it.

Of runs that never trained a step nothing is known, and what was not counted is no zero either: both are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from results.records import RunRecord, own_compute, teacher_compute, teacher_key
from results.statistics.intervals import mean
from results.statistics.scores import Score

COLUMNS = (
    "league", "forward_rows", "backward_rows", "jvp_rows", "compute", "teacher_compute", "teacher_compute_share",
    "total_compute", "teacher_seconds_share", "gpu_hours", "peak_memory", "optimizer_steps",
    "precision",
)  # fmt: skip


def bill(records: Sequence[RunRecord], done: Sequence[Score], shared: Mapping[str, int]) -> dict[str, Any]:
    """The cost columns: COLUMNS and the older ones. `shared`: teacher -> runs of the table that learn from it.

    Of `records` those pay that are done, or if none is all that have seen an image.
    Compute is in forward evaluations of a row (records/budget.py), memory in bytes; `total_compute` bills the whole teacher.
    """
    paying = [r for r in records if r.status == "done"] or [r for r in records if r.images_seen]
    part = {score.run_id: score.part for score in done}
    if all(value == 1.0 for value in part.values()):
        part = {}

    def own(values: Sequence[float]) -> float:
        return mean([value * part.get(r.run_id, 1.0) for r, value in zip(paying, values, strict=True)])

    def share(values: Sequence[float]) -> float:
        return mean([v / max(1, shared.get(teacher_key(r), 1)) for r, v in zip(paying, values, strict=True)])

    seconds, teachers = [r.teacher_seconds for r in paying], [teacher_compute(r) for r in paying]
    compute = own([own_compute(r) for r in paying])
    counted = not math.isnan(compute)
    return {
        "precision": ", ".join(sorted({r.precision for r in paying})),
        "images_seen": whole(mean([s.images_seen for s in done] or [r.images_seen for r in paying])),
        "train_seconds": own([r.train_seconds for r in paying]),
        "params": max((r.params for r in paying), default=0) or math.nan,
        "teacher_images": whole(mean([math.nan if r.teacher_images is None else r.teacher_images for r in paying])),
        "teacher_seconds": mean(seconds), "teacher_seconds_share": share(seconds),
        "league": next((r.league for r in records), "plain"),
        "forward_rows": own([r.forward_rows for r in paying]) if counted else math.nan,
        "backward_rows": own([r.backward_rows for r in paying]) if counted else math.nan,
        "jvp_rows": own([r.jvp_rows for r in paying]) if counted else math.nan,
        "compute": compute, "teacher_compute": mean(teachers), "teacher_compute_share": share(teachers),
        "total_compute": compute + mean(teachers),
        "gpu_hours": own([r.train_seconds * r.gpus / 3600 for r in paying]),
        "peak_memory": max((r.peak_memory for r in paying), default=0) or math.nan,
        "optimizer_steps": whole(own([r.optimizer_steps for r in paying])),
    }  # fmt: skip


def whole(value: float) -> float | int:
    """An integer where the number is one."""
    return int(value) if math.isfinite(value) and value == int(value) else value
