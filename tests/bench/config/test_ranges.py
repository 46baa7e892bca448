"""Every number that a method asks for has the range that its mathematics needs, and a value outside is refused by its key."""

import importlib
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt

from bench.config import ConfigError, request
from bench.config.compose import names, section
from bench.config.experiment import put
from bench.config.registry import knobs_of, make_method, method_class
from bench.config.types import Place, words
from methods.base import Method
from methods.tools import Linear

METHODS = names("method")
EVERY_REAL = {"mean", "b"}  # of a logarithm's law, and the offset of IMM's log SNR: any number means something
TOLD = 10  # faults in one command, all of which are told
LITTLE = 1e-9

INTEGRATED = ("flow_matching", "contrastive", "curvature", "reflow")  # whose times have a law

# Ends of a range that a check of two values refuses beside the others' defaults, and what it says.
RELATED = {
    **{(name, "method.sigma_max", LITTLE): "method.sigma_min=0.002 must" for name in ("ctm", "ctm_gan", "edm")},
    **{(name, "method.pairs.sigma_max", LITTLE): "method.pairs.sigma_min=0.002 must" for name in ("cd", "ct", "gaf", "ict")},
    **{(name, "method.time_law.low", 1): "must be below high=1.0" for name in INTEGRATED},
    **{(name, "method.time_law.high", 0): "low=0.0 must be below" for name in INTEGRATED},
    ("ctm", "method.denoising", 0): "method.balance=false",
    ("ctm_gan", "method.denoising", 0): "method.balance=false",
    ("ctm_gan", "method.critic", LITTLE): "method.balance=false",
    ("tim", "method.eta", 1): "method.to_data=0.1 are shares of one batch",
    ("tim", "method.to_data", 1): "method.to_data=1.0 are shares of one batch",
    ("alphaflow", "method.fall_start", 1): "must be below method.fall_end=1.0",
    ("alphaflow", "method.fall_end", 0): "method.fall_start=0.0 must be below",
}


def number(hint: Any) -> tuple[type, tuple[Any, ...]] | None:
    """int or float and what is beside it, of a knob that may also be null; None for other knobs, lists among them."""
    if get_origin(hint) is tuple:
        return None
    if (inner := [each for each in get_args(hint) if each is not NoneType]) and get_origin(hint) is not Annotated:
        hint = inner[0]
    base, beside = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    return (base, beside) if base in (int, float) else None


def numbers(cls: type, values: Mapping[str, Any], at: str = "method") -> Iterator[tuple[str, type, tuple[Any, ...]]]:
    """Key, type and bounds of every number among the knobs of a class and of their parts."""
    for knob, value in values.items():
        if isinstance(value, Mapping):
            module, _, name = value["target"].partition(":")
            part = {k: v for k, v in value.items() if k != "target"}
            yield from numbers(getattr(importlib.import_module(module), name), part, f"{at}.{knob}")
        elif (found := number(knobs_of(cls)[knob])) is not None:
            yield f"{at}.{knob}", *found


def of(name: str) -> list[tuple[str, type, tuple[Any, ...]]]:
    values = section("method", name)
    return list(numbers(method_class(values["target"]), {k: v for k, v in values.items() if k not in ("name", "target")}))


def below(kind: type, bound: float) -> float:
    return bound - 1 if kind is int else bound - LITTLE


def above(kind: type, bound: float) -> float:
    return bound + 1 if kind is int else bound + LITTLE


def refused(kind: type, beside: tuple[Any, ...]) -> Iterator[float]:
    """What lies just outside, and the bounds that are outside themselves."""
    for each in beside:
        if isinstance(each, Ge):
            yield below(kind, each.ge)  # type: ignore[arg-type]
        elif isinstance(each, Gt):
            yield from (each.gt, below(kind, each.gt))  # type: ignore[arg-type, misc]
        elif isinstance(each, Le):
            yield above(kind, each.le)  # type: ignore[arg-type]
        elif isinstance(each, Lt):
            yield from (each.lt, above(kind, each.lt))  # type: ignore[arg-type, misc]


def allowed(kind: type, beside: tuple[Any, ...], upper: bool) -> float | None:
    """The bound where it belongs to the range, else what lies just within; None where there is no bound on that side."""
    for each in beside:
        if isinstance(each, Le) and upper:
            return each.le  # type: ignore[return-value]
        if isinstance(each, Lt) and upper:
            return below(kind, each.lt)  # type: ignore[arg-type]
        if isinstance(each, Ge) and not upper:
            return each.ge  # type: ignore[return-value]
        if isinstance(each, Gt) and not upper:
            return above(kind, each.gt)  # type: ignore[arg-type]
    return None


@pytest.mark.parametrize("name", METHODS)
def test_every_number_has_a_range(name: str) -> None:
    assert {key.rpartition(".")[2] for key, _, beside in of(name) if not beside} <= EVERY_REAL


@pytest.mark.parametrize("name", METHODS)
def test_a_value_just_outside_its_range_is_refused_by_its_key(name: str) -> None:
    values = [[(key, value) for value in refused(kind, beside)] for key, kind, beside in of(name)]
    for several in zip_longest(*values):
        given = [each for each in several if each is not None]
        for some in (given[i : i + TOLD] for i in range(0, len(given), TOLD)):
            with pytest.raises(ConfigError) as error:
                request(["sweep=none", f"method={name}", *(f"{key}={value}" for key, value in some)])
            assert sorted(fault.partition("=")[0] for fault in error.value.faults) == sorted(key for key, _ in some)
            assert all(" must be " in fault for fault in error.value.faults)


@pytest.mark.parametrize("upper", [False, True], ids=["least", "largest"])
@pytest.mark.parametrize("name", METHODS)
def test_the_ends_of_a_range_are_accepted(name: str, upper: bool) -> None:
    ends = [(key, allowed(kind, beside, upper)) for key, kind, beside in of(name)]
    plain = {"method": section("method", name)}
    for key, end in ends:
        if end is not None and (name, key, end) not in RELATED:
            put(plain, key, end)
    assert isinstance(make_method(plain["method"], Linear()), Method), "whatever budget its stages would take"


@pytest.mark.parametrize(("name", "key", "bound"), RELATED)
def test_an_end_that_meets_another_value_is_refused_by_what_they_are_together(name: str, key: str, bound: float) -> None:
    with pytest.raises(ConfigError) as error:
        request(["sweep=none", f"method={name}", f"{key}={bound}"])
    (fault,) = error.value.faults
    assert RELATED[name, key, bound] in fault and key.rpartition(".")[0] in fault and key.rpartition(".")[2] in fault


@pytest.mark.parametrize(("command", "words"), [
    ("method=edm method.sigma_min=90", ["method.sigma_min=90", "method.sigma_max=80"]),
    ("method=ctm method.sigma_min=80", ["method.sigma_min=80", "method.sigma_max=80"]),
    ("method=cd method.pairs.sigma_max=0.001", ["method.pairs.sigma_min=0.002", "method.pairs.sigma_max=0.001"]),
    ("method=ct method.pairs.sigma_min=90", ["method.pairs.sigma_min=90", "method.pairs.sigma_max=80"]),
    ("method=ict method.pairs.sigma_min=90", ["method.pairs.sigma_min=90", "method.pairs.sigma_max=80"]),
    ("method=ct method.pairs.end=1", ["method.pairs.start=2", "method.pairs.end=1"]),
    ("method=ict method.pairs.start=2000", ["method.pairs.start=2000", "method.pairs.end=1280"]),
    ("method=sct method.sigma_max=0.9 evaluation.grid=papers", ["evaluation.grid=papers", "0.98", "method.sigma_max=0.9"]),
    ("method=tcm method.boundary=80", ["method.boundary=80", "method.sigma_max=80"]),
    ("method=ayf_lmd method.guidance_low=1.5", ["method.guidance_low=1.5", "method.guidance_high=1"]),
    ("method=flow_matching method.time_law.low=0.9 method.time_law.high=0.1", ["method.time_law", "low=0.9", "high=0.1"]),
    ("method=soflow method.end_law={target:methods.times:Uniform,low:0.5,high:0.5}", ["method.end_law", "low=0.5", "high=0.5"]),
    ("method=dsno method.modes=4", ["method.modes=4", "4 slots", "1 to 3"]),
    ("method=dsno method.teacher_steps=20", ["method.teacher_steps=20", "multiple of 16", "nearest: 16"]),
    ("method=progressive method.start=12", ["method.start=12", "power of two"]),
    ("method=ctm method.denoising=0.5", ["method.denoising=0.5", "method.balance=false"]),
])  # fmt: skip
def test_values_that_do_not_go_together_are_one_error_that_names_them(command: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        request(["sweep=none", *command.split()])
    (fault,) = error.value.faults
    assert [word for word in words if word not in fault] == []


@pytest.mark.parametrize(("hint", "said"), [
    (Annotated[float, Ge(0), Le(1)], "a number from 0 to 1"),
    (Annotated[float, Ge(0), Lt(1)], "a number, at least 0 and below 1"),
    (Annotated[float, Gt(0), Le(1)], "a number above 0 and at most 1"),
    (Annotated[float, Gt(0), Lt(1)], "a number above 0 and below 1"),
    (Annotated[int, Ge(3)] | None, "a whole number, at least 3, or null"),
    (Annotated[int, Le(3)], "a whole number, at most 3"),
    (tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]], "a list of 2 numbers, each at least 0 and below 1"),
    (Place, "a path; ~ or ~USER in it must be a home folder that exists"),
])  # fmt: skip
def test_ranges_are_told_in_words(hint: Any, said: str) -> None:
    assert words(hint) == said
