"""What a data set holds, in lines for people, and which of its samples a picture shows."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.config import Arrays, Data, Folder
from bench.data import Dataset, Found, files, split
from results.pictures import preview
from sweeps.plan import count

MOST = 12  # classes that are told and shown one by one
PAIRS = 5  # copies that are named
FEW = 10_000  # samples that are looked at one by one where not all of them are in memory


def facts(wanted: Data, found: Found, data: Dataset) -> Iterator[str]:
    """Lines: counts, sizes, channels, values, labels, copies. Reads all samples that are in memory, else the first ones."""
    yield found.text
    share = len(data.heldout) / max(1, len(data.train) + len(data.heldout))
    yield f"held out: {share:.1%}, the same ones in every run"
    if data.kind == "points":
        yield from _points(data.train)
        return
    channels, height, width = data.shape
    if isinstance(wanted, Folder):
        yield from _files(wanted)
    seen = data.train[:FEW]
    yield (f"images: {width} wide, {height} high, {channels} channel{'s' * (channels > 1)}, levels 0..{data.levels}; "
           f"values from {seen.min()} to {seen.max()}{f' in the first {FEW:,}' if len(data.train) > FEW else ''}")
    yield _labels(wanted, found, data)
    if data.resident is True:
        yield from _copies(wanted, data)


def rows(wanted: Data, found: Found, data: Dataset) -> dict[str, np.ndarray]:
    """What a part of the picture shows -> its samples: images (n, C, H, W) in [0, 1], a few of each class where there are
    labels, or points (n, 2)."""
    if data.kind == "points":
        return {"to train on": data.train[:FEW].numpy(), "held out": data.heldout[:FEW].numpy()}
    if data.labels is not None and found.classes:
        parts = {name: data.train[torch.eq(data.labels, n).nonzero()[: preview.ACROSS, 0]]
                 for n, name in enumerate(_names(wanted, found.classes)[:MOST])}
    else:
        parts = {"to train on": data.train[: 4 * preview.ACROSS]}
    parts["held out"] = data.heldout[: preview.ACROSS]
    return {label: images.numpy() / data.levels for label, images in parts.items() if len(images)}


def _points(points: Tensor) -> Iterator[str]:
    said = (", ".join(f"{value:.3g}" for value in each.tolist()) for each in (points.mean(0), points.std(0)))
    yield "points: in the plane, mean ({}), standard deviation ({})".format(*said)
    yield "labels: points have none"


def _files(wanted: Folder) -> Iterator[str]:
    """The sizes of image files before they are cropped; only their heads are read."""
    from PIL import Image

    sizes = {}
    for file in files.tree("data.path", wanted.path).files:
        with Image.open(file) as image:
            sizes[file] = image.size
    sides = [side for size in sizes.values() for side in size]
    made = f"; cropped to squares and resized to {wanted.size} x {wanted.size}" if wanted.size else ""
    yield (f"files: {len(sizes):,} of {count(len(set(sizes.values())), 'size')}, sides from {min(sides)} to {max(sides)} "
           f"pixels{made}")
    if small := [file for file, size in sizes.items() if min(size) < (wanted.size or 0)]:
        least = min(small, key=lambda file: min(sizes[file]))
        width, height = sizes[least]
        name = least.relative_to(files.existing("data.path", wanted.path)).as_posix()
        yield (f"enlarged: {len(small):,} of {len(sizes):,} files have fewer pixels than {wanted.size} x {wanted.size}, and "
               f"are blurred by it; the smallest is {name}, {width} x {height}")


def _labels(wanted: Data, found: Found, data: Dataset) -> str:
    if data.labels is None or not found.classes:
        return f"labels: {found.unlabelled or 'none'}"
    counts = torch.bincount(data.labels, minlength=found.classes).tolist()
    named = [f"{name} {count:,}" for name, count in zip(_names(wanted, found.classes), counts, strict=True)]
    more = [f"and {len(named) - MOST:,} classes more"] if len(named) > MOST else []
    return f"labels: {found.classes:,} classes to train on: {', '.join([*named[:MOST], *more])}"


def _names(wanted: Data, classes: int) -> Sequence[str]:
    """Of a folder those of the folders in it, in whose order classes are numbered; else numbers."""
    if isinstance(wanted, Folder):
        root = files.existing("data.path", wanted.path)
        found = sorted({file.relative_to(root).parts[0] for file in files.tree("data.path", wanted.path).files})
        return found[:classes]
    return [str(n) for n in range(classes)]


def _copies(wanted: Data, data: Dataset) -> Iterator[str]:
    train, held = ([image.tobytes() for image in part.numpy()] for part in (data.train, data.heldout))
    distinct = set(train)
    yield (f"equal pixels: {len(train) - len(distinct):,} of those to train on are copies, "
           f"{sum(each in distinct for each in held):,} of the held-out ones are also trained on")
    names = _sources(wanted, data)
    if names and (pairs := list(_pairs(names, [*train, *held]))):
        yield f"copies: {'; '.join([*pairs[:PAIRS], *([f'and {len(pairs) - PAIRS:,} more'] if len(pairs) > PAIRS else [])])}"


def _sources(wanted: Data, data: Dataset) -> list[str]:
    """Where each sample comes from, those that are held out last; [] where that is no file or array of the user's."""
    if not isinstance(wanted, Folder | Arrays):
        return []
    train: Sequence[int] = range(len(data.train))
    heldout: Sequence[int] = range(len(data.heldout))
    if isinstance(wanted, Folder) or not wanted.heldout:
        train, heldout = (part.tolist() for part in split.tenth(len(train) + len(heldout)))
    said = [f"row {row}" for row in range(len(train) + len(heldout))]
    if isinstance(wanted, Folder):
        root = files.existing("data.path", wanted.path)
        said = [file.relative_to(root).as_posix() for file in files.tree("data.path", wanted.path).files]
    return [*(said[each] for each in train), *(f"{said[each]} (held out)" for each in heldout)]


def _pairs(names: Sequence[str], images: Sequence[bytes]) -> Iterator[str]:
    """ "b.png is a.png": every sample that was there before, and the first one that it equals."""
    first: dict[bytes, str] = {}
    for name, image in zip(names, images, strict=True):
        if (other := first.setdefault(image, name)) != name:
            yield f"{name} is {other}"
