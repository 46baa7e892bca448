"""A sweep specification becomes points: plain dictionaries, one per run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any


class SpecError(ValueError):
    """A sweep specification that cannot mean what it says."""


def expand(axes: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Cross product of the axes over a base of fixed values, in a stable order: the first axis changes slowest.

    Keys keep the order in which they were written, fixed ones first. Without axes there is one point, `fixed` itself.
    Raises SpecError for an axis that is empty or is not a list, and for a key that is both an axis and fixed.
    """
    fixed = fixed or {}
    for name, values in axes.items():
        _check_axis(name, values)
        if name in fixed:
            raise SpecError(f"{name!r} is both an axis ({list(values)!r}) and fixed ({fixed[name]!r}): keep one")
    return [{**fixed, **dict(zip(axes, point, strict=True))} for point in itertools.product(*axes.values())]


def one_at_a_time(point: Mapping[str, Any], varied: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The point itself, then one copy for each value of each varied key, all else as it is: one-factor ablations.

    Raises SpecError for a key that has no list of values, or that the point fixes already.
    """
    for name, values in varied.items():
        _check_axis(name, values)
        if name in point:
            raise SpecError(f"{name!r} is both an axis and varied one at a time: keep one")
    return [dict(point), *({**point, name: value} for name, values in varied.items() for value in values)]


def _check_axis(name: str, values: object) -> None:
    # A string is a sequence of letters, which nobody means.
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise SpecError(f"axis {name!r} must be a list, not {values!r}: write {name}=[{values}], or make it fixed")
    if not values:
        raise SpecError(f"axis {name!r} is empty, so the sweep has no runs: give it a value or remove the axis")
