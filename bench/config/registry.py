"""From plain data to a method: `target: module:Class` plus knobs, every name checked with its nearest valid ones.

A method's YAML names its class, so that the folder of YAML files is the registry and nothing is kept by hand. A knob
that is a mapping with a `target` of its own becomes that object; an enum's value is written as a string.
"""

import dataclasses
import importlib
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

from bench.config.errors import ConfigError, nearest
from methods.base import Method
from methods.tools import Interpolant, Linear, Trigonometric

INTERPOLANTS: dict[str, type[Interpolant]] = {"linear": Linear, "trigonometric": Trigonometric}


def make_interpolant(config: Mapping[str, Any]) -> Interpolant:
    """{"name": "linear" | "trigonometric", "base_scale": float}."""
    if config["name"] not in INTERPOLANTS:
        raise nearest("interpolant.name", config["name"], INTERPOLANTS)
    try:
        return INTERPOLANTS[config["name"]](base_scale=float(config.get("base_scale", 1.0)))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"interpolant.base_scale={config['base_scale']!r} is not a positive number") from error


def make_method(config: Mapping[str, Any], interpolant: Interpolant) -> Method:
    """{"name": ..., "target": "module:Class", **knobs} -> the method. Raises ConfigError naming the key."""
    knobs = {k: v for k, v in config.items() if k not in ("name", "target")}
    method = _make(config["target"], knobs, "method", interpolant=interpolant)
    if not isinstance(method, Method):
        raise ConfigError(f"method.target={config['target']} is not a methods.base.Method")
    return method


def method_class(target: str) -> type[Method]:
    """The class behind a method's `target`. Raises ConfigError if it cannot be imported or is no method."""
    cls = _load(target, "method")
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise ConfigError(f"method.target={target} is not a methods.base.Method")
    return cls


def _make(target: str, knobs: Mapping[str, Any], key: str, **given: Any) -> Any:
    cls = _load(target, key)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    hints = typing.get_type_hints(cls)
    values = {}
    for name, value in knobs.items():
        if name not in fields or name in given:
            raise nearest(key, name, fields.keys() - given.keys())
        values[name] = _resolve(value, hints[name], f"{key}.{name}")
    try:
        return cls(**values, **given)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(str(error)) from error


def _resolve(value: Any, hint: Any, key: str) -> Any:
    if isinstance(value, Mapping) and "target" in value:
        return _make(value["target"], {k: v for k, v in value.items() if k != "target"}, key)
    if isinstance(hint, type) and issubclass(hint, Enum):
        if value not in [e.value for e in hint]:
            raise nearest(key, value, (e.value for e in hint))
        return hint(value)
    if isinstance(hint, type) and hint in (int, float, bool):
        if isinstance(value, bool) != (hint is bool) or not isinstance(value, int | float):
            raise ConfigError(f"{key}={value!r} must be a {hint.__name__}")
        if hint is int and value != int(value):
            raise ConfigError(f"{key}={value!r} must be a whole number")
        return hint(value)
    return value


def _load(target: str, key: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key}.target={target} cannot be imported: {error}") from error
