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


def _check_axis(name: str, values: object) -> None:
    # A string is a sequence of letters, which nobody means.
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise SpecError(f"axis {name!r} must be a list, not {values!r}: write {name}=[{values}], or make it fixed")
    if not values:
        raise SpecError(f"axis {name!r} is empty, so the sweep has no runs: give it a value or remove the axis")
