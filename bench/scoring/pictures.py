"""Samples for the picture of a sweep: every finished method at every step count, from the same noise."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.processes import device
from bench.scoring import model
from results.records import RUN_FILE, StoreError, read_rows, read_run

IMAGES, POINTS = 9, 2000


def samples(folders: Sequence[Path], labels: Mapping[str, str] | None = None) -> dict[str, dict[int, np.ndarray]]:
    """{label: {steps: samples}} of the first finished seed of each label; images in [0, 1], points as they are.

    `labels` (run id -> label) wins over a record's own, which is that of the sweep that ran it first.
    """
    found: dict[str, dict[int, np.ndarray]] = {}
    for folder in folders:
        if not (folder / RUN_FILE).exists():
            continue
        try:
            record = read_run(folder)
            steps = sorted({row.steps for row in read_rows(folder)})
            label = (labels or {}).get(record.run_id, record.label)
            if record.kind != "method" or record.status != "done" or label in found:
                continue
            loaded = model.load(folder)
            loaded = loaded.to(device.of(loaded.experiment.backend.device))
            points = len(loaded.shape) == 1
            sampler = loaded.sampler(seed=0, chunk=POINTS if points else IMAGES)
            drawn = {n: sampler.draw(0, n).cpu().numpy() for n in steps}
        except (StoreError, ValueError, OSError) as error:
            warnings.warn(f"no samples of {folder.name} in the picture: {error}", stacklevel=2)
            continue
        found[label] = drawn if points else {n: (x.clip(-1, 1) + 1) / 2 for n, x in drawn.items()}
    return found
