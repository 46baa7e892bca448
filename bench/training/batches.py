"""The batch of a step: a pure function of the step's draws and of data that lie on the device, or in mapped files."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.data import Augment, Dataset
from bench.layers import one_hot
from bench.processes import Ahead, ahead, memory
from bench.training.rng import StepDraws
from methods.base import Batch, Draws


@dataclass(frozen=True)
class Batches:
    """The training samples as they are stored, their labels for conditional networks, and a teacher's trajectories.

    kept: the samples to draw from; None is all of them. ahead: reads those that are not on the device. drop: the share of the
    samples of a batch that lose their label, which is then the null class `classes`.
    """

    train: Tensor
    labels: Tensor | None
    paths: Tensor | None
    decode: Callable[[Tensor], Tensor] | None  # from stored values to those that networks see
    flip: bool
    kept: Tensor | None = None
    ahead: Ahead[StepDraws] | None = None
    augment: Augment | None = None
    classes: int = 0
    drop: float = 0.0

    def batch(self, draws: Draws) -> Batch:
        """The slice of the batch that `draws` belongs to."""
        i = _samples(draws, self.kept, len(self.train))
        if self.ahead is None:
            stored = self.train[i]
        else:
            assert isinstance(draws, StepDraws), "a training's own draws are known ahead"
            stored = self.ahead(draws)
        x_1 = stored if self.decode is None else self.decode(stored)
        states = None if self.paths is None else self.paths[_indices(draws, "trajectories", len(self.paths))]
        if self.augment is not None:  # it mirrors too
            x_1, told = self.augment(x_1, draws)
        else:
            x_1, told = _mirrored(x_1, draws) if self.flip else x_1, None
        if self.labels is None:
            return Batch(x_1, told, states)
        labels, null = self._dropped(self.labels[i], draws), torch.full_like(i, self.classes)
        if told is not None:
            labels, null = (torch.cat([one_hot(c, self.classes).to(told), told], 1) for c in (labels, null))
        return Batch(x_1, labels, states, null)

    def _dropped(self, labels: Tensor, draws: Draws) -> Tensor:
        if not self.drop:
            return labels
        return torch.where(draws.uniform("label") < self.drop, torch.full_like(labels, self.classes), labels)


def batches(
    data: Dataset, device: torch.device, conditional: bool, paths: Tensor | None, augment: Augment | None = None,
    drop: float = 0.0,
) -> Batches:
    """Those of a data set, moved to the device; samples that do not fit there are read as they are needed."""
    labels = data.labels.to(device) if conditional and data.labels is not None else None
    kept = None if data.kept is None else data.kept.to(device)
    here, count = resident(data, device), len(data.train)
    train = _moved(data, device) if here else data.train
    reader: Ahead[StepDraws] | None = None if here else Ahead(train, lambda draws: _samples(draws, kept, count), device)
    return Batches(train, labels, None if paths is None else paths.to(device), data.decode if data.kind == "images" else None,
                   data.flip, kept, reader, augment, data.classes if labels is not None else 0, drop)  # fmt: skip


def resident(data: Dataset, device: torch.device) -> bool:
    """Whether the training samples are, or are to be, on the device."""
    return data.fits(memory.free(device) if data.resident is None else 0.0)


def held(data: Dataset, device: torch.device, batch: int) -> int:
    """How many training samples lie on the device at once."""
    return len(data.train) if resident(data, device) else (1 + ahead.STEPS) * batch


def _moved(data: Dataset, device: torch.device) -> Tensor:
    """A mapped file is read whole."""
    moved = data.train.to(device)
    return moved.clone() if data.resident is None and moved.device == data.train.device else moved


def _samples(draws: Draws, kept: Tensor | None, count: int) -> Tensor:
    i = _indices(draws, "data", count if kept is None else len(kept))
    return i if kept is None else kept[i]


def _indices(draws: Draws, purpose: str, n: int) -> Tensor:
    return (draws.uniform(purpose) * n).long()


def _mirrored(x: Tensor, draws: Draws) -> Tensor:
    """Each image with probability a half."""
    flips = draws.uniform("flip") < 0.5
    return torch.where(flips.reshape(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
