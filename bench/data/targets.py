"""Two-dimensional targets with exact truth: a million fixed training points each, drawn once from a fixed seed."""

import torch

from bench.data.dataset import Dataset, content_hash
from bench.truth import target

TRAIN, HELD_OUT = 2**20, 2**17


def load(name: str, base_scale: float = 1.0) -> Dataset:
    """`name` is one of bench.truth.TARGETS; base_scale is the standard deviation of the noise."""
    truth = target(name, base_scale)
    g = torch.Generator().manual_seed(20_241)
    points = truth.sample(TRAIN + HELD_OUT, g).float()
    return Dataset(
        name, "points", (2,), points[:TRAIN], points[TRAIN:], content_hash(points, str(base_scale)), truth=truth
    )
