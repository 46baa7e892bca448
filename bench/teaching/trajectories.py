"""A teacher's solved trajectories on disk: generated once for a teacher and its settings, whole or not there.

A file `KEY.pt` begins with the sha256 of what follows. The key names the teacher's weights and run, the settings and
the noise, so that a file is never served for another question; a damaged one is told and made again. Workers that want
the same file at the same time each solve it; the first to finish keeps its place, and all go on with what lies there.
"""

import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.data import content_hash
from bench.nets import counting
from bench.teaching.teacher import Teacher
from bench.training import CheckpointWarning, generator
from methods.base import Trajectories
from methods.tools import solve

VERSION = 1  # bump when the solver or the noise is mended, and with it the version of the methods that use it
CHUNK = 256  # trajectories per network call: part of the bits
DIGEST = 64


@dataclass(frozen=True)
class Solved:
    """states (count, 1 + times, *shape) float32 on the CPU, the noise first; what they cost when they were made."""

    states: Tensor
    evaluations: int  # rows through the teacher, as counted
    seconds: float


class _Stopped(Exception):
    """The run should stop."""


def obtain(
    folder: Path, teacher: Teacher, wanted: Trajectories, shape: tuple[int, ...], base_scale: float, device: torch.device,
    stop: Callable[[float], bool] = lambda share: False,
) -> Solved | None:
    """The trajectories in `folder`, solved first where no whole file lies there; None if `stop`, which is told how much of them
    is solved (in [0, 1]), said so meanwhile."""
    path = folder / f"{key(teacher, wanted, shape, base_scale)}.pt"
    if (found := _read(path)) is not None:
        return found
    try:
        solved = _solved(teacher, wanted, shape, base_scale, device, stop)
    except _Stopped:
        return None
    _publish(path, solved)
    return _read(path) or solved


def key(teacher: Teacher, wanted: Trajectories, shape: tuple[int, ...], base_scale: float) -> str:
    """24 hex digits that stand for everything the trajectories are a function of."""
    weights = [part for name, value in sorted(teacher.net.state_dict().items()) for part in (name, value.cpu())]
    return content_hash(*weights, repr((VERSION, CHUNK, teacher.run_id, wanted, tuple(shape), float(base_scale))))[:24]


def _solved(
    teacher: Teacher, wanted: Trajectories, shape: tuple[int, ...], base_scale: float, device: torch.device,
    stop: Callable[[float], bool],
) -> Solved:
    told = begin = time.monotonic()
    chunks = -(-wanted.count // CHUNK)
    rows = chunks * CHUNK * wanted.solver.order * (len(wanted.times) - 1)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        nonlocal told
        if (now := time.monotonic()) - told > 0.5:
            told = now
            if stop(count.rows / rows):
                raise _Stopped
        return teacher.velocity(x, t, None)

    states = []
    with torch.no_grad(), counting(teacher.net) as count:
        for index in range(chunks):
            g = generator("cpu", "trajectories", teacher.run_id, index)
            x_0 = base_scale * torch.randn((CHUNK, *shape), generator=g).to(device)
            states.append(solve(wanted.solver, velocity, x_0, wanted.times, wanted.kept).cpu())
    return Solved(torch.cat(states)[: wanted.count].clone(), count.rows, time.monotonic() - begin)


def _publish(path: Path, solved: Solved) -> None:
    """Write aside, then take the place unless a whole file has come to lie there."""
    buffer = io.BytesIO()
    torch.save(vars(solved), buffer)
    content = buffer.getbuffer()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "wb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if _read(path, tell=False) is None:
            os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _read(path: Path, tell: bool = True) -> Solved | None:
    """None where there is no whole file. Raises OSError for one that cannot be read at all."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(memoryview(content)[DIGEST:]).hexdigest().encode() == content[:DIGEST]:
        return Solved(**torch.load(io.BytesIO(memoryview(content)[DIGEST:]), weights_only=True))
    if tell:
        warnings.warn(f"{path} is damaged: its bytes do not match its hash; solving again", CheckpointWarning, stacklevel=3)
    return None
