"""What a prepared folder says of itself, and whether its files are still those that were written.

    FOLDER/train.npy, heldout.npy                 uint8 (N, C, H, W), read as mapped files
    FOLDER/train_labels.npy, heldout_labels.npy   int16 (N,), from 0; not of every set
    FOLDER/manifest.json                          written last: a folder without it is no data set
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.config import OFFICIAL, ConfigError, nearest

FILE, WRITER = "manifest.json", 1  # bump WRITER when the same source gives other pixels: it is part of the hash
OWN = "prepared"
BLOCK = 2**22


class Counts(NamedTuple):
    """Images of an official set."""

    train: int
    heldout: int


_IMAGENET = {"box": Counts(1_281_167, 50_000), "oord": Counts(1_281_149, 49_999), "adm-crop": Counts(1_281_167, 50_000),
             "lanczos-crop": Counts(1_281_167, 50_000)}
_AFHQ = Counts(15_803, 0)
COUNTS: dict[str, dict[str, Counts]] = {
    "imagenet32": _IMAGENET, "imagenet64": _IMAGENET, "celeba64": {"crop140-area": Counts(162_770, 19_962)},
    "afhq64": {"v2-area": _AFHQ, "v2-lanczos": _AFHQ},
}  # fmt: skip
"""By version, the default first."""


class Written(NamedTuple):
    """A file: its bytes, the second of its last change, and its sha256."""

    bytes: int
    changed: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """name: of the kind that was prepared; version: how its images were made, `how` and `rounding` in words.

    split: which images are held out; subset: whether they are fewer than the official ones. shape: (C, H, W).
    made_with: versions of what computed the pixels, and from which files; no part of the hash.
    """

    name: str
    version: str
    split: str
    subset: bool
    how: str
    rounding: str
    shape: tuple[int, int, int]
    train: int
    heldout: int
    files: Mapping[str, Written]
    made_with: Mapping[str, str]
    writer: int = WRITER

    @property
    def hash(self) -> str:
        """sha256 of all that the images are: the files' own hashes, and how they were made."""
        said = {key: value for key, value in asdict(self).items() if key not in ("files", "made_with")}
        content = {name: file.sha256 for name, file in self.files.items()}
        return hashlib.sha256(json.dumps([said, content], sort_keys=True).encode()).hexdigest()

    @property
    def text(self) -> str:
        """As it is written."""
        files = {name: file._asdict() for name, file in self.files.items()}
        return json.dumps({**asdict(self), "files": files, "hash": self.hash}, indent=2) + "\n"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of numbers must know."""
        few = ["a subset of the official set"] if self.subset else []
        return (f"prepared as {self.name} {self.version}, split {self.split}", *few)


def command(name: str, path: str | Path) -> str:
    """What prepares a set."""
    kind = name if name in OFFICIAL else "folder"
    return f"python -m bench.prepare {kind} --source PATH --out {path}"


def missing(name: str, path: str | Path) -> str:
    """Why there is nothing to load at `path`; "" where something was prepared."""
    folder = Path(path).expanduser()
    if (folder / FILE).is_file():
        return ""
    what = f"has no {FILE}: it was not prepared, or not to its end" if folder.exists() else "does not exist"
    return f"data.path={path} {what}; prepare it by {command(name, path)}"


def read(key: str, path: str | Path) -> Manifest:
    """The manifest of a folder that has one, its files unread but there, of their size and not changed since.

    Raises ConfigError naming `key`, the folder or file, and the way out.
    """
    folder = Path(path).expanduser()
    found = _parsed(key, folder)
    for name, file in found.files.items():
        _checked(f"{key}={folder / name}", folder, name, file)
    return found


def verify(key: str, path: str | Path, progress: Callable[[int], None] | None = None) -> Manifest:
    """The manifest after every byte was hashed again. Files that were copied here are from then on known by their new times.

    progress: called with the bytes read since its last call. Raises ConfigError for a file that is not what was written.
    """
    folder = Path(path).expanduser()
    found, seen = _parsed(key, folder), dict[str, Written]()
    for name, file in found.files.items():
        at = folder / name
        if not at.is_file() or at.stat().st_size != file.bytes or digest(at, progress) != file.sha256:
            raise ConfigError(f"{key}={at} is not the file that was prepared; remove {folder} and prepare it again by "
                              f"{command(found.name, folder)}")
        seen[name] = file._replace(changed=int(at.stat().st_mtime))
    kept = Manifest(**{**vars(found), "files": seen})
    if kept != found:
        aside = folder / f".{FILE}.tmp"
        aside.write_text(kept.text, encoding="utf-8")
        aside.replace(folder / FILE)
    return kept


def digest(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """sha256 of a file, read in blocks."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            whole.update(block)
            if progress is not None:
                progress(len(block))
    return whole.hexdigest()


def version(key: str, name: str, wanted: str | None) -> str:
    """The version of an official set: the one asked for, or its default. Raises ConfigError with the nearest."""
    known = COUNTS[name]
    if wanted is not None and wanted not in known:
        raise nearest(key, wanted, known)
    return wanted or next(iter(known))


def _parsed(key: str, folder: Path) -> Manifest:
    path = folder / FILE
    again = f"remove {folder} and prepare it again"
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        stated = said.pop("hash")
        files = {name: Written(**file) for name, file in said.pop("files").items()}
        found = Manifest(**{**said, "files": files, "shape": tuple(said["shape"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error).split("\n")[0] or type(error).__name__
        raise ConfigError(f"{key}={path} is not a manifest that this version reads ({why}); {again}") from error
    if found.hash != stated:
        raise ConfigError(f"{key}={path} was changed after it was written (its hash is another); {again}")
    return found


def _checked(what: str, folder: Path, name: str, file: Written) -> None:
    at = folder / name
    if not at.is_file():
        raise ConfigError(f"{what} is missing; remove {folder} and prepare it again")
    size, changed = at.stat().st_size, int(at.stat().st_mtime)
    if size != file.bytes:
        raise ConfigError(f"{what} has {size:,} bytes and {file.bytes:,} were written; remove {folder} and prepare it again")
    if changed != file.changed:
        raise ConfigError(f"{what} was copied or changed since it was prepared; python -m bench.prepare --verify {folder} "
                          "hashes it again, and accepts what is the same")
