"""Points on the true trajectories, for scoring a learned flow map: solved once, then kept in memory or on disk."""

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.truth.base import Truth
from methods.tools import align

VERSION = 1


@dataclass(frozen=True)
class Pairs:
    """x_s (n, d) at times s (n,), and where the exact flow takes them at t >= s: x_t = X_{s,t}(x_s). float64, CPU."""

    x_s: Tensor
    s: Tensor
    t: Tensor
    x_t: Tensor


def map_pairs(truth: Truth, n: int, seed: int, cache: Path | str | None = None) -> Pairs:
    """n pairs with (s, t) uniform on the upper triangle and x_s = I_s, as a function of (truth, n, seed) alone.

    cache: a folder in which solved pairs are kept, one file per key. A damaged file is solved again and replaced.
    """
    return _solved(truth, n, seed) if cache is None else _cached(truth, n, seed, Path(cache))


@lru_cache(maxsize=32)
def _solved(truth: Truth, n: int, seed: int) -> Pairs:
    g = torch.Generator().manual_seed(seed)
    x_1 = truth.sample(n, g)
    x_0 = truth.base_scale * torch.randn(x_1.shape, generator=g, dtype=torch.float64)
    u = torch.rand((2, n), generator=g, dtype=torch.float64)
    s, t = u.min(0).values, u.max(0).values
    x_s = align(1 - s, x_1) * x_0 + align(s, x_1) * x_1
    return Pairs(x_s, s, t, truth.flow(x_s, s, t))


def _cached(truth: Truth, n: int, seed: int, folder: Path) -> Pairs:
    key = hashlib.sha256(f"{VERSION} {truth!r} {n} {seed}".encode()).hexdigest()[:24]
    path = folder / f"pairs-{key}.npz"
    try:
        with np.load(path) as z:
            return Pairs(*(torch.from_numpy(z[name]) for name in ("x_s", "s", "t", "x_t")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pairs = _solved(truth, n, seed)
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as f:
            np.savez(f, x_s=pairs.x_s, s=pairs.s, t=pairs.t, x_t=pairs.x_t)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return pairs
