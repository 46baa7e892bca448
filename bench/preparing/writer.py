"""A prepared folder, whole or not there: written beside its place, and renamed when its last file is on the disk."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from filelock import FileLock, Timeout

from bench.config import ConfigError
from bench.data import manifest

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Array:
    """A .npy file that grows row by row, hashed as it is written: a mapped file would end the process on a full disk."""

    def __init__(self, path: Path, count: int, shape: tuple[int, ...], dtype: str) -> None:
        self.path, self.count, self.written = path, count, 0
        self._shape, self._dtype, self._hash = shape, np.dtype(dtype), hashlib.sha256()
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed with the array
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(self, header)

    def write(self, content: bytes | memoryview) -> None:
        """Bytes as they are."""
        self._file.write(content)
        self._hash.update(content)

    def add(self, rows: np.ndarray) -> None:
        """More rows (n, *shape)."""
        assert rows.shape[1:] == self._shape, "rows are of one shape"
        self.written += len(rows)
        self.write(np.ascontiguousarray(rows, self._dtype).data.cast("B") if rows.size else b"")

    def close(self) -> manifest.Written:
        """What was written; it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        found = self.path.stat()
        return manifest.Written(found.st_size, int(found.st_mtime), self._hash.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@contextmanager
def folder(target: Path, size: int) -> Iterator[Path]:
    """A new folder beside `target`, which becomes it when all went well, and is gone when it did not.

    size: the bytes that are to come. What an interrupted preparation left is removed. Raises ConfigError where another one is
    at work on the same folder, or the disk is full.
    """
    aside, lock = target.with_name(f".{target.name}.partial"), target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            try:
                shutil.rmtree(aside, ignore_errors=True)
                if shutil.disk_usage(target.parent).free < size:
                    raise full(target, size)
                aside.mkdir()
                yield aside
                _on_disk(aside)
                os.rename(aside, target)
                _on_disk(target.parent)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
                lock.unlink(missing_ok=True)
    except Timeout as error:
        raise ConfigError(f"{target} is being prepared by another process; wait for it") from error
    except OSError as error:
        if error.errno in FULL:
            raise full(target, size) from error
        raise ConfigError(f"{target} cannot be written ({error.strerror or error}); give another --out") from error


def finish(aside: Path, said: manifest.Manifest) -> None:
    """Write the manifest, the last file."""
    with open(aside / manifest.FILE, "w", encoding="utf-8") as file:
        file.write(said.text)
        file.flush()
        os.fsync(file.fileno())


def full(target: Path, size: int) -> ConfigError:
    """What is said of a full disk."""
    free = shutil.disk_usage(target.parent).free
    return ConfigError(f"{target} needs {size / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free or allowed there; make room or "
                       "give another --out")


def _on_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
