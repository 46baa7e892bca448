"""Two-dimensional targets with exact truth: fixed training points (a million by default), drawn once from a fixed seed."""

import torch

from bench.config import HELD_OUT, POINTS
from bench.data.dataset import Dataset, content_hash
from bench.truth import target


def load(name: str, base_scale: float = 1.0, count: int | None = None) -> Dataset:
    """`name` is one of bench.truth.TARGETS; base_scale is the standard deviation of the noise; count: training points."""
    count = POINTS if count is None else count
    truth = target(name, base_scale)
    g = torch.Generator().manual_seed(20_241)
    points = truth.sample(count + HELD_OUT, g).float()
    return Dataset(
        name, "points", (2,), points[:count], points[count:], content_hash(points, str(base_scale)), truth=truth
    )
