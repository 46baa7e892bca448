"""The pickled batches of down-sampled ImageNet (Chrabaszcz et al., arXiv 1707.08819), read without running what a pickle says.

A pickle may name any function to be called. Here it may name what NumPy's arrays are made of, and everything else is refused.
"""

import codecs
import pickle
from collections.abc import Iterator
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from bench.config import ConfigError
from bench.preparing.entries import Entry, damaged, opened

ROWS, STEP = 1024, 2**20
_ARRAYS = {
    (f"numpy.{core}.{module}", name): (module, name)
    for core in ("core", "_core")
    for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
}


class Batch:
    """The images of one file: pixels (N, C, H, W) and labels (N,), from 0."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self.pixels, self.labels = pixels, labels


def batch(entry: Entry, side: int, classes: int) -> Batch:
    """The images of a file, as it holds them: red, green and blue planes, and labels from 1. Raises ConfigError naming it."""
    where, wide = entry.place, 3 * side * side
    loaded = _loaded(entry)
    pixels = loaded.get("data") if isinstance(loaded, dict) else None
    labels = loaded.get("labels") if isinstance(loaded, dict) else None
    if not isinstance(pixels, np.ndarray) or not isinstance(labels, list | np.ndarray):
        raise ConfigError(f"{where} holds no 'data' and 'labels'; give the batches of down-sampled ImageNet")
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != wide:
        hint = next((f"; it is of imagenet{s}" for s in (8, 16, 32, 64) if pixels.shape[1:] == (3 * s * s,)), "")
        raise ConfigError(f"{where} holds {pixels.dtype} {pixels.shape}, and images of {side} x {side} are uint8 "
                          f"(N, {wide}){hint}")
    numbers = np.asarray(labels)
    if numbers.shape != (len(pixels),) or not np.issubdtype(numbers.dtype, np.integer):
        raise ConfigError(f"{where} has {len(pixels):,} images and labels of {numbers.dtype} {numbers.shape}; it is not whole")
    if len(numbers) and (numbers.min() < 1 or numbers.max() > classes):
        raise ConfigError(f"{where} has labels from {numbers.min()} to {numbers.max()}, and the official ones go from 1 to "
                          f"{classes}; fetch it again")
    return Batch(pixels.reshape(-1, 3, side, side), numbers.astype(np.int16) - 1)


def blocks(entries: list[Entry], side: int, classes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(pixels, labels) of all files, some rows at a time. One file is in memory at once: the rows are copies, so that the last
    ones do not hold on to it while the next is read."""
    for entry in entries:
        one = batch(entry, side, classes)
        for start in range(0, len(one.pixels), ROWS):
            yield one.pixels[start : start + ROWS].copy(), one.labels[start : start + ROWS]
        del one


def _loaded(entry: Entry) -> Any:
    try:
        with opened(entry) as file:
            return _Restricted(_Steps(file), encoding="latin1").load()
    except ConfigError as error:
        raise ConfigError(f"{entry.place} {error}") from error
    except Exception as error:  # a damaged pickle makes its reader stumble anywhere
        raise damaged(entry.place, error) from error


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):  # how old protocols keep bytes
            return _latin
        if (module, name) in _ARRAYS:
            inside, attribute = _ARRAYS[module, name]
            return getattr(import_module(f"numpy._core.{inside}"), attribute)
        raise ConfigError(f"asks for {module}.{name}: a pickle may run anything, and only arrays are "
                          "read; do not trust this file")


def _latin(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ConfigError(f"asks for the encoding {encoding}; do not trust this file")
    return codecs.latin_1_encode(text)[0]


class _Steps:
    """A file that fills a large buffer step by step: what unpacks an archive would make a second one of its size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.read, self.readline = file, file.read, file.readline

    def readinto(self, buffer: memoryview) -> int:
        whole, done = memoryview(buffer), 0
        while done < len(whole) and (part := self._file.read(min(STEP, len(whole) - done))):
            whole[done : done + len(part)] = part
            done += len(part)
        return done
