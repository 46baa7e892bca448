"""From plain data to a section, once: every fault of it is told, each in one line, and nothing is converted in silence."""

import re
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
            self.append(unknown(f"{key}.name", name, kinds) if isinstance(raw, Mapping) else mapping(key, raw))
            return None
        return self.section(kinds[name], raw, key, lenient)


def section(cls: type[S], raw: Any, key: str, lenient: bool = False) -> S:
    """A section from plain data; `key` is where it stands. Raises ConfigError with every fault.

    lenient: what a version of before or after has besides is passed over (records of runs).
    """
    if not isinstance(raw, Mapping):
        needed_first = sorted(cls.model_fields, key=lambda name: not cls.model_fields[name].is_required())
        raise ConfigError(mapping(key, raw, needed_first))
    if lenient:
        raw = {name: value for name, value in raw.items() if name in cls.model_fields}
    given = {name: value for name, value in raw.items() if value != "???"}
    known = fields(cls)
    faults = Faults(_needed(raw, key, name, known[name]) for name in raw if name in known and name not in given)
    faults += [f"{_at(key, name)}={shown(value)} must be below 2^63" for name, value in given.items() if beyond(value)]
    try:
        made = cls.model_validate(given)
    except ValidationError as error:
        faults += [said(cls, raw, key, each) for each in error.errors(include_url=False)]
    faults.tell()
    return made


def beyond(value: Any) -> bool:
    """Whether a whole number is among it that has more than the 64 bits of PyTorch's and the records' numbers."""
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return (isinstance(value, int) and abs(value) >= 2**63) or any(map(beyond, inside))


def said(cls: type, raw: Mapping[str, Any], key: str, error: ErrorDetails) -> str:
    """One of pydantic's errors in our words: the key as it is written, its value, and what is valid."""
    known, (first, *deeper) = fields(cls), error["loc"]
    name = str(first)
    where = _at(key, name)
    if name not in known:
        return no_key(key, name, known, f"{HELP} {key}")
    if name not in raw or raw[name] == "???":
        return _needed(raw, key, name, known[name])
    hint, value = known[name], raw[name]
    if deeper and deeper[-1] == "[key]":
        return f"{where}: its key {shown(deeper[-2])} must be a string"
    if deeper and isinstance(value, Mapping):
        if inner := _nested(hint):
            return said(inner, value, where, {**error, "loc": tuple(deeper)})
        if str(deeper[0]) in value:  # of a mapping whose keys are the user's
            return _must(f"{where}.{deeper[0]}", value[str(deeper[0])], get_args(hint)[1])
    return _must(where, value, hint)


def _at(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _needed(raw: Mapping[str, Any], key: str, name: str, hint: Any) -> str:
    where = _at(key, name)
    needs = f"{key}={raw['name']} needs {where}" if "name" in raw and name != "name" else f"{where} has to be given"
    return f"{needs}: write {where}=VALUE, {words(hint)}"


def _must(where: str, value: Any, hint: Any) -> str:
    if (names := options(hint)) and not isinstance(value, bool | int | float | list | Mapping) and value is not None:
        return unknown(where, value, names)
    wanted = words(hint)
    if isinstance(value, str) and not value.strip():
        wanted = wanted.replace("a string", "a string that is not empty")
    bare = "list" in wanted and not re.search(r"list of \d", wanted) and isinstance(value, int | float | str)
    return f"{where}={shown(value)} must be {wanted}" + (f", for example {where}=[{shown(value)}]" if bare else "")


def _nested(hint: Any) -> Any:
    """The section that a key holds, if it holds one."""
    return next((each for each in (hint, *get_args(hint)) if isinstance(each, type) and issubclass(each, Section)), None)


def mapping(key: str, raw: Any, known: Iterable[str] = ()) -> str:
    """What is said of a section that is something else."""
    example = next((f": set its keys, for example {key}.{name}=..." for name in known), "")
    return f"{key}={shown(raw)} must be a mapping, or left out{example}"
