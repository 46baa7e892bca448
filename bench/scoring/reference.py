"""Features of real images and their statistics: computed once, kept in the cache folder by the hash of what made them.

A file is whole or not there. Processes that want the same one at once wait for the first; the lock is the operating
system's, so that one who dies lets go of it. Statistics files of others follow clean-fid's convention (mu, sigma).
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from bench.data import DAMAGED
from bench.features import FeatureNet, cache
from bench.features import base as features
from bench.metrics import Gaussian
from bench.protocols import moments
from bench.training import generator

MANY = 2**18  # images whose features are all kept: beyond, KID and the manifolds look at so many of them
VERSION = 1  # bump when the features or statistics of the same images change


class ReferenceWarning(UserWarning):
    """Reference statistics could not be read or kept, and were computed again."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What samples are compared with. features (N, width) float32 on the CPU, N at most MANY; None where only moments are
    known."""

    gaussian: Gaussian
    features: Tensor | None


@dataclass(frozen=True, eq=False)
class Part:
    """Real images of one split: `pixels` uint8 (N, C, H, W) with values 0..levels, and the `source` that identifies them."""

    source: str
    pixels: Tensor
    levels: int

    @cached_property
    def count(self) -> int:
        """N."""
        return len(self.pixels)


def key(part: Part, net: FeatureNet, chunk: int) -> str:
    """The hash of everything that the features' bits depend on."""
    words = (VERSION, part.source, part.count, part.levels, net.name, net.digest, net.resize, chunk, net.device.type)
    return hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()[:24]


def obtain(part: Part, net: FeatureNet, chunk: int, progress: Callable[[int], None] | None = None) -> Reference:
    """The reference of `part`, from the cache or computed now; progress is called with the images done since the last call."""
    path = cache.folder() / "reference" / f"{net.name}-{key(part, net, chunk)}.npz"
    if (found := _read(path, net.device)) is not None:
        return found
    with _lock(path):
        if (found := _read(path, net.device, tell=True)) is not None:  # someone else's work, while this one waited
            return found
        exact, rows = _computed(part, net, chunk, progress)
        # As it will be read, so that no bit depends on who made it.
        made = Reference(Gaussian.of_root(exact.mean, exact.root), rows.cpu())
        _write(path, made)
    return made


def _computed(
    part: Part, net: FeatureNet, chunk: int, progress: Callable[[int], None] | None
) -> tuple[Gaussian, Tensor]:
    """Moments of all features, and the features; of more than MANY images a fixed choice of MANY, and only these are held."""
    if part.count <= MANY:
        rows = features.extract(net, part.pixels, part.levels, chunk, progress)
        return Gaussian.of_samples(rows), rows
    chosen = torch.zeros(part.count, dtype=torch.bool)
    chosen[torch.randperm(part.count, generator=generator("cpu", "reference features", part.count))[:MANY]] = True
    kept = list[Tensor]()

    def passing() -> Iterator[Tensor]:
        begin = 0
        for rows in features.parts(net, part.pixels, part.levels, chunk, progress):
            kept.append(rows.cpu()[chosen[begin : begin + len(rows)]])
            begin += len(rows)
            yield rows

    return Gaussian.of_parts(passing()), torch.cat(kept)


def of_file(path: Path, width: int, device: torch.device | str = "cpu") -> Gaussian:
    """The moments in a statistics file of others: .npz with mu (width,) and sigma (width, width), as clean-fid's.

    Raises ConfigError naming the file and what is wrong with it (`bench.protocols.statistics`).
    """
    return Gaussian.of_moments(*(torch.from_numpy(x).to(device) for x in moments(path, width)))


def _lock(path: Path) -> AbstractContextManager[object]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path.with_suffix(".lock")).acquire()
    except (OSError, NotImplementedError):  # a file system without locks: the work may be done twice, the result is the same
        return nullcontext()


def _read(path: Path, device: torch.device, tell: bool = False) -> Reference | None:
    """What lies there, or None; tell: warn where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            mean, root, rows = (torch.from_numpy(stored[name]) for name in ("mean", "root", "features"))
        return Reference(Gaussian.of_root(mean.to(device), root.to(device)), rows)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except DAMAGED as error:
        if tell:
            warnings.warn(f"{path} is damaged ({error}); its features are computed again", ReferenceWarning, stacklevel=3)
        return None


def _write(path: Path, made: Reference) -> None:
    assert made.features is not None
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(aside, "wb") as file:
            np.savez(file, features=made.features.numpy(), mean=made.gaussian.mean.cpu().numpy(),
                     root=made.gaussian.root.cpu().numpy())
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        warnings.warn(f"{path} cannot be kept ({error.strerror}), and the next run computes it again; set FEWSTEP_CACHE to "
                      "a folder that can be written", ReferenceWarning, stacklevel=3)
