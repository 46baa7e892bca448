"""The sources by name, and what is known of their content without decoding it."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.config import Arrays, Data, Folder, Points, Surroundings
from bench.data import digits, images, targets
from bench.data.dataset import Dataset, hold_back
from bench.data.files import file_hash, tree_hash

SOURCES: dict[str, Callable[..., Dataset]] = {
    "digits": digits.load, "cifar10": images.cifar10, "arrays": images.arrays, "folder": images.folder,
}  # fmt: skip


def dataset(scored: Surroundings) -> Dataset:
    """The data of an experiment, on its own noise, without what a trial of a search holds back. Raises ConfigError."""
    loaded = load(scored.data, scored.interpolant.base_scale)
    return hold_back(loaded, scored.validation) if scored.validation else loaded


def load(data: Data, base_scale: float = 1.0) -> Dataset:
    """The data set of a configuration; an exact target's truth stands on noise of standard deviation `base_scale`.

    Raises ConfigError naming the key or file at fault. The last few are kept in memory.
    """
    options = data.model_dump(exclude={"name", "features"})
    if isinstance(data, Points):
        return _load((), targets.load, data.name, (("base_scale", base_scale), *options.items()))
    return _load(_stamp(options), SOURCES[data.name], data.name, tuple(options.items()))


def fingerprint(data: Data) -> str | None:
    """A hash of the content that needs no image decoded; None where the name and options alone identify it."""
    if isinstance(data, Arrays):
        return file_hash("data.path", data.path) + (file_hash("data.heldout", data.heldout) if data.heldout else "")
    return tree_hash("data.path", data.path) if isinstance(data, Folder) else None


def _stamp(options: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Size and time of the files behind a data set: one that was rewritten is read again."""
    paths = [Path(v).expanduser() for k, v in options.items() if k in ("path", "heldout") and v]
    return tuple((p.stat().st_size, p.stat().st_mtime_ns) for p in paths if p.exists())


@lru_cache(maxsize=2)
def _load(
    stamp: tuple[tuple[int, int], ...], source: Callable[..., Dataset], name: str, options: tuple[tuple[str, Any], ...]
) -> Dataset:
    return source(name, **dict(options))
