"""A copy of the code that a sweep was started with: a job that waits in a queue must not import tomorrow's edits."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sweeps.engine.seam import SweepError

LEFT_OUT = frozenset({"__pycache__", ".git"})
MOST = 50_000_000


def take(packages: Sequence[str], folder: Path) -> Path:
    """Copies importable packages, from a checkout or an installation, to `<folder>/<hash of their contents>`.

    The same code is copied once. What a copy holds is put first on PYTHONPATH by who starts a job. Raises SweepError for
    a package that is not there as files.
    """
    roots = {name: _root(name) for name in packages}
    return _copy({f"{name}/{path.relative_to(root).as_posix()}": path for name, root in roots.items() for path in _files(root)},
                 folder)


def take_folder(root: Path, folder: Path) -> Path:
    """Copies a folder of the user's code to `<folder>/<hash of its contents>`; hidden files and the
    output folder (the one that `folder` is in) are left out. Raises SweepError where it holds more than code, `MOST` bytes."""
    root, outputs = root.resolve(), folder.resolve().parent
    left_out = [outputs] if outputs.is_relative_to(root) else []
    found = [path for path in _files(root) if not any(path.is_relative_to(other) for other in left_out)
             and not any(part.startswith(".") for part in path.relative_to(root).parts)]
    if (size := sum(path.stat().st_size for path in found)) > MOST:
        raise SweepError(f"cannot copy {root} for the jobs: it holds {size / 1e6:,.0f} MB, which is more than code; give the "
                         "modules a folder of their own")
    return _copy({path.relative_to(root).as_posix(): path for path in found}, folder)


def _copy(contents: Mapping[str, Path], folder: Path) -> Path:
    digest = hashlib.sha256()
    for name, path in sorted(contents.items()):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    target = folder / digest.hexdigest()[:16]
    if not target.exists():
        temporary = folder / f".{target.name}.{secrets.token_hex(4)}"
        temporary.mkdir(parents=True)
        for name, path in contents.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, temporary / name)
        try:
            os.replace(temporary, target)
        except OSError:  # another controller was as quick
            shutil.rmtree(temporary)
            if not target.exists():
                raise
    return target


def _root(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SweepError(f"cannot copy the package {name!r} for the jobs: it is not a folder that can be imported here")
    return Path(next(iter(spec.submodule_search_locations)))


def _files(root: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(root):
        below[:] = sorted(set(below) - LEFT_OUT)
        for name in sorted(files):
            path = Path(folder) / name
            if not name.endswith(".pyc") and path.is_file():  # an editor's lock is a link to nowhere
                yield path
