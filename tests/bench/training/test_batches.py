"""The batch of a step: every sample with its own label and, for images, mirrored as a whole or not at all."""

from dataclasses import replace

import torch

from bench.data import Augment, Dataset
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


def test_a_share_of_the_samples_loses_its_class_and_nothing_else_changes() -> None:
    size, drop = 4000, 0.3
    whole = StepDraws(0, 3, range(size), size, CPU)
    told, dropping = (batches(POINTS, CPU, True, None, drop=share) for share in (0.0, drop))
    kept, batch = told.batch(whole), dropping.batch(whole)
    assert kept.condition is not None and batch.condition is not None and batch.null is not None
    lost = batch.condition == N
    assert len(batch.x_1[lost, 0].unique()) == N, "whichever sample it is"
    assert (batch.null == N).all() and abs(float(lost.double().mean()) - drop) < 0.03
    assert torch.equal(batch.x_1, kept.x_1) and torch.equal(batch.condition[~lost], kept.condition[~lost])
    assert torch.equal(batch.guidable()[2], ~lost)
    parts = [dropping.batch(whole.slice(rows)).condition for rows in (range(1000), range(1000, size))]
    assert torch.equal(torch.cat([part for part in parts if part is not None]), batch.condition)
    later = dropping.batch(StepDraws(0, 4, range(size), size, CPU)).condition
    assert later is not None and not torch.equal(later == N, lost)


def test_with_augmentation_the_class_stands_before_what_was_done_and_is_dropped_alone() -> None:
    pixels = torch.randint(0, 256, (N, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Dataset("numbers", "images", (1, 8, 8), pixels, pixels[:2], "0" * 64, labels=torch.arange(N) % 3)
    draws = StepDraws(0, 3, range(64), 64, CPU)
    alone = batches(images, CPU, False, None, Augment("geometric", 0.5)).batch(draws)
    batch = batches(images, CPU, True, None, Augment("geometric", 0.5), 0.3).batch(draws)
    assert batch.condition is not None and batch.null is not None and alone.condition is not None
    assert torch.equal(batch.condition[:, 3:], alone.condition) and torch.equal(batch.null[:, 3:], alone.condition)
    assert torch.equal(batch.x_1, alone.x_1) and not batch.null[:, :3].any()
    told = batch.condition[:, :3].sum(1)
    assert set(told.tolist()) == {0.0, 1.0} and torch.equal(batch.guidable()[2], told == 1)
