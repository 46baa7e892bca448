"""Class labels of images: read beside them, numbered from 0 without gaps, or refused in one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.config import ConfigError
from bench.data.files import DAMAGED, existing

MEMBER = "labels"
"""The member of an .npz file that holds those of its images."""


class Labels(NamedTuple):
    """values: int64 (N,), or None and `why` there are none that can be used."""

    values: np.ndarray | None
    why: str = ""

    def first(self, count: int | None) -> "Labels":
        """Of so many images only; None: of all."""
        return self if self.values is None else Labels(self.values[:count], self.why)


def of_arrays(path: str | Path, labels: str | Path | None, images: int) -> Labels:
    """Those of data.labels, or else of the member beside the images of data.path."""
    return stored("data.labels", labels, images) if labels else member("data.path", path, images)


def stored(key: str, path: str | Path, images: int) -> Labels:
    """Those of a file of their own, .npy or .npz, for so many images."""
    file = existing(key, path)
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found as archive:
                names = [MEMBER] if MEMBER in archive.files else archive.files
                if len(names) != 1:
                    raise ConfigError(f"{key}={file} holds {', '.join(names) or 'no array'}; name the labels {MEMBER!r}")
                found = archive[names[0]]
    except (*DAMAGED, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{key}={file} is not a readable .npy or .npz file; make it again with np.save") from error
    return checked(f"{key}={file}", found, images)


def member(key: str, path: str | Path, images: int) -> Labels:
    """Those in the file of the images; none where it has no such member."""
    file = existing(key, path)
    with open(file, "rb") as head:
        archive = head.read(2) == b"PK"
    if archive:
        with np.load(file, allow_pickle=False) as found:
            if MEMBER in found.files:
                return checked(f"{key}={file}, member {MEMBER}", found[MEMBER], images)
    return Labels(None, f"{key}={path} has no labels; give data.labels=FILE.npy, or save them beside the images: "
                        f"np.savez(file, images=x, {MEMBER}=y)")


def folders(path: str | Path, files: Sequence[Path]) -> Labels:
    """The first folder below `path` that an image lies in is its class, numbered by name."""
    root = existing("data.path", path)
    above = [file.relative_to(root).parts[:-1] for file in files]
    if loose := next((file for file, parts in zip(files, above, strict=True) if not parts), None):
        return Labels(None, f"data.path={path} has no labels: {loose.name} lies in no folder of a class; move every image into "
                            "one folder for each class")
    number = {name: i for i, name in enumerate(sorted({parts[0] for parts in above}))}
    return Labels(np.array([number[parts[0]] for parts in above], np.int64))


def checked(where: str, found: np.ndarray, images: int) -> Labels:
    """Whole numbers from 0, one for each image; why not, if they are not."""
    if found.dtype.kind not in "iu" or found.ndim != 1:
        return Labels(None, f"{where} holds {found.dtype} {found.shape}, and labels are whole numbers, one for each image")
    if len(found) != images:
        return Labels(None, f"{where} has {len(found)} labels for {images} images; give one for each")
    values = found.astype(np.int64)
    if len(values) and values.min() < 0:
        return Labels(None, f"{where} has the label {values.min()}, and labels are numbered from 0")
    return Labels(values)


def gaps(values: np.ndarray) -> str:
    """Why labels that are trained on are no classes: "" where each number up to the largest has an image."""
    counts = np.bincount(values)
    if len(counts) < 2:
        return "all labels are 0, and one class is none"
    if len(empty := np.flatnonzero(counts == 0)):
        return (f"the labels go up to {len(counts) - 1}, and class {empty[0]} has no image to train on; number the classes "
                "from 0 without gaps")
    return ""
