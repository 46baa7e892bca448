"""From plain data to a method: `target: module:Class` plus knobs, every name and value checked against the class.

A method's YAML names its class, so that the folder of YAML files is the registry and nothing is kept by hand. A knob
that is a mapping with a `target` of its own becomes that object; an enum's value is written as a string.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import ConfigDict, Strict, TypeAdapter, ValidationError

from bench.config.compose import defaults, file_of, names, section
from bench.config.errors import HELP, ConfigError, no_key, shown, unknown
from bench.config.parse import beyond
from bench.config.types import fields, options, words

if TYPE_CHECKING:  # the mathematics brings PyTorch, which --help does without
    from methods.base import Method
    from methods.tools import Interpolant

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


_homes: list[Path] = []  # the folders of plug-ins that were used; the last one is


def use_plugins(folder: str | None) -> None:
    """Make the modules of the user's method folder importable."""
    if folder is None:
        return
    home = Path(folder).expanduser().resolve()
    if home in _homes:
        _homes.remove(home)
    _homes.append(home)
    if str(home) not in sys.path:
        sys.path.append(str(home))  # at the end: no file of the user's shadows a package


def misfits(cls: type, knobs: Mapping[str, Any], key: str) -> list[str]:
    """What is wrong with the values of some knobs, each by itself. What is within a part (`pairs.end`) or refers to another
    key (`${...}`) is not looked at."""
    faults = []
    for name, value in knobs.items():
        if name in knobs_of(cls) and not (isinstance(value, str) and "${" in value):
            try:
                _resolve(cls, name, value, f"{key}.{name}")
            except ConfigError as error:
                faults += error.faults
    return faults


def make_interpolant(name: str, base_scale: float) -> Interpolant:
    """The interpolant "linear" or "trigonometric"."""
    from methods.tools import Linear, Trigonometric

    return {"linear": Linear, "trigonometric": Trigonometric}[name](base_scale=base_scale)


def make_method(config: Mapping[str, Any], interpolant: Interpolant) -> Method:
    """{"name": ..., "target": "module:Class", **knobs} -> the method. Raises ConfigError with every fault."""
    if config.get("target") is None:
        raise ConfigError(f"method={config.get('name')}: its file has no target, the place of its class (module:Class)")
    cls = method_class(config["target"])
    knobs = {k: v for k, v in config.items() if k not in ("name", "target")}
    made: Method = _make(cls, knobs, "method", interpolant=interpolant)
    return made


def method_class(target: Any) -> type[Method]:
    """The class behind a method's `target`. Raises ConfigError if it cannot be imported or is no method."""
    from methods.base import Method

    cls = _load(target, "method")
    if not issubclass(cls, Method):
        raise ConfigError(f"method.target={target} is not a methods.base.Method")
    return cls


def velocity_models(plugins: str | None) -> list[str]:
    """The methods that can teach. A broken method of the user's is an error where it is asked for, not here."""
    return _packaged_velocity_models() if plugins is None else _velocity_models(plugins)


@lru_cache
def _packaged_velocity_models() -> list[str]:
    return _velocity_models(None)


def _velocity_models(plugins: str | None) -> list[str]:
    found = []
    use_plugins(plugins)
    for name in names("method", plugins):
        try:
            if method_class(section("method", name, plugins).get("target")).velocity_model:
                found.append(name)
        except ConfigError:
            continue
    return found


def knobs_of(cls: type) -> dict[str, Any]:
    """The knobs of a method, or of a part of one, with their types."""
    made = {f.name for f in dataclasses.fields(cls) if f.init}
    return {name: hint for name, hint in fields(cls).items() if name in made and name != "interpolant"}


def unlisted(method: str, plugins: str | None) -> dict[str, str]:
    """The knobs that a method's class has and its file leaves out, each with what is said of it. {} without a class."""
    own, file = defaults(method, plugins), file_of("method", method, plugins)
    use_plugins(plugins)
    try:
        cls = method_class(own.get("target"))
    except ConfigError:  # it is told where the method is made
        return {}
    plain = {f.name: f.default for f in dataclasses.fields(cls) if isinstance(f.default, bool | int | float | str)}
    adds = {knob: f"the line `{knob}: {shown(plain[knob])}`" if knob in plain else knob for knob in knobs_of(cls)}
    return {knob: f"method={method} has a knob {knob}, but its file does not list it; add {added} to {file}"
            for knob, added in adds.items() if knob not in own}


def not_listed(key: str, methods: Iterable[str], plugins: str | None) -> str:
    """What is said of the key `method.KNOB` by the first of the methods that has such a knob unlisted, else ""."""
    _, _, knob = key.partition("method.")
    return next((said for name in methods if (said := unlisted(name, plugins).get(knob))), "")


def _make(cls: type, knobs: Mapping[str, Any], key: str, **given: Any) -> Any:
    known, values, faults = knobs_of(cls), {}, []
    for name, value in knobs.items():
        if name not in known:
            faults.append(no_key(key, name, known, f"{HELP} method=NAME"))
            continue
        try:
            values[name] = _resolve(cls, name, value, f"{key}.{name}")
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(*faults)
    try:
        return cls(**values, **given)
    except (ValueError, ZeroDivisionError) as error:
        lines = str(error).split("\n")
        raise ConfigError(*(line if f"{key}." in line else f"{key}: {line}" for line in lines)) from error


def _resolve(cls: type, name: str, value: Any, key: str) -> Any:
    if isinstance(value, Mapping) and "target" in value:
        part = _load(value["target"], key)
        if not _fits(part, knobs_of(cls)[name]):
            raise ConfigError(f"{key}.target={value['target']} is of another kind than {name} is of {cls.__name__}")
        return _make(part, {k: v for k, v in value.items() if k != "target"}, key)
    hint = knobs_of(cls)[name]
    if _is_part(hint):
        raise ConfigError(f"{key}={shown(value)} must be a mapping with a target, as in the method's YAML file; set its parts, "
                          f"for example {key}.target=module:Class")
    if beyond(value):
        raise ConfigError(f"{key}={shown(value)} must be below 2^63")
    try:
        return _adapter(cls, name).validate_python(value)
    except ValidationError:
        if (names := options(hint)) and isinstance(value, str):
            raise ConfigError(unknown(key, value, names)) from None
        raise ConfigError(f"{key}={shown(value)} must be {words(hint)}") from None


@lru_cache(maxsize=1024)
def _adapter(cls: type, name: str) -> TypeAdapter[Any]:
    hint = knobs_of(cls)[name]
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    lax = get_origin(base) is tuple or (isinstance(base, type) and issubclass(base, Enum))
    return TypeAdapter(Annotated[hint, Strict(False)] if lax else hint, config=_STRICT)


def _is_part(hint: Any) -> bool:
    """Whether a knob holds an object with knobs of its own."""
    plain = (int, float, bool, str)
    return inspect.isclass(hint) and get_origin(hint) is None and not issubclass(hint, (*plain, Enum))


def _fits(part: type, hint: Any) -> bool:
    """Whether a part can stand where the hint says: a class of its kind, or one that is called with the same arguments."""
    if not inspect.isclass(hint) or not _is_part(hint):
        return True
    if getattr(hint, "_is_protocol", False):
        return _arguments(part) == _arguments(hint)
    return issubclass(part, hint)


def _arguments(cls: type) -> list[str] | None:
    """The names of what an object of the class is called with."""
    call = next((vars(each)["__call__"] for each in cls.__mro__ if "__call__" in vars(each)), None)
    return None if call is None else list(inspect.signature(call).parameters)


def _check_home(module: str, key: str, target: Any) -> None:
    """Raise ConfigError where the user's folder has a file of that name, and Python would take another."""
    mine = _homes[-1] / f"{module.replace('.', '/')}.py" if _homes else None
    if mine is None or not mine.exists():
        return
    top = module.partition(".")[0]
    spec = importlib.util.find_spec(module) or importlib.util.find_spec(top)
    taken = Path(spec.origin).resolve() if spec is not None and spec.origin else Path(top)
    if not any(taken.is_relative_to(home) for home in _homes):  # a cluster's jobs run a copy of the folder
        where = taken if taken.exists() else f"{module}, which comes with Python"
        raise ConfigError(f"{key}.target={target} is {where}, and not {mine}: give your file another name")


def _load(target: Any, key: str) -> type:
    module, _, name = target.partition(":") if isinstance(target, str) else ("", "", "")
    if not module or not name:
        raise ConfigError(f"{key}.target={shown(target)} must be the place of a class, module:Class")
    try:
        _check_home(module, key, target)
        found = getattr(importlib.import_module(module), name)
    except ConfigError:
        raise
    except Exception as error:  # whatever the import of a user's module raises
        text = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ConfigError(f"{key}.target={target} cannot be imported: {text}") from error
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        raise ConfigError(f"{key}.target={target} is not a dataclass with knobs")
    return found
