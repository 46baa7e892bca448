"""The sources by name, and the checks that their configs share."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.config.errors import ConfigError, nearest
from bench.data import digits, images, targets
from bench.data.dataset import Dataset
from bench.data.files import file_hash, tree_hash
from bench.truth import TARGETS

Config = Mapping[str, Any]

_SOURCES: dict[str, tuple[Callable[..., Dataset], tuple[str, ...]]] = {
    "digits": (digits.load, ()),
    **dict.fromkeys(TARGETS, (targets.load, ("base_scale", "count"))),
    "cifar10": (images.cifar10, ("root", "download")),
    "arrays": (images.arrays, ("path", "heldout", "limit", "flip")),
    "folder": (images.folder, ("path", "size", "flip")),
}
NAMES = tuple(_SOURCES)
_OF_THE_HARNESS = ("name", "features")
_COUNTS = {"limit": images.FEWEST, "size": 1, "count": 1}  # options that are whole numbers, and their least value


def load(config: Config) -> Dataset:
    """The data set of a config such as {"name": "digits"} or {"name": "arrays", "path": "mine.npy"}.

    Raises ConfigError naming the key or file at fault. The last few are kept in memory.
    """
    source, options = _checked(config)
    return _load(_stamp(options), source, config["name"], tuple(options.items()))


def fingerprint(config: Config) -> str | None:
    """A hash of the content that needs no image decoded; None where the name and options alone identify it."""
    _, options = _checked(config)
    if config["name"] == "arrays":
        held = options.get("heldout")
        return file_hash("data.path", options["path"]) + (file_hash("data.heldout", held) if held else "")
    return tree_hash("data.path", options["path"]) if config["name"] == "folder" else None


def _stamp(options: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Size and time of the files behind a data set: one that was rewritten is read again."""
    paths = [Path(v).expanduser() for k, v in options.items() if k in ("path", "heldout") and v]
    return tuple((p.stat().st_size, p.stat().st_mtime_ns) for p in paths if p.exists())


@lru_cache(maxsize=2)
def _load(
    stamp: tuple[tuple[int, int], ...], source: Callable[..., Dataset], name: str, options: tuple[tuple[str, Any], ...]
) -> Dataset:
    return source(name, **dict(options))


def _checked(config: Config) -> tuple[Callable[..., Dataset], dict[str, Any]]:
    if config.get("name") not in _SOURCES:
        raise nearest("data", config.get("name"), _SOURCES)
    source, known = _SOURCES[config["name"]]
    options = {k: v for k, v in config.items() if k not in _OF_THE_HARNESS}
    for key in options:
        if key not in known:
            raise nearest("data", key, known)
        _check_value(key, options[key])
    if "path" in known and options.get("path") in (None, "???"):
        raise ConfigError(f"data={config['name']} needs data.path=, the {_KIND[config['name']]} with your images")
    return source, options


def _check_value(key: str, value: Any) -> None:
    if isinstance(value, list | Mapping):
        raise ConfigError(f"data.{key}={value} must be a single value")
    if key in _COUNTS and value is not None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < _COUNTS[key]:
            raise ConfigError(f"data.{key}={value} must be a whole number of at least {_COUNTS[key]}, or null")


_KIND = {"arrays": ".npy or .npz file", "folder": "folder"}
