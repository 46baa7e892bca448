"""What a data source gives: training and held-out samples, their hash, and the scale between stored and seen values."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.data.split import held_out_split
from bench.truth import Truth

HELD_BACK = 1  # the seed of the split; that of held-out data is 0
SHARE = 1 / 4  # of a memory: training samples that take more are left where they are


@dataclass(frozen=True)
class Rows:
    """Some rows of samples that are not in memory; they are read when they are asked for."""

    samples: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self.samples[self.index[rows]]


@dataclass(frozen=True)
class Dataset:
    """Samples in memory, or in files that are mapped to it.

    kind: "points" (float32, any real values) or "images" (uint8 pixels 0..levels, seen by networks as [-1, 1]).
    train (N, *shape), heldout (M, *shape); labels are class indices or None. hash: sha256 of the content.
    flip: whether training may mirror images. truth: the exact target, where there is one. validation: a part of the
    training samples that is held back from training, while settings are tuned (see `hold_back`). kept: of mapped samples, the
    rows that are left to train on then. resident: whether the training samples are in memory, and go to the device as a whole;
    False: they are mapped, and only rows of them go; None: also mapped, and they go where they `fits`.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    train: Tensor
    heldout: Tensor
    hash: str
    labels: Tensor | None = None
    heldout_labels: Tensor | None = None
    levels: int = 255
    flip: bool = False
    truth: Truth | None = None
    validation: Tensor | Rows | None = None
    kept: Tensor | None = None
    resident: bool | None = True

    @property
    def classes(self) -> int:
        """How many; 0 without labels."""
        return 0 if self.labels is None or not len(self.labels) else int(self.labels.max()) + 1

    @property
    def frequencies(self) -> Tensor:
        """How many samples to train on have each class, int64 (classes,)."""
        labels = self.labels if self.kept is None or self.labels is None else self.labels[self.kept]
        return torch.zeros(0, dtype=torch.int64) if labels is None else torch.bincount(labels, minlength=self.classes)

    def fits(self, room: float) -> bool:
        """Whether all training samples are to lie in a memory with `room` bytes free."""
        return self.train.nbytes <= SHARE * room if self.resident is None else self.resident

    def decode(self, pixels: Tensor) -> Tensor:
        """uint8 0..levels -> float32 in [-1, 1]."""
        return pixels.float() * (2 / self.levels) - 1

    def encode(self, x: Tensor) -> Tensor:
        """Float images to the nearest stored value, clamped: uint8 0..levels."""
        return ((x.clamp(-1, 1) + 1) * (self.levels / 2)).round().to(torch.uint8)


def hold_back(data: Dataset, share: float) -> Dataset:
    """The same data with a fixed share of the training samples moved to `validation`; at least 2 of them on either side."""
    held = min(max(2, round(share * len(data.train))), len(data.train) - 2)
    train, validation = (torch.from_numpy(i) for i in held_out_split(len(data.train), held, HELD_BACK))
    hashed = content_hash(data.hash, f"hold back {held}")
    if data.resident is not True:
        return replace(data, kept=train, validation=Rows(data.train, validation), hash=hashed)
    return replace(
        data, train=data.train[train], validation=data.train[validation], hash=hashed,
        labels=None if data.labels is None else data.labels[train],
    )


def of_class(data: Dataset, label: int) -> Dataset:
    """What one class is scored against: its samples of both parts, in memory. Where the held-out labels are not known, none of
    them are."""
    assert data.labels is not None, "only labelled data have classes"
    train = data.train[torch.eq(data.labels, label).nonzero()[:, 0]]
    beside = data.heldout_labels
    held = data.heldout[:0] if beside is None else data.heldout[torch.eq(beside, label).nonzero()[:, 0]]
    return replace(data, train=train, heldout=held, hash=content_hash(data.hash, f"class {label}"), resident=True,
                   labels=torch.full((len(train),), label), heldout_labels=torch.full((len(held),), label))


def content_hash(*parts: Tensor | str) -> str:
    """sha256 over arrays (with shape and type) and strings."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
            continue
        array = np.ascontiguousarray(part.numpy())
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
