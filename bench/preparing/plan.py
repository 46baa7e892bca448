"""What is to be prepared: how many images of each part, and a stream of them. Nothing is read before it is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.config import ConfigError
from bench.preparing.entries import Entry
from bench.preparing.pool import ordered
from bench.preparing.recipes import made

Blocks = Iterator[tuple[np.ndarray, np.ndarray | None]]
PIECE = 128  # images that a process makes at a time


@dataclass(frozen=True)
class Part:
    """One of train and heldout. blocks: uint8 (n, C, H, W) with labels (n,) or None, `count` images in all, if the source is
    what it should be. source: where they come from, for people."""

    count: int
    blocks: Blocks
    source: str


@dataclass(frozen=True)
class Plan:
    """See `bench.data.manifest.Manifest` for what the fields mean. sources: names of the files behind it."""

    name: str
    version: str
    split: str
    subset: bool
    how: str
    rounding: str
    shape: tuple[int, int, int]
    train: Part
    heldout: Part
    sources: tuple[str, ...]

    @property
    def parts(self) -> dict[str, Part]:
        """By name, those that have images."""
        return {name: part for name, part in (("train", self.train), ("heldout", self.heldout)) if part.count}

    @property
    def bytes(self) -> int:
        """Of all images and labels."""
        one = int(np.prod(self.shape)) + 2
        return one * (self.train.count + self.heldout.count)


@dataclass(frozen=True)
class Wanted:
    """How many images of an official set: all, or a subset of `train` and `heldout` ones (None: a tenth as many)."""

    train: int | None = None
    heldout: int | None = None

    def of(self, part: str, official: int) -> int:
        """How many of a part."""
        if self.train is None or not official:
            return official
        return self.train if part == "train" else max(2, self.train // 10) if self.heldout is None else self.heldout


def images(version: str, side: int, entries: Sequence[Entry], labels: Sequence[int] | None, workers: int, source: str) -> Part:
    """A part of image files."""
    pieces = [entries[i : i + PIECE] for i in range(0, len(entries), PIECE)]

    def blocks() -> Blocks:
        begin = 0
        for pixels in ordered(partial(made, version, side), pieces, workers):
            own = None if labels is None else np.asarray(labels[begin : begin + len(pixels)], np.int16)
            begin += len(pixels)
            yield pixels, own

    return Part(len(entries), blocks(), source)


def spread(entries: Sequence[Entry], part: str, wanted: Wanted, official: int, what: str) -> list[int]:
    """Which of the files are taken: all, if they are as many as the official ones; of a subset evenly from all over.

    Raises ConfigError where there are other numbers of them than there should be.
    """
    count, found = wanted.of(part, official), len(entries)
    if found < count or (wanted.train is None and found != official):
        raise miscounted(what, part, f"{found:,}", count, wanted.train is not None)
    return [i * found // count for i in range(count)]


def miscounted(what: str, part: str, found: str, wanted: int, subset: bool) -> ConfigError:
    """What is said of another number of images than the official one, or of fewer than a subset was to have."""
    if subset:
        option = "--count" if part == "train" else "--heldout-count"
        return ConfigError(f"{what} has {found} images for {part}, and {option} asks for {wanted:,}; lower it")
    return ConfigError(f"{what} has {found} images for {part}, and the official set has {wanted:,}: it is not whole, or "
                       "another one; --count N prepares a subset, and says so of it")


def exactly(blocks: Iterable[tuple[np.ndarray, np.ndarray | None]], count: int) -> Blocks:
    """The first `count` images of a stream."""
    for pixels, labels in blocks:
        yield pixels[:count], None if labels is None else labels[:count]
        count -= len(pixels)
        if count <= 0:
            return
