"""Real images: CIFAR-10 through torchvision, and the user's own as an array file or a folder."""

import tarfile
import zlib
from http.client import HTTPException
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from bench.config import FEWEST, ConfigError
from bench.data.dataset import Dataset, content_hash, held_out_split
from bench.data.files import existing, image_files

CHANNELS = (1, 3)
GREY = ("1", "L", "LA", "La")  # Pillow's modes of one channel and 8 bits, with or without transparency
UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib.error)  # what np.load raises on damaged files
NOT_FETCHED = (RuntimeError, OSError, EOFError, HTTPException, tarfile.TarError)  # what torchvision lets through


def cifar10(name: str, root: str = "data", download: bool = False) -> Dataset:
    """CIFAR-10 below `root`: 50,000 for training, the 10,000 test images held out; mirrored in training."""
    from torchvision.datasets import CIFAR10

    try:
        parts = [CIFAR10(root, train=train, download=download) for train in (True, False)]
    except NOT_FETCHED as error:
        what = "could not be downloaded" if download else "is not there, or not whole"
        why = (str(error) or type(error).__name__).split("\n")[0].split(" You can use download")[0]
        way = "mend the network or choose another data.root" if download else "add data.download=true to fetch it (170 MB)"
        raise ConfigError(
            f"data.root={root}: CIFAR-10 {what} ({why}); {way}, put torchvision's cifar-10-batches-py there, or give your "
            "own images with data=arrays data.path=FILE.npy"
        ) from error
    train, held = (torch.from_numpy(p.data).permute(0, 3, 1, 2).contiguous() for p in parts)
    labels, held_labels = (torch.tensor(p.targets) for p in parts)
    return Dataset(name, "images", (3, 32, 32), train, held, content_hash(train, held), labels, held_labels, flip=True)


def arrays(
    name: str, path: str, heldout: str | None = None, limit: int | None = None, flip: bool = False
) -> Dataset:
    """uint8 images from .npy or .npz: (N,H,W), (N,H,W,C) or (N,C,H,W). Without `heldout` a fixed tenth is held back.

    At least 16 images must be given, and at least 2 in `heldout`; limit, if any, is at least 16 too.
    """
    images = _enough("data.path", path, _array("data.path", path), FEWEST)[:limit]
    if heldout is None:
        return _split(name, images, flip)
    held = _enough("data.heldout", heldout, _array("data.heldout", heldout), 2)
    if images.shape[1:] != held.shape[1:]:
        raise ConfigError(
            f"data.heldout={heldout} has images (C, H, W) of {tuple(held.shape[1:])}, data.path of {tuple(images.shape[1:])}"
        )
    return _dataset(name, images, held, flip)


def folder(name: str, path: str, size: int | None = None, flip: bool = False) -> Dataset:
    """The image files below a folder, at least 16; with `size`, centre-cropped to a square and resized to it.

    One channel if every file is grey, else three; transparency is dropped. More than 8 bits per channel are refused.
    A photograph is turned as its EXIF orientation says.
    """
    return _split(name, _enough("data.path", path, _pictures("data.path", path, size), FEWEST), flip)


def given(key: str, path: str) -> Tensor:
    """uint8 (N, C, H, W) of an array file, or of a folder of images by name. Raises ConfigError naming `key`."""
    return _pictures(key, path, None) if existing(key, path).is_dir() else _array(key, path)


def _pictures(key: str, path: str, size: int | None) -> Tensor:
    images: list[np.ndarray] = []
    for file in image_files(key, path):
        image = _picture(file, size)
        if images and image.shape[:2] != images[0].shape[:2]:
            raise ConfigError(
                f"{file} is {image.shape[1]} x {image.shape[0]}, the images before it {images[0].shape[1]} x "
                f"{images[0].shape[0]}; give data.size=N to crop and resize all to N x N"
            )
        images.append(image)
    channels = max(image.shape[2] for image in images)
    stacked = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()


def _array(key: str, path: str) -> Tensor:
    file = existing(key, path)
    try:
        loaded = np.load(file, allow_pickle=False)
        stored = loaded[_member(loaded, key, file)] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    except UNREADABLE as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{key}={file} is not a readable .npy or .npz file: {error}; make it again") from error
    if not isinstance(stored, np.ndarray):
        raise ConfigError(f"{key}={file} holds something else than arrays; save them with np.savez")
    if stored.dtype != np.uint8:
        raise ConfigError(f"{key}={file} holds {stored.dtype}, and pixels must be uint8 in 0..255; {_conversion(stored)}")
    return _channels_first(key, file, stored)


def _conversion(stored: np.ndarray) -> str:
    """What makes uint8 pixels of other numbers: it depends on their range."""
    if stored.dtype == np.bool_:
        return "convert with x.astype('uint8') * 255"
    real = np.issubdtype(stored.dtype, np.integer) or np.issubdtype(stored.dtype, np.floating)
    if not real or stored.size == 0 or not np.isfinite(stored).all():
        return "save finite pixel values, rounded, as uint8"
    low, high = float(stored.min()), float(stored.max())
    whole = np.issubdtype(stored.dtype, np.integer)
    if not whole and low >= 0 and high <= 1:
        how = "(x * 255).round()"
    elif not whole and low >= -1 and high <= 1:
        how = "((x + 1) * 127.5).round()"
    elif low >= 0 and high <= 255:
        how = "x.round()"
    else:
        return f"the values span {low:.4g} to {high:.4g}: rescale them to 0..255, round, then .astype('uint8')"
    return f"the values span {low:.4g} to {high:.4g}: convert with {how}.astype('uint8')"


def _member(archive: "np.lib.npyio.NpzFile", key: str, file: Path) -> str:
    for name in ("images", "train", "x", "arr_0"):
        if name in archive.files:
            return name
    if len(archive.files) == 1:
        return str(archive.files[0])
    raise ConfigError(f"{key}={file} holds {', '.join(archive.files) or 'no array'}; name the images 'images'")


def _channels_first(key: str, file: Path, stored: np.ndarray) -> Tensor:
    """(N, C, H, W). Raises ConfigError where no axis, or more than one, can be the channels."""
    shape = stored.shape
    if stored.ndim == 3:
        stored = stored[:, None]
    elif stored.ndim == 4 and shape[1] in CHANNELS and shape[3] in CHANNELS:
        raise ConfigError(
            f"{key}={file} has shape {shape}, where axis 1 or axis 3 could be the channels; save it in the other layout: "
            "x.transpose(0, 2, 3, 1) if axis 1 is, x.transpose(0, 3, 1, 2) if axis 3 is"
        )
    elif stored.ndim == 4 and shape[3] in CHANNELS:
        stored = stored.transpose(0, 3, 1, 2)
    if stored.ndim != 4 or stored.shape[1] not in CHANNELS or 0 in stored.shape[1:]:
        raise ConfigError(f"{key}={file} has shape {shape}; images come as (N,H,W), (N,H,W,C) or (N,C,H,W) with C 1 or 3")
    return torch.from_numpy(np.ascontiguousarray(stored))


def _picture(file: Path, size: int | None) -> np.ndarray:
    """(H, W, 1) if the file is grey, else (H, W, 3)."""
    from PIL import Image, ImageOps  # here: planning does without

    try:
        with Image.open(file) as opened:
            mode = "I;16" if _deep_png(file) else opened.mode
            image = ImageOps.exif_transpose(opened).convert("L" if opened.mode in GREY else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigError(f"{file} is not a readable image ({error}); mend or remove it") from error
    if mode[0] in "IF":  # I, I;16, F: Pillow would clip all above 255
        raise ConfigError(f"{file} has more than 8 bits per channel (Pillow's mode {mode}); rescale and save it in 8 bits")
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(image.height, image.width, -1)


def _deep_png(file: Path) -> bool:
    """Whether a PNG says 16 bits per channel: Pillow reads one in colour as 8 bits without a word."""
    with open(file, "rb") as opened:
        head = opened.read(25)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and head[24:] == b"\x10"


def _enough(key: str, path: str, images: Tensor, fewest: int) -> Tensor:
    if len(images) < fewest:
        raise ConfigError(f"{key}={path} has {len(images)} images; at least {fewest} are needed")
    return images


def _split(name: str, images: Tensor, flip: bool) -> Dataset:
    train, held = held_out_split(len(images), max(2, len(images) // 10))
    return _dataset(name, images[torch.from_numpy(train)], images[torch.from_numpy(held)], flip)


def _dataset(name: str, train: Tensor, held: Tensor, flip: bool) -> Dataset:
    return Dataset(name, "images", tuple(train.shape[1:]), train, held, content_hash(train, held), flip=flip)
