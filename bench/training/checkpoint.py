"""Checkpoints that are whole or not there: written aside, synced, renamed, and named by their own hash.

A file is `step-00001200-0a1b2c3d4e5f.pt`; the last part is the sha256 of its bytes, so that a flipped byte is found
before anything is trusted. The newest `keep` full checkpoints stay; EMA-only milestones stay for good.
"""

import hashlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

_NAME = re.compile(r"^(step|milestone)-(\d+)-([0-9a-f]{12})\.pt$")


class CheckpointWarning(UserWarning):
    """A damaged checkpoint was passed over."""


def save(folder: Path, step: int, state: Mapping[str, Any], keep: int = 2, kind: str = "step") -> Path:
    """Write `state` for global step `step`; older files of kind "step" beyond `keep` are removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(_canonical(state), buffer)
    content = buffer.getbuffer()
    path = folder / f"{kind}-{step:08d}-{hashlib.sha256(content).hexdigest()[:12]}.pt"
    aside = folder / f".{path.name}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    if kind == "step":
        for old in [p for _, p in _files(folder, "step")][keep:]:
            old.unlink(missing_ok=True)
        for torn in folder.glob(".*.pt.*"):
            torn.unlink(missing_ok=True)
    return path


def newest(folder: Path, kind: str = "step") -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint and its state on the CPU, or None. A damaged one is skipped with a warning."""
    for _, path in _files(folder, kind):
        try:
            return path, load(path)
        except ValueError as error:
            warnings.warn(f"{error}; using an older one if there is any", CheckpointWarning, stacklevel=2)
    return None


def final(folder: Path, name: str, step: int) -> Path | None:
    """The checkpoint that a finished training ended with, by its name, or by its step where no name was kept."""
    if name:
        return folder / name if (folder / name).exists() else None
    return next((path for number, path in _files(folder, "step") if number == step), None)


def reached(folder: Path) -> int:
    """The global step of the newest checkpoint, by its name; 0 without one."""
    return max((step for step, _ in _files(folder, "step")), default=0)


def milestones(folder: Path) -> list[tuple[int, Path]]:
    """(global step, file) of every milestone, oldest first."""
    return sorted(_files(folder, "milestone"))


def whole(found: Iterable[tuple[int, Path]]) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    """The milestones with their states on the CPU. A damaged one is skipped with a warning."""
    for step, path in found:
        try:
            yield step, path, load(path)
        except ValueError as error:
            warnings.warn(f"{error}; this milestone is not scored", CheckpointWarning, stacklevel=2)


def load(path: Path) -> dict[str, Any]:
    """The state stored in one file, on the CPU. Raises ValueError when its bytes are not those that were written."""
    match = _NAME.match(path.name)
    if match is None:
        raise ValueError(f"{path} is not named like a checkpoint (step-NNNNNNNN-HASH.pt)")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest()[:12] != match[3]:
        raise ValueError(f"{path} is damaged: its bytes do not match the hash in its name")
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def digest(path: Path) -> str:
    """The hash that stands in a checkpoint's name."""
    match = _NAME.match(path.name)
    assert match is not None
    return match[3]


def _canonical(value: Any) -> Any:
    """Equal states as equal bytes: pickle otherwise records which equal strings and tuples are the same object."""
    if isinstance(value, Mapping):
        return {_canonical(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_canonical(v) for v in value])
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    return sys.intern(value) if isinstance(value, str) else value


def _files(folder: Path, kind: str) -> Iterator[tuple[int, Path]]:
    """Newest first."""
    found = [(int(m[2]), p) for p in folder.glob(f"{kind}-*.pt") if (m := _NAME.match(p.name))]
    yield from sorted(found, reverse=True)
