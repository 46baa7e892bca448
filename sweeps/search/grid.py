"""Which settings of a space are one and the same, how many there are, and which of them were not tried."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps.search.space import Params, Space, same

Place = tuple[Any, ...]


def place(space: Space, params: Params) -> Place:
    """What makes a setting that setting: on each axis the number of its value, or the value where those have none.

    1 and 1.0 are one value, and so are two floats that differ in their last digits only.
    """
    return tuple(_number(distribution, params[key]) for key, distribution in space.items())


def size(space: Space, default: Params) -> float:
    """How many settings there are, infinity for a range without steps; a default between two steps is one more."""
    found = math.prod(map(_count, space.values()))
    return found + any(not isinstance(number, int) for number in place(space, default)) if found < math.inf else found


def untried(space: Space, tried: Collection[Place], begin: float) -> dict[str, Any]:
    """The first setting of a finite space, from a share `begin` of it on and round again, that is not among `tried`.

    Raises ValueError where there is none.
    """
    counts = [int(_count(distribution)) for distribution in space.values()]
    whole = math.prod(counts)
    for at in range(int(begin * whole), int(begin * whole) + whole):
        rest, params = at % whole, {}
        for (key, distribution), count in zip(space.items(), counts, strict=True):
            rest, number = divmod(rest, count)
            params[key] = _value(distribution, number)
        if place(space, params) not in tried:
            return params
    raise ValueError("every setting of the space was tried")


def written(space: Space, params: Params) -> dict[str, BaseDistribution]:
    """The space as a trial of this setting is written down: Optuna takes no value between two steps, as a default may be."""
    return {key: distribution if isinstance(number, int) else _stepless(distribution)
            for (key, distribution), number in zip(space.items(), place(space, params), strict=True)}


def _stepless(distribution: BaseDistribution) -> BaseDistribution:
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return type(distribution)(distribution.low, distribution.high, log=distribution.log)  # type: ignore[arg-type]


def _count(distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return len(_choices(distribution))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return math.inf if distribution.step is None else round((distribution.high - distribution.low) / distribution.step) + 1


def _number(distribution: BaseDistribution, value: Any) -> int | float:
    if isinstance(distribution, CategoricalDistribution):
        return next(n for n, choice in enumerate(_choices(distribution)) if same(choice, value))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.step is None:
        return float(value)
    number = float((value - distribution.low) / distribution.step)
    return round(number) if abs(number - round(number)) < 1e-6 else number


def _value(distribution: BaseDistribution, number: int) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return _choices(distribution)[number]
    assert isinstance(distribution, FloatDistribution | IntDistribution) and distribution.step is not None
    # Three steps of .1 from 0 are a little more than .3, and so outside the range.
    return min(distribution.low + number * distribution.step, distribution.high)


def _choices(distribution: CategoricalDistribution) -> list[Any]:
    """Each once: `[1, 1.0]` is one choice."""
    found: list[Any] = []
    for choice in distribution.choices:
        if not any(same(choice, other) for other in found):
            found.append(choice)
    return found
