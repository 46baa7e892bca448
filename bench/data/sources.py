"""The sources by name."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.config import OFFICIAL, ConfigError, Data, Points, Surroundings
from bench.data import digits, images, prepared, targets
from bench.data.dataset import Dataset, hold_back, of_class
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


def compared(scored: Surroundings, data: Dataset) -> Dataset:
    """What samples are compared with: the data, or those of the one class that is sampled. Raises ConfigError where it has too
    few images."""
    if (label := scored.evaluation.one_class) is None or data.labels is None:
        return data
    own = of_class(data, label)
    if len(own.train) < 2:
        raise ConfigError(f"evaluation.one_class={label}: data={data.name} has {len(own.train)} of it, which are too few")
    return own


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
    paths = [Path(v).expanduser() for k, v in options.items() if k in ("path", "heldout", "labels") and v]
    return tuple(stamp(path) for path in paths if path.exists())


@lru_cache(maxsize=2)
def _load(
    stamps: tuple[Stamp, ...], source: Callable[..., Dataset], name: str, options: tuple[tuple[str, Any], ...]
) -> Dataset:
    return source(name, **dict(options))
