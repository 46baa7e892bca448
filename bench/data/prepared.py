"""Sets that `python -m bench.prepare` made: mapped files, of which a training reads the rows of its batches."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.config import OFFICIAL, ConfigError
from bench.data import manifest
from bench.data.dataset import Dataset
from bench.data.manifest import OWN, Manifest


def load(name: str, path: str, version: str | None = None, resident: str | bool = "auto", flip: bool = False) -> Dataset:
    """The set below `path`: uint8 images, mapped and not read, or in memory with `resident` True.

    name: an official set, or OWN for any. Raises ConfigError for what is missing, of another name or version, or changed.
    """
    if why := manifest.missing(name, path):
        raise ConfigError(why)
    found, folder = of(name, path, version), Path(path).expanduser()
    train, heldout = (_images(folder / f"{part}.npy", found, resident is True) for part in ("train", "heldout"))
    labels, held_labels = (_labels(folder / f"{part}_labels.npy", found) for part in ("train", "heldout"))
    return Dataset(name, "images", found.shape, train, heldout, found.hash, labels, held_labels, flip=flip,
                   resident=None if resident == "auto" else bool(resident))  # fmt: skip


def of(name: str, path: str, version: str | None) -> Manifest:
    """The manifest of what was prepared, if it is what is asked for. Raises ConfigError."""
    if name != OWN:
        manifest.version("data.version", name, version)
    found = manifest.read("data.path", path)
    if name != OWN and found.name != name:
        also = f"data={found.name}" if found.name in OFFICIAL else f"data={OWN}"
        raise ConfigError(f"data.path={path} holds {found.name}, and data={name} was asked for; choose {also} or another path")
    if version is not None and found.version != version:
        raise ConfigError(f"data.version={version}: data.path={path} was prepared as {found.version}; leave it null, or "
                          f"prepare the other beside it: {manifest.command(found.name, 'FOLDER')} --version {version}")
    return found


def classes(path: str, found: Manifest) -> int:
    """How many the labels that are trained on have; 0 without any."""
    labels = _labels(Path(path).expanduser() / "train_labels.npy", found)
    return 0 if labels is None or not len(labels) else int(labels.max()) + 1


def mapped(path: Path) -> Tensor:
    """The array of a .npy file; it is read as it is used, and must not be written to.

    A private mapping that may be written counts as memory where the system promises no more than it has; this one never does.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(np.load(path, mmap_mode="r", allow_pickle=False))


def _images(path: Path, found: Manifest, read: bool) -> Tensor:
    if path.name not in found.files:  # no image is held out
        return torch.empty((0, *found.shape), dtype=torch.uint8)
    images = mapped(path)
    return images.clone() if read else images


def _labels(path: Path, found: Manifest) -> Tensor | None:
    return mapped(path).long() if path.name in found.files else None
