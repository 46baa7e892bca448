"""Real images as tensors: CIFAR-10 through torchvision, and the user's own as an array file or a folder."""

import tarfile
from dataclasses import replace
from http.client import HTTPException

import numpy as np
import torch
from torch import Tensor

from bench.config import FEWEST
from bench.data import arrays as files
from bench.data import cifar, pictures
from bench.data.dataset import Dataset, content_hash
from bench.data.files import existing, folder_labels, tree
from bench.data.split import tenth

NOT_FETCHED = (RuntimeError, OSError, EOFError, HTTPException, tarfile.TarError)  # what torchvision lets through


def cifar10(name: str, root: str = "data", download: bool = False, flip: bool | None = None) -> Dataset:
    """CIFAR-10 below `root`: 50,000 for training, the 10,000 test images held out; mirrored in training unless `flip` is
    false."""
    from torchvision.datasets import CIFAR10

    try:
        parts = [CIFAR10(root, train=train, download=download) for train in (True, False)]
    except NOT_FETCHED as error:
        why = (str(error) or type(error).__name__).split("\n")[0].split(" You can use download")[0]
        raise cifar.refused(root, download, why) from error
    train, held = (torch.from_numpy(p.data).permute(0, 3, 1, 2).contiguous() for p in parts)
    labels, held_labels = (torch.tensor(p.targets) for p in parts)
    content = content_hash(train, held)
    return Dataset(name, "images", (3, 32, 32), train, held, content, labels, held_labels, flip=flip is not False)


def arrays(
    name: str, path: str, heldout: str | None = None, limit: int | None = None, flip: bool = False, labels: str | None = None
) -> Dataset:
    """uint8 images from .npy or .npz: (N,H,W), (N,H,W,C) or (N,C,H,W). Without `heldout` a fixed tenth is held back.

    At least 16 images must be given, and at least 2 in `heldout`; limit, if any, is at least 16 too. labels: a file of theirs;
    without one, and for `heldout`, the member of an .npz.
    """
    images = files.opened("data.path", path, FEWEST).pixels
    found = files.labels_of(path, labels, len(images)).first(limit)
    images = images[:limit]
    if heldout is None:
        return _split(name, _tensor(images), flip, found.values)
    held = files.opened("data.heldout", heldout, 2).pixels
    files.same_size(heldout, images, held)
    made = _dataset(name, _tensor(images), _tensor(held), flip)
    beside = files.labels_beside("data.heldout", heldout, len(held))
    return replace(made, labels=_numbers(found.values), heldout_labels=_numbers(beside.values))


def folder(name: str, path: str, size: int | None = None, flip: bool = False) -> Dataset:
    """The image files below a folder, at least 16; with `size`, centre-cropped to a square and resized to it.

    One channel if every file is grey, else three. See `bench.data.pictures` for what is made of a file.
    """
    found = tree("data.path", path).files
    pictures.enough("data.path", path, len(found))
    return _split(name, _pictures("data.path", path, size), flip, folder_labels(path, found).values)


def given(key: str, path: str) -> Tensor:
    """uint8 (N, C, H, W) of an array file, or of a folder of images by name. Raises ConfigError naming `key`."""
    return _pictures(key, path, None) if existing(key, path).is_dir() else _tensor(files.opened(key, path).pixels)


def _pictures(key: str, path: str, size: int | None) -> Tensor:
    images: list[np.ndarray] = []
    for file in tree(key, path).files:
        images.append(pictures.pixels(file, size))
        pictures.same_size(file, images[-1].shape, images[0].shape)
    channels = max(image.shape[2] for image in images)
    stacked = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()


def _tensor(pixels: np.ndarray) -> Tensor:
    """A copy in memory, whatever file it is a view of."""
    return torch.from_numpy(np.array(pixels, order="C"))


def _numbers(labels: np.ndarray | None) -> Tensor | None:
    return None if labels is None else torch.from_numpy(labels)


def _split(name: str, images: Tensor, flip: bool, labels: np.ndarray | None) -> Dataset:
    train, held = (torch.from_numpy(i) for i in tenth(len(images)))
    made, numbers = _dataset(name, images[train], images[held], flip), _numbers(labels)
    return made if numbers is None else replace(made, labels=numbers[train], heldout_labels=numbers[held])


def _dataset(name: str, train: Tensor, held: Tensor, flip: bool) -> Dataset:
    return Dataset(name, "images", tuple(train.shape[1:]), train, held, content_hash(train, held), flip=flip)
