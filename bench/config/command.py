"""From a command line to experiments: `request(arguments)`. What the command line says wins over the sweep file, axes
included: `method=lsd seed=0,1` narrows the sweep to that. Every fault of a command is told together.
"""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.arguments import Given, parse, quoted
from bench.config.choices import BACKENDS, Backend
from bench.config.combinations import counts
from bench.config.compose import GROUPS, Compositions, composed, defaults, folders, keys, names, section
from bench.config.errors import HELP, ConfigError, no_key, shown, unknown
from bench.config.experiment import Config, Experiment, get, has, put
from bench.config.experiment import parse as parse_experiment
from bench.config.parse import Faults, mapping
from bench.config.points import Maker, axes_of, points
from bench.config.registry import not_listed
from bench.config.schema import Command, Sweep
from bench.config.sweep_file import ALL, CHOSEN, SECTIONS, WHOLE, check_file, parsed, set_by_itself
from bench.config.types import reachable
from sweeps.plan import SpecError

TOLD = 12  # lines of faults: the last of more counts the rest


@dataclass(frozen=True)
class Request:
    """A whole command: what holds for all of it, and its experiments; those that differ in their seed alone share the rest."""

    command: Command
    sweep: Sweep
    backend: Backend
    experiments: list[Experiment]
    changed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What the command line says otherwise than the sweep does, by key; not what narrows it or holds for a command."""
    left: Sequence[Experiment] = ()
    """One of each method that defines no sample in any of evaluation.steps, and is left out of a command that has others."""

    def with_experiments(self, experiments: list[Experiment]) -> "Request":
        """The same command with other experiments."""
        return dataclasses.replace(self, experiments=experiments)

    @property
    def out(self) -> Path:
        """The output folder."""
        return Path(self.command.out).expanduser()


def request(arguments: Sequence[str]) -> Request:
    """The experiments of a command line, parsed and checked. Raises ConfigError with every fault."""
    faults = Faults()
    given = parse(arguments, faults)
    unread = len(faults)
    if any(text.startswith("plugins=") for text in arguments) and "plugins" not in (g.key for g in given):
        faults.tell()  # which names there are is not known
    plugins = _plugins(given)
    _check_groups(given, plugins, faults)
    check_file(given, plugins, faults)
    if len(faults) > unread:  # nothing can be composed of these
        faults.tell()
    settings, given = _composed(given, plugins, faults)
    if unread:  # what seems wrong besides may be for want of these
        faults.tell()
    knobs = [g for g in given if g.key.startswith("method.")]
    plain = [g for g in given if g not in knobs]
    command = faults.section(Command, {key: settings[key] for key in Command.model_fields}, "")
    backend = faults.named(BACKENDS, settings["backend"], "backend")
    faults += [no_key("", key, ALL) for key in settings if key not in ALL]
    if command and backend and command.detach and backend.name != "slurm":
        faults.append(f"detach=true needs a cluster (backend=slurm), and backend={backend.name} ends with this command; "
                      "leave it out")
    if (sweep := parsed(settings["sweep"], plugins, faults)) is None or command is None or backend is None:
        raise ConfigError(*faults)
    axes = axes_of(sweep, given)
    fixed = [g.text for g in plain if g.key not in axes]
    compositions = Compositions(fixed, plugins)
    if fixed == [g.text for g in plain if not g.is_axis]:
        compositions.keep(settings)
    made = Maker(compositions, axes, knobs, sweep, plugins, faults)
    try:
        experiments = list(made.experiments(points(axes, sweep, given, plugins)))
    except SpecError as error:
        faults.append(f"sweep={sweep.name}: {error}")
        experiments = []
    made.check_knobs()
    faults += [] if experiments else [_unserved(e) for e in made.left]
    _tell(faults)
    return Request(command, sweep, backend, experiments, _changed(given, sweep, plugins), made.left)


def whole(arguments: Sequence[str]) -> list[Experiment]:
    """The experiments of the sweep that a command line narrows (`method=lsd`), on the same data; [] where it does not."""
    narrow = request(arguments)
    varied = set(narrow.sweep.axes).union(*narrow.sweep.also)
    rest = [g.text for g in parse(arguments, []) if g.key not in varied]
    if len(rest) == len(arguments):
        return []
    try:
        found = request(rest).experiments
    except ConfigError:  # a knob that only the chosen method has
        return []
    return [each for each in found if each.data == narrow.experiments[0].data]


def _changed(given: Sequence[Given], sweep: Sweep, plugins: str | None) -> dict[str, Any]:
    """See `Request.changed`. On an axis of the sweep other methods and seeds are more lines of its table, not another one."""
    varied = {key: list(values) for key, values in sweep.axes.items()}
    for point in sweep.also:
        for key, value in point.items():
            varied.setdefault(key, []).append(value)

    def narrows(g: Given) -> bool:
        return g.key == "seed" or (g.key in varied and (g.key == "method" or all(v in varied[g.key] for v in g.listed)))

    found = [g for g in given if g.key.split(".")[0] not in (*WHOLE[1:], "backend") and g.key != "sweep" and not narrows(g)]
    own = composed([g.text for g in given if g.key == "sweep"], plugins) if found else {}
    return {g.key: _value(g) for g in found if g.key == "sweep.name" or _value(g) != _said(own, g.key)}


def _value(g: Given) -> Any:
    return list(g.values) if g.is_axis else g.values[0]


def _said(config: Config, key: str) -> Any:
    """What a composition says of a key, a group by its name; of a method's knobs nothing, which are many methods'."""
    if key.startswith("method.") or (key not in GROUPS and not has(config, key)):
        return None
    said: Any = config
    for part in key.split("."):
        said = said[part]
    return said["name"] if key in GROUPS else said


def with_method(experiment: Experiment, name: str) -> Experiment:
    """The same experiment with another method at its defaults, or as the sweep and the command line set it (a teacher)."""
    plain = {**copy.deepcopy(experiment.plain), **copy.deepcopy(experiment.untuned or {})}
    plain.pop("proxy", None)
    plain["method"] = defaults(name, experiment.plugins)
    for knob, value in {**experiment.asked.sweep.get(name, {}), **experiment.asked.command}.items():
        if has(plain, f"method.{knob}"):
            put(plain, f"method.{knob}", copy.deepcopy(value))
    plain["label"] = name
    return parse_experiment({**plain, "seed": experiment.seed}, experiment.asked)


def _unserved(e: Experiment) -> str:
    return (f"evaluation.steps={shown(list(e.evaluation.steps))}: {e.label} samples in {counts(e.method)} only, and would "
            "have no row in the table; ask for one of these numbers")


def _one_value(g: Given) -> str:
    return f"{g.text}: {g.key} holds for a whole command and has one value; give the command once for each"


def _plugins(given: Sequence[Given]) -> str | None:
    g = next((g for g in given if g.key == "plugins"), None)
    value = g.values[0] if g else None
    if g is None or (value is None and not g.is_axis):
        return None
    if g.is_axis:
        raise ConfigError(_one_value(g))
    if not isinstance(value, str) or not reachable(value) or not Path(value).expanduser().is_dir():
        raise ConfigError(f"plugins={shown(value)} is not a folder")
    if "${" in str(Path(value).expanduser().resolve()):
        raise ConfigError(f"plugins={value}: ${{ in a path is read as a reference; rename the folder, or link to it")
    if not any(any(folders(group, value)[-1].rglob("*.yaml")) for group in GROUPS):
        raise ConfigError(f"plugins={value} holds nothing that can be chosen: no method/NAME.yaml, and no sweep/NAME.yaml")
    taken = [name for name in names("method") if (folders("method", value)[-1] / f"{name}.yaml").exists()]
    if taken:
        raise ConfigError(f"plugins={value}: method/{taken[0]}.yaml has the name of a method that is packaged; rename it")
    return value


def _check_groups(given: Sequence[Given], plugins: str | None, faults: Faults) -> None:
    for g in given:
        whole = g.key.split(".")[0] in WHOLE
        if whole and (g.is_axis or (g.key in GROUPS and isinstance(g.values[0], list))):
            faults.append(_one_value(g))
        elif g.key in GROUPS:
            known = names(g.key, plugins)
            wrong = [value for value in g.listed or [None] if not isinstance(value, str) or value not in known]
            own = "; one of your own needs plugins=FOLDER" * (not plugins and g.key in ("method", "sweep"))
            faults += [unknown(g.key, value, known, f"{HELP} {g.key}") + own for value in wrong]
            if isinstance(g.values[0], list) and not wrong and not _listed(g, given, plugins):
                faults.append(f"{g.text}: one {g.key} for a run; write {g.key}={','.join(map(str, g.listed))} for several")
            for value in [] if wrong else g.listed:
                section(g.key, str(value), plugins)  # a file that cannot be read is told by its name
        elif g.key in CHOSEN:
            faults.append(set_by_itself(g.key, g.values[0], plugins))


def _composed(given: list[Given], plugins: str | None, faults: Faults) -> tuple[Config, list[Given]]:
    """What holds for all of the command, and the overrides whose keys there are; the others are noted."""

    def whole(kept: Sequence[Given]) -> Config:
        return composed([g.text for g in kept if not g.is_axis and not g.key.startswith("method.")], plugins)

    try:
        settings = whole(given)
    except ConfigError as error:  # a key that there is not, most of all: Hydra tells the first of them, and not its neighbours
        base = composed([f"{g.key}={quoted(g.listed[0])}" for g in given if g.key in GROUPS], plugins)
        kept = _known(given, base, plugins, faults)
        if len(kept) == len(given):
            raise error from None
        return whole(kept), kept
    return settings, _known(given, settings, plugins, faults)


def _listed(g: Given, given: Sequence[Given], plugins: str | None) -> bool:
    """Whether a list is the values of an axis of the sweep's file."""
    sweep = next((each.values[0] for each in given if each.key == "sweep"), None)
    raw = section("sweep", sweep, plugins) if sweep in names("sweep", plugins) else composed([], plugins)
    return has(raw, "sweep.axes") and g.key in (get(raw, "sweep.axes") or {})


def _known(given: Sequence[Given], config: Config, plugins: str | None, faults: Faults) -> list[Given]:
    """Those whose key there is; the others are noted."""
    valid = set(options(config, plugins))
    kept = []
    for g in given:
        group, _, key = g.key.partition(".")
        deeper = [f"{g.key}.{key}" for value in g.values if isinstance(value, dict) for key in keys(value)]
        if wrong := [key for key in deeper if key not in valid and not key.startswith(("sweep.", "method."))]:
            faults += [unknown("command line: key", key, [k for k in valid if k.startswith(f"{group}.")]) for key in wrong]
            continue
        if any(isinstance(v, list) for v in g.values[:1]) and has(config, g.key) and isinstance(get(config, g.key), Mapping):
            faults.append(mapping(g.key, g.values[0]))
            continue
        if (g.key in valid and g.key not in CHOSEN) or g.text.startswith("+"):
            kept.append(g)
            continue
        every = names(group, plugins) if group in ("backend", "data", "backbone") else []
        if owners := [name for name in every if key in section(group, name, plugins)]:
            faults.append(f"{g.key} belongs to {group}={', '.join(owners)}, and this is "
                          f"{group}={config[group]['name']}")
        elif said := not_listed(g.key, _methods(given, config), plugins):
            faults.append(f"{g.text}: {said}")
        elif g.key not in CHOSEN:
            faults.append(_misspelt(g.key, [k for k in valid if k.startswith(f"{group}.")] or list(valid)))
    return kept


def _methods(given: Sequence[Given], config: Config) -> list[str]:
    """Those of the command line, or of the sweep."""
    axes = get(config, "sweep.axes") or {}
    return next((g.listed for g in given if g.key == "method"), axes.get("method", [get(config, "method.name")]))


def _misspelt(key: str, valid: Sequence[str]) -> str:
    """A key that there is not, perhaps the last part of one."""
    lower = key.lower()
    whole = [name for name in valid if name == lower] or [name for name in valid if name.endswith(f".{lower}")]
    part = key.partition(".")[0]
    also = f"{HELP} method=NAME" if part == "method" else f"{HELP} {part}" if part in SECTIONS and part not in GROUPS else HELP
    return unknown("command line: key", key, whole if 0 < len(whole) <= 12 else valid, also)


def options(config: Config, plugins: str | None) -> list[str]:
    """Every key of a config, and those of all methods' own options."""
    own = {f"method.{k}": None for m in names("method", plugins) for k in keys(section("method", m, plugins))}
    return list(dict.fromkeys(keys(config)) | own)


def _tell(faults: Faults) -> None:
    more = len(faults) - TOLD + 1
    if more > 1:
        raise ConfigError(*faults[: TOLD - 1], f"and {more} faults more, once these are mended")
    faults.tell()
