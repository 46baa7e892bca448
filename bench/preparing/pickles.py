"""The pickled batches of down-sampled ImageNet (Chrabaszcz et al., arXiv 1707.08819), read without running what a pickle says.

A pickle may name any function to be called: here what NumPy's arrays are made of, and nothing else (restricted.py).
The pixels of a batch of ImageNet-64 are 1.6 GB: they are left in the file, and read from there some rows at a time.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from bench.config import ConfigError
from bench.preparing.entries import Entry, damaged, opened
from bench.preparing.restricted import Restricted

ROWS, STEP = 1024, 2**20
LARGE = 2**24  # bytes that are left in the file


def blocks(entries: list[Entry], side: int, classes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(uint8 (n, 3, side, side), labels (n,) from 0) of all files in turn, ROWS at a time.

    A file holds red, green and blue planes, and labels from 1. Raises ConfigError naming one that does not.
    """
    for entry in entries:
        loaded, left = _loaded(entry)
        pixels, labels = _checked(entry.place, loaded, side, classes)
        begin, at = 0, left.get(pixels.ctypes.data)
        for rows in np.split(pixels, range(ROWS, len(pixels), ROWS)) if at is None else _streamed(entry, at, *pixels.shape):
            yield rows.reshape(-1, 3, side, side), labels[begin : begin + len(rows)]
            begin += len(rows)


def _checked(where: str, loaded: Any, side: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The array of pixels, which may have been left in the file, and the labels from 0."""
    wide = 3 * side * side
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
    return pixels, numbers.astype(np.int16) - 1


def _loaded(entry: Entry) -> tuple[Any, dict[int, int]]:
    """What a file holds, and of an array whose numbers were left there: its address -> where they begin."""
    try:
        with opened(entry) as file:
            reader = _Reader(file, LARGE)
            loaded = Restricted(reader, encoding="latin1").load()
        mine = loaded.get("data") if isinstance(loaded, dict) else None
        known = isinstance(mine, np.ndarray) and mine.flags.c_contiguous and set(reader.left) == {mine.ctypes.data}
        if known or not reader.left:
            return loaded, reader.left
        with opened(entry) as file:  # something else is large, or it was copied: not the layout that is known
            return Restricted(_Reader(file, None), encoding="latin1").load(), {}
    except ConfigError as error:
        raise ConfigError(f"{entry.place} {error}") from error
    except Exception as error:  # a damaged pickle makes its reader stumble anywhere
        raise damaged(entry.place, error) from error


def _streamed(entry: Entry, at: int, count: int, wide: int) -> Iterator[np.ndarray]:
    """uint8 (n, wide) rows of a file, from the byte `at`; it is read to its end, where a zip compares its checksum."""
    try:
        with opened(entry) as file:
            _skipped(file, at)
            for start in range(0, count, ROWS):
                rows = np.empty((min(ROWS, count - start), wide), np.uint8)
                if _filled(file, rows.data.cast("B")) < rows.nbytes:
                    raise EOFError("it ends early")
                yield rows
            while file.read(STEP):
                pass
    except (OSError, EOFError, ValueError) as error:
        raise damaged(entry.place, error) from error


class _Reader:
    """A file as a pickle is read from it. left: of buffers of `large` bytes and more, which stay as they are, the address ->
    the byte of the file where their content begins. An array has its buffer's address, and memory that nothing was written to
    takes none."""

    def __init__(self, file: BinaryIO, large: int | None) -> None:
        self._file, self._large, self._at, self.left = file, large, 0, dict[int, int]()

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._at += len(content)
        return content

    def readline(self) -> bytes:
        line = self._file.readline()
        self._at += len(line)
        return line

    def readinto(self, buffer: Any) -> int:
        whole = memoryview(buffer).cast("B")
        if self._large is not None and len(whole) >= self._large:
            self.left[np.frombuffer(whole, np.uint8).ctypes.data] = self._at
            got = _skipped(self._file, len(whole))
        else:
            got = _filled(self._file, whole)
        self._at += got
        return got


def _skipped(file: BinaryIO, size: int) -> int:
    """Go on by so many bytes, which are read: a seek knows of no end, and a zip's checksum is of what was read."""
    left = size
    while left and (part := file.read(min(STEP, left))):
        left -= len(part)
    return size - left


def _filled(file: BinaryIO, buffer: memoryview) -> int:
    """Fill a buffer step by step: what unpacks an archive would make a second one of its size."""
    done = 0
    while done < len(buffer) and (part := file.read(min(STEP, len(buffer) - done))):
        buffer[done : done + len(part)] = part
        done += len(part)
    return done
