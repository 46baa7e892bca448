"""From plain data to a section, once: every fault of it is told, each in one line, and nothing is converted in silence."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.config.errors import HELP, ConfigError, no_key, shown, unknown
from bench.config.types import Section, fields, options, words

S = TypeVar("S", bound=Section)


class Faults(list[str]):
    """What is wrong so far; told together."""

    def tell(self) -> None:
        """Raise ConfigError if there is anything."""
        if self:
            raise ConfigError(*self)

    def section(self, cls: type[S], raw: Any, key: str, lenient: bool = False) -> S | None:
        """The section, or None after its faults were noted."""
        try:
            return section(cls, raw, key, lenient)
        except ConfigError as error:
            self.extend(error.faults)
            return None

    def named(self, kinds: Mapping[str, type[S]], raw: Any, key: str, lenient: bool = False) -> S | None:
        """One of several kinds of section, by its name."""
        name = raw.get("name") if isinstance(raw, Mapping) else None
        if not isinstance(name, str) or name not in kinds:
            self.append(unknown(f"{key}.name", name, kinds) if isinstance(raw, Mapping) else _mapping(key, raw, {}))
            return None
        return self.section(kinds[name], raw, key, lenient)


def section(cls: type[S], raw: Any, key: str, lenient: bool = False) -> S:
    """A section from plain data; `key` is where it stands. Raises ConfigError with every fault.

    lenient: what a version of before or after has besides is passed over (records of runs).
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(_mapping(key, raw, cls.model_fields))
    if lenient:
        raw = {name: value for name, value in raw.items() if name in cls.model_fields}
    try:
        return cls.model_validate({name: value for name, value in raw.items() if value != "???"})
    except ValidationError as error:
        raise ConfigError(*(said(cls, raw, key, each) for each in error.errors(include_url=False))) from None


def said(cls: type, raw: Mapping[str, Any], key: str, error: ErrorDetails) -> str:
    """One of pydantic's errors in our words: the key as it is written, its value, and what is valid."""
    known, (first, *deeper) = fields(cls), error["loc"]
    name = str(first)
    where = f"{key}.{name}" if key else name
    if name not in known:
        return no_key(key, name, known, f"{HELP} {key}")
    if name not in raw or raw[name] == "???":
        needs = f"{key}={raw['name']} needs {where}" if "name" in raw and name != "name" else f"{where} has to be given"
        return f"{needs}: {words(known[name])}"
    hint, value = known[name], raw[name]
    if deeper and isinstance(value, Mapping):
        if inner := _nested(hint):
            return said(inner, value, where, {**error, "loc": tuple(deeper)})
        if str(deeper[0]) in value:  # of a mapping whose keys are the user's
            return _must(f"{where}.{deeper[0]}", value[str(deeper[0])], get_args(hint)[1])
    return _must(where, value, hint)


def _must(where: str, value: Any, hint: Any) -> str:
    if (names := options(hint)) and not isinstance(value, bool | int | float | list | Mapping) and value is not None:
        return unknown(where, value, names)
    wanted = words(hint)
    bare = "list" in wanted and isinstance(value, int | float | str)
    return f"{where}={shown(value)} must be {wanted}" + (f", for example {where}=[{shown(value)}]" if bare else "")


def _nested(hint: Any) -> Any:
    """The section that a key holds, if it holds one."""
    return next((each for each in (hint, *get_args(hint)) if isinstance(each, type) and issubclass(each, Section)), None)


def _mapping(key: str, raw: Any, known: Iterable[str]) -> str:
    example = next((f": set its keys, for example {key}.{name}=..." for name in known), "")
    return f"{key}={shown(raw)} must be a mapping, or left out{example}"
