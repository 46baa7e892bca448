"""From choices of groups to plain dictionaries: Hydra composes, once per choice; a method that only fills its own section is
read from its file."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from bench.conf import CONF as CONF
from bench.conf import GROUPS as GROUPS
from bench.conf import folders as folders
from bench.conf import names as names
from bench.config.arguments import PRESETS, quoted
from bench.config.errors import HELP, ConfigError, nearest

Config = dict[str, Any]


def presets(plugins: str | None = None) -> list[str]:
    """The names of papers' whole settings: those sweep files that lie in their folder."""
    return [name.removeprefix(f"{PRESETS}/") for name in names("sweep", plugins) if name.startswith(f"{PRESETS}/")]


def composed(overrides: Sequence[str], plugins: str | None = None) -> Config:
    """One composition as a plain dictionary. Raises ConfigError."""
    try:
        with initialize_config_module("bench.conf", version_base=None):
            config = compose("config", overrides=[*overrides, *_search(plugins)])
            return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]  # a mapping
    except yaml.YAMLError as error:
        raise ConfigError(unreadable(Path(getattr(getattr(error, "problem_mark", None), "name", "a file")), error)) from error
    except RecursionError as error:
        raise ConfigError("a file's list of defaults leads back to the file itself") from error
    except Exception as error:  # Hydra's, OmegaConf's and Python's own, by the kind of mistake
        raise ConfigError(_refused(error)) from error


def _refused(error: Exception) -> str:
    """Hydra's sentence about what it cannot compose, with the key."""
    said = str(error).split("\n")
    if said[0].startswith(merging := "Error merging override "):
        why = str(error.__cause__).split("\n")[0]
        dollar = "; ${KEY} is the value of another key, \\${ the signs themselves" if "${" in said[0] else ""
        return f"{said[0].removeprefix(merging)} cannot be read ({why}){dollar}"
    if (key := getattr(error, "full_key", None)) and key not in said[0]:
        said[0] = f"{key}: {said[0]}"
    return " ".join(said[: 2 if said[0].endswith(":") else 1])


def _search(plugins: str | None) -> list[str]:
    return [] if plugins is None else [f"hydra.searchpath=[{quoted(f'file://{Path(plugins).expanduser().resolve()}')}]"]


class Compositions:
    """The base of every choice of groups of one command: `fixed` are its overrides that hold for all.

    Composing takes a twentieth of a second, and a sweep may have a hundred methods: the others of a composition whose
    method section nothing else has written to differ in that section alone.
    """

    def __init__(self, fixed: Sequence[str], plugins: str | None) -> None:
        self.fixed, self.plugins = list(fixed), plugins
        self._made: dict[tuple[tuple[str, Any], ...], Config] = {}
        self._kept: Config | None = None

    def fixed_method(self) -> str | None:
        """The method that all of the command has, if it has one."""
        return next((text.removeprefix("method=") for text in self.fixed if text.startswith("method=")), None)

    def keep(self, made: Config) -> None:
        """What was composed of the fixed overrides already."""
        self._kept = made

    def base(self, groups: tuple[tuple[str, Any], ...]) -> Config:
        """The composed dictionary of one choice. Raises ConfigError."""
        method = dict(groups).get("method")
        rest = tuple((k, v) for k, v in groups if k != "method")
        if rest in self._made and method is not None and alone(method, self.plugins):
            return {**copy.deepcopy(self._made[rest]), "method": section("method", method, self.plugins)}
        if not groups and self._kept is not None:
            return copy.deepcopy(self._kept)
        made = composed([*self.fixed, *(chosen(k, v, self.plugins) for k, v in groups)], self.plugins)
        own = made["method"]
        if method is not None and alone(method, self.plugins) and own == section("method", method, self.plugins):
            self._made[rest] = made
        return copy.deepcopy(made)


def chosen(group: str, name: Any, plugins: str | None) -> str:
    """The override that chooses an option. Raises ConfigError naming the nearest."""
    return f"{group}={quoted(file_of(group, name, plugins).stem)}"


def alone(method: str, plugins: str | None) -> bool:
    """Whether a method's file says nothing but its own section."""
    text = file_of("method", method, plugins).read_text(encoding="utf-8")
    return not any(word in text for word in ("${", "@package", "defaults:"))


def section(group: str, name: str, plugins: str | None = None) -> Config:
    """One option's own YAML file, uncomposed. Raises ConfigError naming the nearest."""
    file = file_of(group, name, plugins)
    return copy.deepcopy(_read(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=256)
def _read(file: Path, changed: int) -> Config:
    try:
        found = OmegaConf.to_container(OmegaConf.load(file))
        faults = list(_misread(file.read_text(encoding="utf-8")))
    except Exception as error:  # YAML's, OmegaConf's and Python's own, by the kind of mistake
        raise ConfigError(unreadable(file, error)) from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file} must be a mapping of keys, not a list")
    if faults:
        raise ConfigError(*(f"{file}, line {line}: {fault}" for line, fault in faults))
    return found  # type: ignore[return-value]  # its keys are checked where they are used


ODD = r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)"  # octal and base 60, which nobody means


def _misread(text: str) -> Iterator[tuple[int, str]]:
    """What YAML takes for something else than is seen, with its line."""
    if text.startswith("\ufeff"):
        yield 1, "begins with a byte order mark, which is read as a part of the first key; save it as UTF-8 without one"
    if not re.search(r"(?<![\w.+-])[-+]?0\d|\d:\d", text):  # the rest takes a second look at the whole file
        return
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and re.fullmatch(ODD, event.value):
            means = yaml.safe_load(event.value)
            line = event.start_mark.line + 1 if event.start_mark else 1
            yield line, f"{event.value} is {means} in YAML; write {means}, or '{event.value}' for the text"


def defaults(method: str, plugins: str | None = None) -> Config:
    """A method's section at its defaults."""
    if alone(method, plugins):
        return section("method", method, plugins)
    made: Config = composed([f"method={method}", "sweep=none"], plugins)["method"]
    return made


def unreadable(file: Path, error: Exception) -> str:
    """What is said of a file that is no YAML: its place and the first thing that is wrong."""
    if isinstance(error, UnicodeDecodeError):
        return f"{file} cannot be read: byte {error.start} is not UTF-8; save it as UTF-8"
    if isinstance(error, OSError):
        return f"{file} cannot be read: {error.strerror or 'it holds no keys'}"
    if isinstance(error, RecursionError):
        return f"{file} cannot be read as YAML: something in it contains itself, or is too deep"
    mark = getattr(error, "problem_mark", None)
    place = f", line {mark.line + 1}" if mark is not None else ""
    why = getattr(error, "problem", None) or str(error).split("\n")[0]
    return f"{file}{place} cannot be read as YAML: {why}; indent with spaces, close every bracket, say every key once"


def file_of(group: str, name: str, plugins: str | None = None) -> Path:
    """The YAML file of an option. Raises ConfigError naming the nearest."""
    for folder in folders(group, plugins):
        if (path := folder / f"{name}.yaml").exists():
            return path
    raise nearest(group, name, names(group, plugins), f"{HELP} {group}")


def keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a nested mapping."""
    for key, value in config.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from keys(value, f"{prefix}{key}.")
