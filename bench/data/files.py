"""Paths that users give: one clear error with the nearest existing names, content hashes, and the images below a folder with
the classes that its folders are."""

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from bench.config import ConfigError
from results.records import near

Stamp = tuple[int, int]
DAMAGED = (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error)
"""What np.load raises of files that are no whole .npz."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def existing(key: str, path: str | Path) -> Path:
    """The path, ~ expanded, if it exists. Raises ConfigError naming the key and the nearest entries beside it."""
    path = Path(str(path)).expanduser()
    if path.exists():
        return path
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    entries = [p.name for p in parent.iterdir()] if parent.is_dir() else []
    close = near(path.name, entries, 3, 0.3) or sorted(entries)[:5]
    hint = f"; {parent} has {', '.join(close)}" if close else ""
    raise ConfigError(f"{key}={path} does not exist{hint}")


def file_hash(key: str, path: str | Path) -> str:
    """sha256 of one file's bytes."""
    path = existing(key, path)
    if path.is_dir():
        way = "data=folder reads folders of image files" if key.startswith("data.") else "name the file in it"
        raise ConfigError(f"{key}={path} is a folder; {way}")
    return _hash(path, stamp(path))


@lru_cache(maxsize=8)
def _hash(path: Path, stamp: Stamp) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: Path) -> Stamp:
    """Size and time of a file: one that was rewritten is read again."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


class Labels(NamedTuple):
    """values: int64 (N,), or None and `why` there are none that can be used. there: whether any were found."""

    values: np.ndarray | None
    why: str = ""
    there: bool = True

    def first(self, count: int | None) -> "Labels":
        """Of so many images only; None: of all."""
        return self if self.values is None else self._replace(values=self.values[:count])


@dataclass(frozen=True)
class Tree:
    """What lies below a folder: its image files in the order of their names, and how much is passed over, by reason."""

    files: tuple[Path, ...]
    skipped: tuple[tuple[str, int], ...]


def tree(key: str, path: str | Path) -> Tree:
    """The images below a folder, in linked folders too. Raises ConfigError when there is none, or a folder cannot be read."""
    path = existing(key, path)
    if not path.is_dir():
        raise ConfigError(f"{key}={path} is a file; data=arrays reads .npy and .npz files")
    skipped: Counter[str] = Counter()
    files = sorted(_walked(key, path, (path.resolve(),), skipped))
    if not files:
        raise ConfigError(f"{key}={path} holds no image file ({', '.join(SUFFIXES)})")
    return Tree(tuple(files), tuple(sorted(skipped.items())))


def _walked(key: str, folder: Path, above: tuple[Path, ...], skipped: Counter[str]) -> Iterator[Path]:
    """above: the folders that lead here; a link to one of them has no end."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise ConfigError(f"{key}: {folder} cannot be read ({error.strerror}); make it readable or move it away") from error
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name == "__MACOSX":  # what tools leave beside images
            skipped["hidden"] += 1
        elif entry.is_dir():
            real = path.resolve() if entry.is_symlink() else above[-1] / entry.name
            if real in above:
                skipped["links to a folder around them"] += 1
            else:
                yield from _walked(key, path, (*above, real), skipped)
        elif path.suffix.lower() in SUFFIXES:
            yield path
        else:
            skipped[f"no images ({path.suffix.lower() or 'without a suffix'})"] += 1


def folder_labels(path: str | Path, files: Sequence[Path]) -> Labels:
    """The first folder below `path` that an image lies in is its class, numbered by name."""
    root = existing("data.path", path)
    above = [file.relative_to(root).parts[:-1] for file in files]
    if loose := next((file for file, parts in zip(files, above, strict=True) if not parts), None):
        return Labels(None, f"data.path={path} has no labels: {loose.name} lies in no folder of a class; move every image into "
                            "one folder for each class")
    number = {name: i for i, name in enumerate(sorted({parts[0] for parts in above}))}
    return Labels(np.array([number[parts[0]] for parts in above], np.int64))
