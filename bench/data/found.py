"""What a data set holds, as far as it is known without a tensor: told once, before anything starts."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

import numpy as np

from bench.config import (
    CLASSES,
    FEWEST,
    HELD_OUT,
    IMAGES,
    POINTS,
    Arrays,
    Cifar10,
    ConfigError,
    Data,
    Folder,
    Points,
    Prepared,
)
from bench.data import arrays, cifar, manifest, pictures, prepared
from bench.data.files import Labels, Stamp, Tree, existing, file_hash, folder_labels, stamp, tree
from bench.data.split import tenth


@dataclass(frozen=True)
class Found:
    """shape: (C, H, W) of images, (2,) of points. train, heldout: how many. notes: what else a reader of numbers must know.

    fingerprint: a hash of the content that needs no tensor; None where the name and options alone identify it. absent: why data
    whose content is known anyway cannot be loaded yet: a plan can be made, and nothing started. classes: of its labels; 0 where
    it has none that can be used, and `unlabelled` says why.
    """

    name: str
    shape: tuple[int, ...]
    train: int
    heldout: int
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()
    absent: str = ""
    classes: int = 0
    unlabelled: str = ""

    @property
    def text(self) -> str:
        """All of it in one line."""
        what = "points" if len(self.shape) == 1 else f"images of {' x '.join(map(str, self.shape))}"
        found = f"data={self.name}: {self.train:,} {what} to train on, {self.heldout:,} held out"
        return "; ".join([found, *self.notes, *([f"nothing can start yet: {self.absent}"] if self.absent else [])])


def inspect(data: Data) -> Found:
    """What loading `data` will give. The last few are kept in memory.

    Raises ConfigError naming the key or file that the loader would refuse; with data.size, large image files are not decoded.
    """
    if isinstance(data, Arrays):
        paths = [existing(f"data.{key}", path) for key in ("path", "heldout", "labels") if (path := getattr(data, key))]
        return _of_arrays(data, tuple(map(stamp, paths)))
    if isinstance(data, Folder):
        found = tree("data.path", data.path)
        return _of_folder(data, found, tuple(stamp(file) for file in found.files if file.exists()))
    if isinstance(data, Points):
        why = f"data={data.name} has no classes"
        return Found(data.name, (2,), POINTS if data.count is None else data.count, HELD_OUT, unlabelled=why)
    if isinstance(data, Cifar10):
        file = "" if data.download else cifar.missing(data.root)
        absent = str(cifar.refused(data.root, False, f"{file} is missing")) if file else ""
        return Found(data.name, (3, 32, 32), IMAGES[data.name].train, 10_000, absent=absent, classes=CLASSES[data.name])
    if isinstance(data, Prepared):
        return _of_prepared(data)
    return Found(data.name, (1, 8, 8), IMAGES[data.name].train, 597, classes=CLASSES[data.name])


def fingerprint(data: Data) -> str | None:
    """`inspect`'s, of what its name and options do not identify."""
    return inspect(data).fingerprint if isinstance(data, Arrays | Folder | Prepared) else None


def _of_prepared(data: Prepared) -> Found:
    """By its manifest; an official set that is not there is known by its table, and can be planned."""
    if why := manifest.missing(data.name, data.path):
        if data.name == manifest.OWN:
            existing("data.path", data.path)
            raise ConfigError(why)
        side, version = IMAGES[data.name].side, manifest.version("data.version", data.name, data.version)
        return Found(data.name, (3, side, side), *manifest.COUNTS[data.name][version], absent=why,
                     **_classes(CLASSES.get(data.name, 0), data.name))
    found = prepared.of(data.name, data.path, data.version)
    return Found(data.name, found.shape, found.train, found.heldout, found.hash, found.notes,
                 **_classes(prepared.classes(data.path, found), f"{data.name} in data.path={data.path}"))


class _Classes(TypedDict):
    classes: int
    unlabelled: str


def _classes(count: int, of: str) -> _Classes:
    return _Classes(classes=count, unlabelled="" if count else f"data={of} was prepared without labels")


def _numbered(found: Labels, source: str, train: np.ndarray | None = None) -> _Classes:
    """Those of the rows that are trained on (None: all), whose labels are from the `source`."""
    if found.values is None:
        return _Classes(classes=0, unlabelled=found.why)
    own = found.values if train is None else found.values[train]
    if why := arrays.gaps(own):
        return _Classes(classes=0, unlabelled=f"{source}: {why}")
    return _Classes(classes=int(own.max()) + 1, unlabelled="")


@lru_cache(maxsize=8)
def _of_arrays(data: Arrays, stamps: tuple[Stamp, ...]) -> Found:
    content = file_hash("data.path", data.path)
    stored, unread = arrays.opened("data.path", data.path, FEWEST)
    images = stored[: data.limit]
    if data.labels:
        content += file_hash("data.labels", data.labels)
    source = f"data.labels={data.labels}" if data.labels else f"data.path={data.path}"
    told = arrays.labels_of(data.path, data.labels, len(stored)).first(data.limit)
    if not data.labels:
        unread = tuple(name for name in unread if name != arrays.MEMBER or told.values is None)
    if data.heldout:
        content += file_hash("data.heldout", data.heldout)
        held, more = arrays.opened("data.heldout", data.heldout, 2)
        arrays.same_size(data.heldout, images, held)
        split, each = (len(images), len(held)), (*_digests(images), *_digests(held))
        copies = _copies(each[: len(images)], each[len(images) :])
        unread += tuple(name for name in more if name != arrays.MEMBER)
        classes = _numbered(told, source)
        if classes["classes"] and (why := arrays.strange(data.heldout, len(held), classes["classes"])):
            classes = _Classes(classes=0, unlabelled=why)
    else:
        train, heldout = tenth(len(images))
        digests = list(_digests(images))
        split = len(train), len(heldout)
        copies = _copies([digests[i] for i in train], [digests[i] for i in heldout])
        classes = _numbered(told, source, train)
    notes = [*copies, *([f"not read: {', '.join(unread)}"] if unread else [])]
    return Found(data.name, images.shape[1:], *split, content, tuple(notes), **classes)


@lru_cache(maxsize=8)
def _of_folder(data: Folder, found: Tree, stamps: tuple[Stamp, ...]) -> Found:
    pictures.enough("data.path", data.path, len(found.files))
    folder, whole, digests = existing("data.path", data.path), hashlib.sha256(), []
    first, channels, kinds, faults = None, 1, Counter[str](), dict[str, ConfigError]()
    for file in found.files:
        try:
            content = pictures.content(file)
            seen = pictures.seen(file, content, data.size)
        except ConfigError as error:
            faults[file.relative_to(folder).as_posix()] = error
            continue
        first = first or seen
        pictures.same_size(file, seen, first)
        channels = max(channels, seen.channels)
        kinds["frames"] += seen.frames
        kinds["transparent"] += seen.transparent
        whole.update(os.fsencode(file.relative_to(folder)))
        whole.update(content)
        digests.append(hashlib.sha256(content).digest())
    if faults:
        why, *more = faults.values()
        others = ", ".join([*list(faults)[1:6], *(["..."] if len(more) > 5 else [])])
        raise ConfigError(f"{why}; nor can {len(more):,} more be used: {others}" if more else str(why)) from why
    assert first is not None, "there are enough"
    if kinds["transparent"]:
        whole.update(b"composed on white")  # versions before this one dropped the transparency
    train, heldout = tenth(len(digests))
    notes = [
        *_copies([digests[i] for i in train], [digests[i] for i in heldout]),
        *([f"{kinds['transparent']:,} with transparency, composed on white"] if kinds["transparent"] else []),
        *([f"of {kinds['frames']:,} with several frames the first is read"] if kinds["frames"] else []),
        *([f"skipped: {', '.join(f'{n:,} {why}' for why, n in found.skipped)}"] if found.skipped else []),
    ]
    shape = (channels, first.height, first.width)
    classes = _numbered(folder_labels(data.path, found.files), f"data.path={data.path}", train)
    return Found(data.name, shape, len(train), len(heldout), whole.hexdigest(), tuple(notes), **classes)


def _digests(images: np.ndarray) -> Iterator[bytes]:
    return (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)


def _copies(train: Sequence[bytes], heldout: Iterable[bytes]) -> list[str]:
    """What is told of images that are there more than once: held out and trained on, or trained on twice."""
    distinct = set(train)
    both, again = sum(each in distinct for each in heldout), len(train) - len(distinct)
    return [*([f"{both:,} of the held-out ones are also trained on"] if both else []),
            *([f"{again:,} to train on are copies of others"] if again else [])]
