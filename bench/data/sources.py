"""The sources by name."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.config import OFFICIAL, Data, Points, Surroundings
from bench.data import digits, images, prepared, targets
from bench.data.dataset import Dataset, hold_back
from bench.data.files import Stamp, stamp
from bench.data.manifest import OWN

SOURCES: dict[str, Callable[..., Dataset]] = {
    "digits": digits.load, "cifar10": images.cifar10, "arrays": images.arrays, "folder": images.folder,
    **dict.fromkeys((*OFFICIAL, OWN), prepared.load),
}  # fmt: skip


def dataset(scored: Surroundings) -> Dataset:
    """The data of an experiment, on its own noise, without what a trial of a search holds back. Raises ConfigError."""
    loaded = load(scored.data, scored.interpolant.base_scale)
    return hold_back(loaded, scored.validation) if scored.validation else loaded


def load(data: Data, base_scale: float = 1.0) -> Dataset:
    """The data set of a configuration; an exact target's truth stands on noise of standard deviation `base_scale`.

    Raises ConfigError naming the key or file at fault. The last few are kept, those that are mapped without their
    pixels.
    """
    options = data.model_dump(exclude={"name", "features"})
    if isinstance(data, Points):
        return _load((), targets.load, data.name, (("base_scale", base_scale), *options.items()))
    return _load(_stamps(options), SOURCES[data.name], data.name, tuple(options.items()))


def _stamps(options: Mapping[str, Any]) -> tuple[Stamp, ...]:
    """Of the files behind a data set."""
    paths = [Path(v).expanduser() for k, v in options.items() if k in ("path", "heldout") and v]
    return tuple(stamp(path) for path in paths if path.exists())


@lru_cache(maxsize=2)
def _load(
    stamps: tuple[Stamp, ...], source: Callable[..., Dataset], name: str, options: tuple[tuple[str, Any], ...]
) -> Dataset:
    return source(name, **dict(options))
