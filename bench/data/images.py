"""Real images: CIFAR-10 through torchvision, and the user's own as an array file or a folder."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from bench.data.dataset import Dataset, content_hash, held_out_split
from bench.data.files import existing, image_files
from methods.registry import ConfigError

FEWEST = 16


def cifar10(name: str, root: str = "data", download: bool = False) -> Dataset:
    """CIFAR-10 below `root`: 50,000 for training, the 10,000 test images held out; mirrored in training."""
    from torchvision.datasets import CIFAR10

    try:
        parts = [CIFAR10(root, train=train, download=download) for train in (True, False)]
    except RuntimeError as error:
        raise ConfigError(
            f"CIFAR-10 is not at data.root={root} ({error}); add data.download=true to fetch it, or give your own "
            "images with data=arrays data.path=FILE.npy"
        ) from error
    train, held = (torch.from_numpy(p.data).permute(0, 3, 1, 2).contiguous() for p in parts)
    labels, held_labels = (torch.tensor(p.targets) for p in parts)
    return Dataset(name, "images", (3, 32, 32), train, held, content_hash(train, held), labels, held_labels, flip=True)


def arrays(
    name: str, path: str, heldout: str | None = None, limit: int | None = None, flip: bool = False
) -> Dataset:
    """uint8 images from .npy or .npz: (N,H,W), (N,H,W,C) or (N,C,H,W). Without `heldout` a fixed tenth is held back."""
    images = _array("data.path", path)[:limit]
    if heldout is not None:
        return _dataset(name, "data.heldout", images, _array("data.heldout", heldout), flip)
    return _split(name, images, flip)


def folder(name: str, path: str, size: int | None = None, flip: bool = False) -> Dataset:
    """The image files below a folder; with `size`, centre-cropped to a square and resized to it."""
    images: list[np.ndarray] = []
    for file in image_files("data.path", path):
        image = _picture(file, size)
        if images and image.shape != images[0].shape:
            raise ConfigError(
                f"{file} is {image.shape[1]} x {image.shape[0]}, the images before it {images[0].shape[1]} x "
                f"{images[0].shape[0]}; give data.size=N to crop and resize all to N x N"
            )
        images.append(image)
    return _split(name, torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), flip)


def _array(key: str, path: str) -> Tensor:
    file = existing(key, path)
    try:
        loaded = np.load(file, allow_pickle=False)
        stored = loaded[_member(loaded, key, file)] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{key}={file} is not a readable .npy or .npz file: {error}") from error
    if stored.dtype != np.uint8:
        raise ConfigError(
            f"{key}={file} holds {stored.dtype}, and pixels must be uint8 in 0..255; floats in [0, 1] become so by "
            "(x * 255).round().astype('uint8')"
        )
    return _channels_first(key, file, stored)


def _member(archive: "np.lib.npyio.NpzFile", key: str, file: Path) -> str:
    for name in ("images", "train", "x", "arr_0"):
        if name in archive.files:
            return name
    if len(archive.files) == 1:
        return str(archive.files[0])
    raise ConfigError(f"{key}={file} holds {', '.join(archive.files)}; name the images 'images'")


def _channels_first(key: str, file: Path, stored: np.ndarray) -> Tensor:
    if stored.ndim == 3:
        stored = stored[:, None]
    elif stored.ndim == 4 and stored.shape[-1] in (1, 3) and stored.shape[1] not in (1, 3):
        stored = stored.transpose(0, 3, 1, 2)
    if stored.ndim != 4 or stored.shape[1] not in (1, 3):
        raise ConfigError(
            f"{key}={file} has shape {stored.shape}; images come as (N,H,W), (N,H,W,C) or (N,C,H,W) with C 1 or 3"
        )
    return torch.from_numpy(np.ascontiguousarray(stored))


def _picture(file: Path, size: int | None) -> np.ndarray:
    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ConfigError(f"{file} is not a readable image ({error}); mend or remove it") from error
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _split(name: str, images: Tensor, flip: bool) -> Dataset:
    if len(images) < FEWEST:
        raise ConfigError(f"data.path gives {len(images)} images; at least {FEWEST} are needed")
    train, held = held_out_split(len(images), max(2, len(images) // 10))
    return _dataset(name, "data.path", images[torch.from_numpy(train)], images[torch.from_numpy(held)], flip)


def _dataset(name: str, key: str, train: Tensor, held: Tensor, flip: bool) -> Dataset:
    if train.shape[1:] != held.shape[1:]:
        raise ConfigError(f"{key} has images of shape {tuple(held.shape[1:])}, data.path of {tuple(train.shape[1:])}")
    if len(train) < FEWEST:
        raise ConfigError(f"data.path gives {len(train)} images; at least {FEWEST} are needed")
    return Dataset(name, "images", tuple(train.shape[1:]), train, held, content_hash(train, held), flip=flip)
