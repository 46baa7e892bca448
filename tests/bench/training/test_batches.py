"""The batch of a step: every sample with its own label and, for images, mirrored as a whole or not at all."""

from dataclasses import replace

import torch

from bench.data import Dataset
from bench.training.batches import batches
from bench.training.rng import StepDraws
from methods.base import Batch

CPU, N = torch.device("cpu"), 50
POINTS = Dataset("numbers", "points", (2,), torch.arange(N).float()[:, None].expand(N, 2).contiguous(), torch.zeros(2, 2),
                 "0" * 64, labels=(7 * torch.arange(N) + 3) % N)  # fmt: skip


def drawn(data: Dataset, conditional: bool) -> Batch:
    return batches(data, CPU, conditional, None).batch(StepDraws(0, 3, range(8, 40), 64, CPU))


def test_a_conditional_batch_holds_each_samples_own_label() -> None:
    batch = drawn(POINTS, conditional=True)
    assert batch.condition is not None and len(batch.x_1.unique()) > 10
    assert torch.equal(batch.condition, (7 * batch.x_1[:, 0].long() + 3) % N)


def test_labels_are_for_conditional_networks_only() -> None:
    assert drawn(POINTS, conditional=False).condition is None
    assert drawn(replace(POINTS, labels=None), conditional=True).condition is None


def test_mirrored_images_keep_their_labels() -> None:
    pixels = torch.arange(N, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 2, 2)
    pixels[..., 1] += 100
    images = Dataset("numbers", "images", (1, 2, 2), pixels, pixels[:2], "0" * 64, labels=POINTS.labels, flip=True)
    batch = drawn(images, conditional=True)
    values = images.encode(batch.x_1).long()[:, 0, 0]
    assert batch.condition is not None
    assert torch.equal(batch.condition, (7 * values.min(1).values + 3) % N)
    mirrored = values[:, 0] > values[:, 1]
    assert mirrored.any() and not mirrored.all()
