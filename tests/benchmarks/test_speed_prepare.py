"""What it takes to prepare a large set and to verify it, and images a second of random batches from its files.

A tenth of ImageNet-64 in pickles of its published layout, random pixels; FEWSTEP_BENCHMARK_IMAGES=1281167 asks for all of it
(33 GB of disk). What was just written is in the page cache, as far as there is room for it.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from official_sets import encoded, smooth

from bench.data import prepared
from bench.preparing.entries import listed
from bench.preparing.recipes import made
from bench.training.batches import batches
from bench.training.rng import StepDraws

IMAGES = int(os.environ.get("FEWSTEP_BENCHMARK_IMAGES", "128117"))
SIDE, FILES, BATCH, STEPS = 64, 10, 512, 100
PICTURES = {  # recipe: the format, height and width of the published files
    "adm-crop": ("JPEG", 375, 500), "lanczos-crop": ("JPEG", 375, 500), "crop140-area": ("JPEG", 218, 178),
    "v2-area": ("PNG", 512, 512), "v2-lanczos": ("PNG", 512, 512),
}  # fmt: skip


def pickled(folder: Path) -> Path:
    """A file at a time, so that a machine of little memory can make all of it."""
    rng, folder = np.random.default_rng(0), folder / "in"
    folder.mkdir()
    for k, rows in enumerate(np.array_split(np.arange(IMAGES), FILES), 1):
        data = rng.integers(0, 256, (len(rows), 3 * SIDE * SIDE), dtype=np.uint8)
        batch = {"data": data, "labels": (rows % 1000 + 1).tolist(), "mean": np.zeros(3 * SIDE * SIDE)}
        with (folder / f"train_data_batch_{k}").open("wb") as file:
            pickle.dump(batch, file, protocol=4)
    held = {"data": rng.integers(0, 256, (IMAGES // 25, 3 * SIDE * SIDE), dtype=np.uint8), "labels": [1] * (IMAGES // 25)}
    (folder / "val_data").write_bytes(pickle.dumps(held, protocol=4))
    return folder


def words(took: Any) -> str:
    return f"{took.wall:.1f} s ({took.processor:.1f} s of processor), {took.peak / 2**20:.0f} MB at the most in one process"


def test_a_large_set_is_prepared_verified_and_read(tmp_path: Path, benchmark: Any, spent: Any, told: Any) -> None:
    source, out = pickled(tmp_path), str(tmp_path / "out")
    count = [] if IMAGES == 1_281_167 else ["--count", str(IMAGES), "--heldout-count", str(IMAGES // 25)]
    written = spent("-m", "bench.prepare", "imagenet64", "--source", str(source), "--out", out, "--workers", "2", *count)
    verified = spent("-m", "bench.prepare", "--verify", out)
    data = prepared.load("imagenet64", out, resident=False)
    read, cpu = batches(data, torch.device("cpu"), conditional=False, paths=None), torch.device("cpu")
    begin = time.monotonic()
    for step in range(STEPS):
        read.batch(StepDraws(0, step, range(BATCH), BATCH, cpu))
    rate = STEPS * BATCH / (time.monotonic() - begin)
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(images=IMAGES, rate=rate)
    told(f"prepare {IMAGES:,} images of {SIDE} x {SIDE} from pickles: {words(written)}\nverify them: {words(verified)}\n"
         f"random batches of {BATCH} of them, resident=false: {rate:,.0f} images a second")


@pytest.mark.parametrize("recipe", PICTURES)
def test_images_are_made_from_files(recipe: str, tmp_path: Path, benchmark: Any, told: Callable[[str], None]) -> None:
    """One process, the files in the page cache."""
    kind, height, width = PICTURES[recipe]
    for k in range(50):
        (tmp_path / f"{k}.{kind.lower()}").write_bytes(encoded(smooth(height, width, k), kind))
    found = listed(tmp_path)
    benchmark.pedantic(lambda: made(recipe, SIDE, found), rounds=5, warmup_rounds=1)
    rate = len(found) / benchmark.stats.stats.median
    benchmark.extra_info.update(rate=rate)
    told(f"{recipe} from {kind} files of {width} x {height}: {rate:,.0f} images a second")
