"""What a sweep's file may say: told of all of it, before Hydra meets it and whatever a command makes of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from bench.config.arguments import Given
from bench.config.compose import GROUPS, defaults, file_of, keys, names, section
from bench.config.errors import HELP, ConfigError, no_key, shown, unknown
from bench.config.experiment import get, has
from bench.config.parse import Faults, mapping
from bench.config.points import EXPERIMENT
from bench.config.registry import method_class, misfits, unlisted, use_plugins
from bench.config.schema import Command, Sweep
from results.records import near

WHOLE = ("sweep", "backend", "out", "plan", "detach", "plugins")  # hold for a whole command: no axes
CHOSEN = ("data.name", "backbone.name", "method.name", "method.target", "backend.name")  # with their group, by its name
ALL = (*EXPERIMENT, *Command.model_fields, "seed", "sweep")
SECTIONS = tuple(key for key in EXPERIMENT if key not in ("plugins", "conditional"))


def check_file(given: Sequence[Given], plugins: str | None, faults: Faults) -> None:
    """What is wrong with the sweep's own file, before Hydra meets it."""
    for name in (g.values[0] for g in given if g.key == "sweep" and not g.is_axis):
        if name in names("sweep", plugins):
            raw, of = section("sweep", name, plugins), f"sweep={name}: "
            parsed(raw.get("sweep"), plugins, faults, of)
            faults += [f"{of}{fault}" for fault in _whole_file(file_of("sweep", name, plugins), raw, plugins)]


def _whole_file(file: Path, raw: Mapping[str, Any], plugins: str | None) -> Iterator[str]:
    """What is wrong with a sweep's file outside of `sweep`."""
    opening = takewhile(lambda line: not line.strip() or line.startswith("#"), file.read_text(encoding="utf-8").splitlines())
    if raw and not any(re.fullmatch(r"#\s*@package\s+_global_\s*", line) for line in opening):
        yield f"{file} must begin with the line `# @package _global_`, or its keys are not the experiment's"
    listed = raw.get("defaults", [])
    if not isinstance(listed, list):
        yield f"defaults={shown(listed)} must be a list, for example defaults: [override /data: digits]"
    for entry in listed if isinstance(listed, list) else []:
        for key in entry if isinstance(entry, Mapping) else ():
            if isinstance(key, str) and key.split("/")[-1] in WHOLE:
                yield f"defaults: {key} holds for a whole command; leave it to the command line"
    for key, value in raw.items():
        if key in Command.model_fields:
            yield f"{key} holds for a whole command; leave it to the command line"
        elif key not in (*ALL, "defaults"):
            yield no_key("", str(key), ALL)
        elif key in SECTIONS and key in GROUPS and isinstance(value, str):
            yield f"{key}={value} is chosen in the list of defaults: defaults: [override /{key}: {value}]"
        elif key in SECTIONS and not isinstance(value, Mapping):
            yield mapping(key, value)
    yield from (set_by_itself(key, get(raw, key), plugins) for key in CHOSEN if has(raw, key))


def parsed(raw: Any, plugins: str | None, faults: Faults, of: str = "") -> Sweep | None:
    """The section `sweep`, or None after its faults were noted. of: the file, of which the knobs are looked at too."""
    before = len(faults)
    if not raw or (isinstance(raw, Mapping) and not raw.get("name")):
        faults.append(f"{of}sweep.name is missing: the sweep file says what it is called, for example sweep: {{name: mine}}")
        return None
    if isinstance(raw, Mapping):
        known = [f"sweep.{name}" for name in Sweep.model_fields]
        faults += [unknown("the sweep file: key", f"sweep.{key}", known) for key in raw if key not in Sweep.model_fields]
        raw = {key: value for key, value in raw.items() if key in Sweep.model_fields}
    sweep = faults.section(Sweep, raw, "sweep")
    for number, point in enumerate(sweep.also if sweep else []):
        if listed := [key for key, value in point.items() if isinstance(value, list) and key in GROUPS]:
            faults.append(f"sweep.also[{number}].{listed[0]}={shown(point[listed[0]])}: a listed point has one value; write a "
                          "point for each, or an axis")
    if sweep is not None:
        faults += _varied(sweep, plugins)
        faults += _methods_of(sweep, names("method", plugins))
        faults += _knobs_of(sweep, plugins) if of else []
    if sweep is not None and sweep.published is not None:
        sweep = sweep.model_copy(update={"published": _published(sweep.published, faults)})
    return sweep if len(faults) == before else None


def _varied(sweep: Sweep, plugins: str | None) -> Iterator[str]:
    """What of a sweep's keys cannot differ between its runs."""
    spaces = [sweep.search.space, *sweep.search.spaces.values()] if sweep.search else []
    places = {"axes": [sweep.axes], "also": sweep.also, "one_at_a_time": [sweep.one_at_a_time], "search": spaces}
    said = ((f"sweep.{place}: ", *item) for place, several in places.items() for one in several for item in one.items())
    for where, key, value in said:
        if key.split(".")[0] in WHOLE:
            yield f"{where}{key} holds for a whole command; leave it to the command line"
        elif key in CHOSEN:
            yield set_by_itself(key, value, plugins, where)
    for name, knobs in sweep.knobs.items():
        yield from (set_by_itself(key, knobs[key[7:]], plugins, f"sweep.knobs.{name}: ") for key in CHOSEN if key[7:] in knobs)
    if "method" in sweep.only:
        yield "sweep.only.method: the methods are those of sweep.axes.method, and only is for the other axes; leave it out"


def _methods_of(sweep: Sweep, known: Sequence[str]) -> Iterator[str]:
    """Where a sweep speaks of a method that there is not."""
    spoken: dict[str, Any] = {"sweep.knobs": sweep.knobs, "sweep.remarks": sweep.remarks}
    if sweep.search is not None:
        spoken |= {"sweep.search.spaces": sweep.search.spaces, "sweep.search.prunable_from": sweep.search.prunable_from}
    for where, methods in spoken.items():
        for name in methods:
            if name not in known:
                yield no_key(where, name, known)


def _knobs_of(sweep: Sweep, plugins: str | None) -> Iterator[str]:
    """What is wrong with the knobs of a sweep's file, of methods too that a command leaves out: today's typing error of one is
    tomorrow's refusal of the whole sweep."""
    for name, knobs in sweep.knobs.items():
        if name not in names("method", plugins):
            continue
        own = defaults(name, plugins)
        if unknown_ := [key for key in knobs if not has(own, key)]:
            said, at = unlisted(name, plugins), f"sweep.knobs.{name}"
            yield from (f"{at}.{key}: {said[key]}" if key in said else no_key(at, key, keys(own), f"{HELP} method={name}")
                        for key in unknown_)
            continue
        use_plugins(plugins)
        try:
            yield from misfits(method_class(own.get("target")), knobs, f"sweep.knobs.{name}")
        except ConfigError as error:
            yield from error.faults


def _published(name: str, faults: Faults) -> str:
    """The table's name, or the whole path of a file of the user's own, whose numbers are looked at before anything runs."""
    from results.records import StoreError, published

    if not name.endswith(published.SUFFIX):
        if name not in (tables := published.names()):
            faults.append(unknown("sweep.published", name, tables))
        return name
    path = str(Path(name).absolute())
    try:
        from results.compared import published as tables_of

        tables_of.load(path)
    except StoreError as error:
        faults.append(f"sweep.published: {error}")
    return path


def set_by_itself(key: str, value: Any, plugins: str | None, at: str = "") -> str:
    """What is said of a key that says what a group's option is; `at` stands before it where it is not the command line's."""
    group, _, part = key.partition(".")
    close = near(value, names(group, plugins), 1, 0.4) if part == "name" else []
    return (f"{at}{key}={shown(value)} cannot be set by itself: write {group}={(*close, 'NAME')[0]} for another {group}; "
            f"{HELP} {group} lists them")
