"""Images and their class labels in .npy or .npz files, checked while no more is read than must be: a .npy stays on the disk,
mapped."""

import pickle
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from bench.config import ConfigError
from bench.data.files import DAMAGED, Labels, existing

CHANNELS = (1, 3)
IMAGES = ("images", "train", "x", "arr_0")  # names of members that hold the images, the first that there is
MEMBER = "labels"
"""The member that holds their class labels."""
MOST = 2**31 - 1
"""The largest label that is looked at."""


class Stored(NamedTuple):
    """pixels: uint8 (N, C, H, W), perhaps a view of the file; unread: names of the other arrays in it."""

    pixels: np.ndarray
    unread: tuple[str, ...]


def opened(key: str, path: str | Path, fewest: int = 0) -> Stored:
    """The images of a file, at least `fewest`. Raises ConfigError naming `key`, the file, and what makes pixels of it."""
    file = existing(key, path)
    unread: tuple[str, ...] = ()
    try:
        stored = np.load(file, allow_pickle=False, mmap_mode=_mapped(file))
        if isinstance(stored, np.lib.npyio.NpzFile):
            with stored as archive:
                name = _member(archive, key, file)
                stored, unread = archive[name], tuple(other for other in archive.files if other != name)
    except (*DAMAGED, pickle.UnpicklingError) as error:
        if isinstance(error, ConfigError):
            raise
        if "Object arrays" in str(error):
            raise ConfigError(f"{key}={file} holds Python objects, which are not read; save images of one size as one array "
                              "of uint8: np.stack(images).astype('uint8')") from error
        raise ConfigError(f"{key}={file} is not a readable .npy or .npz file: {_first_line(error)}; make it again with np.save "
                          "or np.savez") from error
    if not isinstance(stored, np.ndarray):
        raise ConfigError(f"{key}={file} holds something else than arrays; save them with np.savez")
    if stored.dtype != np.uint8:
        raise ConfigError(f"{key}={file} holds {stored.dtype}, and pixels must be uint8 in 0..255; {_conversion(stored)}")
    pixels = _channels_first(key, file, stored)
    if len(pixels) < fewest:
        raise ConfigError(f"{key}={path} has {len(pixels)} images; at least {fewest} are needed")
    return Stored(pixels, unread)


def labels_of(path: str | Path, labels: str | Path | None, images: int) -> Labels:
    """Those of data.labels, or else of the member beside the images of data.path."""
    return _labels_file("data.labels", labels, images) if labels else labels_beside("data.path", path, images)


def _labels_file(key: str, path: str | Path, images: int) -> Labels:
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
        raise ConfigError(_unread(f"{key}={file}", error)) from error
    return _labels(f"{key}={file}", found, images)


def labels_beside(key: str, path: str | Path, images: int) -> Labels:
    """Those in the file of the images; none where it has no such member."""
    file = existing(key, path)
    with open(file, "rb") as head:
        archive = head.read(2) == b"PK"
    if archive:
        where = f"{key}={file}, member {MEMBER},"
        with np.load(file, allow_pickle=False) as stored:
            if MEMBER in stored.files:
                try:
                    found = stored[MEMBER]
                except DAMAGED as error:
                    return Labels(None, _unread(where, error))
                return _labels(where, found, images)
    return Labels(None, f"{key}={path} has no labels; give data.labels=FILE.npy, or save them beside the images: "
                        f"np.savez(file, images=x, {MEMBER}=y)", there=False)


def gaps(values: np.ndarray) -> str:
    """Why labels that are trained on are no classes: "" where each number up to the largest has an image."""
    classes = np.unique(values)
    if len(classes) == 1:
        return f"all labels are {classes[0]}, and one class is none; give more, or leave conditional=false"
    if len(empty := np.flatnonzero(classes != np.arange(len(classes)))):
        return (f"the labels go up to {classes[-1]}, and class {empty[0]} has no image to train on; number the classes from 0 "
                "without gaps")
    return ""


def strange(path: str | Path, images: int, classes: int) -> str:
    """Why the labels beside held-out images are none of those that are trained on: "" where they are, or there are none."""
    found = labels_beside("data.heldout", path, images)
    if found.values is None:
        return found.why if found.there else ""
    if (high := found.values.max()) < classes:
        return ""
    return (f"data.heldout={path}, member {MEMBER}, has the label {high}, and the images to train on have the classes 0 to "
            f"{classes - 1}; number them alike")


def same_size(path: str, train: np.ndarray, heldout: np.ndarray) -> None:
    """Raises ConfigError where the held-out images of `path` are of another size than the training images."""
    if train.shape[1:] != heldout.shape[1:]:
        raise ConfigError(f"data.heldout={path} has images (C, H, W) of {heldout.shape[1:]}, data.path of {train.shape[1:]}")


def _mapped(file: Path) -> Literal["r"] | None:
    """How np.load is to open it: an array of objects cannot be mapped, and is then told as such."""
    with open(file, "rb") as opened:
        try:
            version = np.lib.format.read_magic(opened)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return None if read(opened)[2].hasobject else "r"
        except ValueError:
            return None


def _unread(where: str, error: Exception) -> str:
    """What is said of labels that np.load does not read."""
    if "Object arrays" in str(error):
        return (f"{where} holds Python objects, which are not read; save whole numbers: "
                "np.asarray(labels, dtype='int64')")
    return f"{where} is not a readable .npy or .npz file; make it again with np.save"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]


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
    for name in IMAGES:
        if name in archive.files:
            return name
    if len(archive.files) == 1:
        return str(archive.files[0])
    raise ConfigError(f"{key}={file} holds {', '.join(archive.files) or 'no array'}; name the images 'images'")


def _channels_first(key: str, file: Path, stored: np.ndarray) -> np.ndarray:
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
    return stored


def _labels(where: str, found: np.ndarray, images: int) -> Labels:
    """Whole numbers from 0, one for each image; why not, if they are not."""
    if found.dtype.kind not in "iu" or found.ndim != 1:
        return Labels(None, f"{where} holds {found.dtype} {found.shape}, and labels are whole numbers, one for each image")
    if len(found) != images:
        return Labels(None, f"{where} has {len(found)} labels for {images} images; give one for each")
    for label in (found.min(), found.max()) if images else ():
        if not 0 <= label <= MOST:
            return Labels(None, f"{where} has the label {label}, and labels are numbered from 0 without gaps")
    return Labels(found.astype(np.int64))
