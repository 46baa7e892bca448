"""What a search may vary: ranges and choices as the YAML file writes them, as Optuna's distributions.

    train.lr: {low: 5e-4, high: 8e-3, log: true}     a number; whole if both ends are written as whole numbers
    method.eta: {choices: [0.25, 0.5, 0.75]}         one of these
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from results.records import near
from sweeps.plan import SpecError

Space = Mapping[str, BaseDistribution]
Params = Mapping[str, Any]
RANGE = ("low", "high", "log", "step")


def space(raw: Mapping[str, Any], where: str = "sweep.search.space") -> dict[str, BaseDistribution]:
    """The distributions of a search space. Raises SpecError naming the parameter that makes no sense."""
    return {key: _distribution(value, f"{where}.{key}") for key, value in raw.items()}


def check_default(space: Space, default: Params, name: str) -> None:
    """Raises SpecError unless the setting that the search begins with lies in the space."""
    for key, distribution in space.items():
        if not _contains(distribution, default[key]):
            raise SpecError(f"the paper's setting of {name}, {key}={default[key]!r}, is outside its search space "
                            f"({_text(distribution)}), and it must be among the trials: widen sweep.search.space.{key}")


def same(one: Any, other: Any) -> bool:
    """Whether two choices are one: 1 and 1.0 are, true and 1 are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _distribution(value: Any, where: str) -> BaseDistribution:
    if not isinstance(value, Mapping):
        raise SpecError(f"{where}={value!r} must be {{low: 1e-4, high: 1e-2, log: true}} or {{choices: [1, 2]}}")
    for key in value:
        if key not in (*RANGE, "choices"):
            close = near(key, (*RANGE, "choices"), 1, 0)
            raise SpecError(f"{where}.{key} means nothing here; did you mean {close[0]}? Valid: choices, or {', '.join(RANGE)}")
    try:
        if "choices" in value:
            return CategoricalDistribution(_choices(value, where))
        return _range(value, where)
    except ValueError as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"{where}: {error}") from error


def _choices(value: Mapping[str, Any], where: str) -> list[Any]:
    choices = value["choices"]
    if len(value) > 1 or not isinstance(choices, list) or not choices:
        raise SpecError(f"{where}={dict(value)!r}: choices stands alone and is a list, for example {{choices: [0.25, 0.5]}}")
    if wrong := [c for c in choices if not (c is None or isinstance(c, bool | int | float | str))]:
        raise SpecError(f"{where}.choices holds {wrong[0]!r}; a choice is a number, a word, true, false or null")
    return choices


def _range(value: Mapping[str, Any], where: str) -> BaseDistribution:
    for end in ("low", "high"):
        if isinstance(value.get(end), bool) or not isinstance(value.get(end), int | float):
            raise SpecError(f"{where}.{end}={value.get(end)!r} must be a number; a range has low and high")
    low, high, log, step = value["low"], value["high"], bool(value.get("log", False)), value.get("step")
    if not low < high:
        raise SpecError(f"{where}: low={low} must be below high={high}")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if step is None else step)
    return FloatDistribution(low, high, log=log, step=step)


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether the value is one that the distribution can give; a range's step is not asked for."""
    if isinstance(distribution, CategoricalDistribution):
        return any(same(value, choice) for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and distribution.low <= value <= distribution.high


def _text(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return f"choices {list(distribution.choices)}"
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low} to {distribution.high}"
