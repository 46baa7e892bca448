"""Types that say what a value may be: pydantic checks by them, and the same words stand in errors and in --help."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, Strict
from pydantic_core import PydanticCustomError

from methods.knobs import Count, Decay, NotNegative, Positive, Share, Whole

T = TypeVar("T")


class Section(BaseModel):
    """A part of an experiment: frozen, and strict: no text is taken for a number, no number for a word."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Unit:
    """What a number counts, for people."""

    name: str


@dataclass(frozen=True)
class Says:
    """Words for what a check of its own allows: "a ...", and an example."""

    text: str


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values, if none comes twice."""
    if len(set(values)) < len(values):
        raise PydanticCustomError("repeated", "a value comes twice")
    return values


def checked(test: Callable[[Any], bool]) -> AfterValidator:
    """A check of its own; pair it with `Says`."""

    def check(value: Any) -> Any:
        if not test(value):
            raise PydanticCustomError("unfit", "the value does not fit")
        return value

    return AfterValidator(check)


def _filled(text: str) -> bool:
    return bool(text.strip())


def reachable(path: str) -> bool:
    """Whether a path that begins with ~ or ~USER begins with a home that there is."""
    return not os.path.expanduser(path).startswith("~")


Text = Annotated[str, checked(_filled), Says("a string")]
Place = Annotated[str, checked(_filled), checked(reachable), Says("a path; ~ or ~USER in it must be a home folder that exists")]
Seed = Annotated[int, Ge(0)]
Steps = Annotated[tuple[Annotated[int, Ge(1), Le(10**6)], ...], Strict(False), MinLen(1), AfterValidator(distinct)]
Seeds = Annotated[tuple[Seed, ...], Strict(False), MinLen(1), AfterValidator(distinct)]
Averaged = Annotated[tuple[NotNegative, ...], Strict(False), MinLen(1), AfterValidator(distinct)]
Sizes = Annotated[tuple[Count, ...], Strict(False)]
Texts = Annotated[tuple[Text, ...], Strict(False)]
Minutes = Annotated[int, Ge(1), Unit("minutes")]
Seconds = Annotated[float, Gt(0), Unit("seconds")]

__all__ = [
    "Averaged", "Count", "Decay", "Literal", "Minutes", "NotNegative", "Place", "Positive", "Says", "Seconds", "Section",
    "Seed", "Seeds", "Share", "Sizes", "Steps", "Text", "Texts", "Unit", "Whole", "checked", "distinct", "fields", "reachable",
    "words",
]  # fmt: skip


def fields(cls: type) -> dict[str, Any]:
    """Every field of a section or of a method's dataclass with its type and what is beside it."""
    hints = get_type_hints(cls, include_extras=True)
    known = cls.model_fields if issubclass(cls, BaseModel) else getattr(cls, "__dataclass_fields__", {})
    return {name: hints[name] for name in known}


def words(hint: Any) -> str:
    """What a value of this type is: "a whole number, at least 1, or null"."""
    base, beside = _unwrapped(hint)
    said = next((each.text for each in beside if isinstance(each, Says)), None)
    if _optional(base):
        inner = [each for each in get_args(base) if each is not NoneType]
        return f"{words(Annotated[inner[0], *beside] if beside else inner[0])}, or null"
    if said is not None:
        return said
    if get_origin(base) is tuple:
        return _list(base, beside)
    return _one(base) + _of(beside) + _range(base, beside)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _optional(base: Any) -> bool:
    return get_origin(base) in (Union, UnionType) and NoneType in get_args(base)


def _one(base: Any) -> str:
    if names := options(base):
        return f"one of {', '.join(names)}"
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", list: "a list"}
    return plain.get(get_origin(base) or base, "a mapping")


def options(hint: Any) -> list[str]:
    """The names that a value may have, where it is one of a few."""
    base, _ = _unwrapped(hint)
    if _optional(base):
        found = [options(each) for each in get_args(base) if each is not NoneType]
        return [name for names in found for name in names] if all(found) else []
    if get_origin(base) is Literal:
        return [str(name) for name in get_args(base)]
    return [str(each.value) for each in base] if isinstance(base, type) and issubclass(base, Enum) else []


def _of(beside: tuple[Any, ...]) -> str:
    return next((f" of {each.name}" for each in beside if isinstance(each, Unit)), "")


def _range(base: Any, beside: tuple[Any, ...]) -> str:
    low = next((each for each in beside if isinstance(each, Ge | Gt)), None)
    high = next((each for each in beside if isinstance(each, Le | Lt)), None)
    bottom = "" if low is None else f"at least {low.ge}" if isinstance(low, Ge) else f"above {low.gt}"
    top = "" if high is None else f"at most {high.le}" if isinstance(high, Le) else f"below {high.lt}"
    if isinstance(low, Ge) and isinstance(high, Le):
        return f" from {low.ge} to {high.le}"
    said = " and ".join(each for each in (bottom, top) if each)
    return f", {said}" if said.startswith("at ") else f" {said}" if said else ""


def _list(base: Any, beside: tuple[Any, ...]) -> str:
    items = get_args(base)
    inner, about = _unwrapped(items[0])
    many = {int: "whole numbers", float: "numbers", str: "strings"}.get(inner, "names")
    range_ = _range(inner, about).replace(", at", ", each at")
    said = f" ({', '.join(options(inner))})" if options(inner) else f"{_of(about)}{range_}"
    if Ellipsis not in items:
        return f"a list of {len(items)} {many}{said}"
    unlike = "different " if any(isinstance(each, AfterValidator) and each.func is distinct for each in beside) else ""
    return f"a list of {unlike}{many}{said}" + ("" if any(isinstance(each, MinLen) for each in beside) else ", or []")

