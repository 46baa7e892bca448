"""Paths that users give: one clear error with the nearest existing names, and content hashes without decoding."""

import hashlib
import os
from pathlib import Path

from bench.config import ConfigError
from results.records import near

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
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_hash(key: str, path: str | Path) -> str:
    """sha256 over names and bytes of a folder's image files."""
    digest, folder = hashlib.sha256(), existing(key, path)
    for file in image_files(key, folder):
        digest.update(os.fsencode(file.relative_to(folder)))
        digest.update(file.read_bytes())
    return digest.hexdigest()


def image_files(key: str, path: str | Path) -> list[Path]:
    """The image files below a folder, sorted, without hidden ones. Raises ConfigError when there is none."""
    path = existing(key, path)
    if not path.is_dir():
        raise ConfigError(f"{key}={path} is a file; data=arrays reads .npy and .npz files")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not _hidden(p.relative_to(path)))
    if not files:
        raise ConfigError(f"{key}={path} holds no image file ({', '.join(SUFFIXES)})")
    return files


def _hidden(path: Path) -> bool:
    """What tools leave beside images: names with a leading dot, and __MACOSX of unpacked archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
