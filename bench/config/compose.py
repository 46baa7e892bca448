"""From a command line to plain dictionaries: Hydra composes, once per choice of groups; the rest is dictionaries.

What the command line says wins over the sweep file, axes included: `method=lsd seed=0,1` narrows the sweep to that.
A wrong name is an error that names the key and the nearest valid names.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bench.config.errors import ConfigError, nearest
from sweeps.plan import expand, one_at_a_time

CONF = Path(__file__).parents[1] / "conf"
GROUPS = ("data", "backbone", "method", "sweep", "backend")
SWEEP = ("name", "axes", "also", "only", "one_at_a_time", "knobs", "note", "published", "search")
Config = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """One `key=value` of the command line; several values (`a,b`) make an axis."""

    key: str
    values: tuple[Any, ...]
    text: str

    @property
    def is_axis(self) -> bool:
        return len(self.values) > 1

    def single(self, value: Any) -> str:
        return self.text if not self.is_axis else f"{self.key}={value}"


def parse(arguments: Sequence[str]) -> list[Given]:
    """The command line's overrides. Raises ConfigError on what is not `key=value`."""
    given = []
    for text in arguments:
        if "=" not in text:
            raise ConfigError(f"{text!r} is not of the form key=value, for example method=lsd or budget.images=100000")
        try:
            override: Override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            raise ConfigError(f"{text!r} cannot be read: {error}") from error
        values = tuple(override.sweep_iterator()) if override.is_sweep_override() else (override.value(),)
        given.append(Given(override.key_or_group, values, text))
    return given


def names(group: str, plugins: str | None = None) -> list[str]:
    """The options of a config group, those of the plug-in folder included."""
    folders = [CONF / group] + ([Path(plugins) / group] if plugins else [])
    return sorted(p.relative_to(folder).with_suffix("").as_posix() for folder in folders for p in folder.rglob("*.yaml"))


def composed(overrides: Sequence[str], plugins: str | None = None) -> Config:
    """One composition as a plain dictionary."""
    search = [f"hydra.searchpath=[file://{Path(plugins).resolve()}]"] if plugins else []
    try:
        with initialize_config_module("bench.conf", version_base=None):
            config = compose("config", overrides=[*overrides, *search])
            return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]
    except (HydraException, OmegaConfBaseException) as error:
        said = str(error).split("\n")
        raise ConfigError(" ".join(said[: 2 if said[0].endswith(":") else 1])) from error


@dataclass(frozen=True)
class Request:
    """A whole command: the settings that hold for all of it, and one plain config per experiment."""

    settings: Config
    experiments: list[Config]


def request(arguments: Sequence[str]) -> Request:
    """Compose a command line into experiments. Raises ConfigError naming the key at fault."""
    given = parse(arguments)
    plugins = next((g.values[0] for g in given if g.key == "plugins"), None)
    if plugins is not None and not Path(plugins).is_dir():
        raise ConfigError(f"plugins={plugins} is not a folder")
    _check_groups(given, plugins)
    chosen = [g.single(g.values[0]) for g in given if g.key in GROUPS]
    _check_keys(given, composed(chosen, plugins), plugins)
    knobs = [g for g in given if g.key.startswith("method.")]
    plain = [g for g in given if g not in knobs]
    settings = composed([g.text for g in plain if not g.is_axis], plugins)
    _check_sweep(settings["sweep"])
    axes = _axes(settings["sweep"], given)
    fixed = [g.text for g in plain if g.key not in axes]
    experiments = list(_experiments(axes, given, fixed, knobs, settings["sweep"], plugins))
    used = {g.key for config in experiments for g in knobs if has(config, g.key)}
    for g in knobs:
        if g.key not in used:
            raise nearest("method", g.key.removeprefix("method."), experiments[0]["method"])
    return Request(settings, experiments)


def whole(arguments: Sequence[str]) -> list[Config]:
    """The experiments of the sweep that a command line narrows (`method=lsd`), on the same data; [] where it does not."""
    narrow = request(arguments)
    sweep = narrow.settings["sweep"]
    keys = set(sweep["axes"]).union(*sweep.get("also", []))
    rest = [g.text for g in parse(arguments) if g.key not in keys]
    if len(rest) == len(arguments):
        return []
    try:
        found = request(rest).experiments
    except ConfigError:  # a knob that only the chosen method has
        return []
    return [config for config in found if config["data"] == narrow.experiments[0]["data"]]


def with_method(config: Mapping[str, Any], name: str, plugins: str | None = None) -> Config:
    """The same experiment with another method at its defaults (a teacher)."""
    other: Config = copy.deepcopy(dict(config))
    defaults = _defaults(name, plugins)
    other["method"] = copy.deepcopy(defaults)
    for knob, value in {**config["sweep"]["knobs"].get(name, {}), **config.get("knobs", {})}.items():
        if has(other, f"method.{knob}"):
            put(other, f"method.{knob}", copy.deepcopy(value))
    other["label"] = name
    return other


@lru_cache
def _defaults(method: str, plugins: str | None) -> Config:
    knobs: Config = composed([f"method={method}", "sweep=none"], plugins)["method"]
    return knobs


def _axes(sweep: Mapping[str, Any], given: Sequence[Given]) -> dict[str, list[Any]]:
    axes = {key: list(values) for key, values in sweep["axes"].items()}
    for g in given:
        if g.key in axes or g.is_axis:
            value = g.values[0]
            axes[g.key] = list(value) if isinstance(value, list) and not g.is_axis and g.key in axes else list(g.values)
    return axes


def _experiments(
    axes: Mapping[str, list[Any]], given: Sequence[Given], fixed: Sequence[str], knobs: Sequence[Given],
    sweep: Mapping[str, Any], plugins: str | None,
) -> Iterator[Config]:
    bases: dict[tuple[Any, ...], Config] = {}
    alike: dict[str, Config | None] = {}
    for point in _points(axes, sweep, given):
        seed = point.pop("seed", None)
        if (key := repr(point)) not in alike:
            groups = tuple((k, v) for k, v in point.items() if k in GROUPS)
            if groups not in bases:
                bases[groups] = _base(groups, fixed, knobs, sweep, plugins)
            alike[key] = _experiment(bases[groups], point, axes, sweep.get("one_at_a_time", {}))
        if (config := alike[key]) is not None:  # what differs in its seed alone shares all the rest
            yield {**config, "seed": config["seed"] if seed is None else seed}


def _experiment(base: Config, point: Mapping[str, Any], axes: Mapping[str, list[Any]],
                varies: Mapping[str, Any]) -> Config | None:
    """The base with one point's values; None if a knob that the method lacks makes it a repetition."""
    config = copy.deepcopy(base)
    varied = {k: v for k, v in point.items() if k not in GROUPS}
    for key, value in varied.items():
        if has(config, key):
            put(config, key, value)
        elif key.startswith("method.") and key in varies:
            return None
        elif not (key.startswith("method.") and key in axes):  # else its one run stands without it
            where = "axes" if key in axes else "one_at_a_time" if key in varies else "also"
            raise nearest(f"sweep.{where}", key, _keys(config))
        elif value != axes[key][0]:
            return None
    shown = [f"{k.removeprefix('method.')}={v}" for k, v in varied.items() if has(config, k)]
    config["label"] = " ".join([config["method"]["name"], *shown])
    return config


def _points(axes: Mapping[str, list[Any]], sweep: Mapping[str, Any], given: Sequence[Given]) -> list[dict[str, Any]]:
    """The cross product of the axes, one-at-a-time variations of it, then each point of the list `sweep.also`, spread
    over the axes that it leaves open.

    Where the sweep's axes name no method the list is all there is. What the command line says narrows the list too.
    `sweep.only` names the methods that an axis is for: the others stand once, without it.
    """
    also = sweep.get("also", [])
    chosen = {g.key: g.values[0] if isinstance(g.values[0], list) else g.values for g in given}
    listed = [point for point in also if all(value in chosen.get(key, (value,)) for key, value in point.items())]
    crossed = expand(axes) if "method" in sweep["axes"] or not also else []
    crossed = _conditional(crossed, axes, sweep.get("only", {}))
    varied = {key: values for key, values in sweep.get("one_at_a_time", {}).items() if key not in chosen}
    crossed = [p for point in crossed for p in one_at_a_time(point, varied)]
    points = crossed + [p for fixed in listed for p in expand({k: v for k, v in axes.items() if k not in fixed}, fixed)]
    if not points:
        raise ConfigError(f"sweep={sweep['name']}: the command line leaves none of its runs; see sweep.also in its file")
    return points


def _conditional(points: list[dict[str, Any]], axes: Mapping[str, list[Any]],
                 only: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The points without the axes that are not for their method, each once."""
    for key, methods in only.items():
        if key not in axes:
            raise nearest("sweep.only", key, axes)
        for name in methods:
            if name not in axes.get("method", [name]) and name not in names("method"):
                raise nearest(f"sweep.only.{key}", name, axes.get("method", []))
        points = [point if point.get("method") in methods else {k: v for k, v in point.items() if k != key}
                  for point in points if point.get("method") in methods or point[key] == axes[key][0]]
    return points


def _base(
    groups: tuple[tuple[str, Any], ...], fixed: Sequence[str], knobs: Sequence[Given], sweep: Mapping[str, Any],
    plugins: str | None,
) -> Config:
    config = composed([*fixed, *(f"{k}={v}" for k, v in groups)], plugins)
    for knob, value in sweep["knobs"].get(config["method"]["name"], {}).items():
        if not has(config, f"method.{knob}"):
            raise nearest(f"sweep.knobs.{config['method']['name']}", knob, config["method"])
        put(config, f"method.{knob}", value)
    for g in knobs:
        if not g.is_axis and has(config, g.key):
            put(config, g.key, g.values[0])
    # A teacher takes those of the command line's knobs that its method has.
    config["knobs"] = {g.key.removeprefix("method."): g.values[0] for g in knobs if not g.is_axis}
    return config


def _check_groups(given: Sequence[Given], plugins: str | None) -> None:
    for g in given:
        if g.key in GROUPS:
            for value in g.values if g.is_axis or not isinstance(g.values[0], list) else g.values[0]:
                if str(value) not in names(g.key, plugins):
                    raise nearest(g.key, value, names(g.key, plugins))


def _check_sweep(sweep: Mapping[str, Any]) -> None:
    if not sweep.get("name"):
        raise ConfigError("sweep.name is missing: the sweep file says what it is called, for example sweep: {name: mine}")
    for key in sweep:
        if key not in SWEEP:
            raise nearest("the sweep file: key", f"sweep.{key}", [f"sweep.{name}" for name in SWEEP])
    for number, point in enumerate(sweep.get("also", [])):
        if listed := [key for key, value in point.items() if isinstance(value, list) and key in GROUPS]:
            raise ConfigError(f"sweep.also[{number}].{listed[0]}={point[listed[0]]}: a listed point has one value; write "
                              "a point for each, or an axis")
    for key in ("axes", "knobs"):
        if not isinstance(sweep[key], Mapping):
            raise ConfigError(f"sweep.{key}={sweep[key]} must be a mapping, or left out: see the files in bench/conf/sweep")


def _check_keys(given: Sequence[Given], config: Config, plugins: str | None) -> None:
    valid = set(options(config))
    for g in given:
        if g.key not in valid and not g.text.startswith(("+", "~")):
            group, _, key = g.key.partition(".")
            every = names("backend", plugins) if group == "backend" else []
            if owners := [name for name in every if key in raw("backend", name, plugins)]:
                raise ConfigError(f"{g.key} belongs to backend={' or backend='.join(owners)}, and this is "
                                  f"backend={config['backend']['name']}")
            raise nearest("command line: key", g.key, [k for k in valid if k.startswith(f"{group}.")] or valid)


def options(config: Config) -> list[str]:
    """Every key of a config, and those of all methods' own options."""
    plugins = config["plugins"]
    own = {f"method.{k}": None for m in names("method", plugins) for k in _keys(raw("method", m, plugins))}
    return list(dict.fromkeys(_keys(config)) | own)


def raw(group: str, name: str, plugins: str | None = None) -> Config:
    """One option's own YAML file, uncomposed. Raises ConfigError naming the nearest."""
    for folder in [CONF] + ([Path(plugins)] if plugins else []):
        if (path := folder / group / f"{name}.yaml").exists():
            return OmegaConf.to_container(OmegaConf.load(path))  # type: ignore[return-value]
    raise nearest(group, name, names(group, plugins))


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


def has(config: Mapping[str, Any], key: str) -> bool:
    """Whether a plain config has the dotted key."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def get(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key that is there."""
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node


def put(config: Config, key: str, value: Any) -> None:
    """Sets the value at a dotted key that is there."""
    *path, last = key.split(".")
    node = config
    for part in path:
        node = node[part]
    node[last] = value
