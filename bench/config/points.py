"""From a sweep's axes, lists and ablations to points: which values each run has that others have not."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.config.arguments import Given
from bench.config.compose import names
from bench.config.errors import ConfigError, nearest
from bench.config.schema import Sweep
from sweeps.plan import expand, one_at_a_time

Point = dict[str, Any]


def axes_of(sweep: Sweep, given: Sequence[Given]) -> dict[str, list[Any]]:
    """The sweep's axes and the command line's, which wins."""
    axes = {key: list(values) for key, values in sweep.axes.items()}
    for g in given:
        if g.key in axes:
            axes[g.key] = g.listed
        elif g.is_axis:
            axes[g.key] = list(g.values)
    return axes


def points(axes: Mapping[str, list[Any]], sweep: Sweep, given: Sequence[Given], plugins: str | None) -> list[Point]:
    """The cross product of the axes, one-at-a-time variations of it, then each point of the list `sweep.also`, spread
    over the axes that it leaves open.

    Where the sweep's axes name no method the list is all there is. What the command line says narrows the list too.
    `sweep.only` names the methods that an axis is for: the others stand once, without it.
    """
    chosen = {g.key: g.listed for g in given}
    listed = [point for point in sweep.also if all(value in chosen.get(key, (value,)) for key, value in point.items())]
    crossed = expand(axes) if "method" in sweep.axes or not sweep.also else []
    crossed = _conditional(crossed, axes, sweep.only, plugins)
    varied = {key: values for key, values in sweep.one_at_a_time.items() if key not in chosen}
    crossed = [p for point in crossed for p in one_at_a_time(point, varied)]
    found = crossed + [p for fixed in listed for p in expand({k: v for k, v in axes.items() if k not in fixed}, fixed)]
    if not found:
        raise ConfigError(f"sweep={sweep.name}: the command line leaves none of its runs; see sweep.also in its file")
    return found


def _conditional(found: list[Point], axes: Mapping[str, list[Any]], only: Mapping[str, list[str]],
                 plugins: str | None) -> list[Point]:
    """The points without the axes that are not for their method, each once."""
    for key, methods in only.items():
        if key not in axes:
            raise nearest("sweep.only", key, axes)
        for name in methods:
            if name not in axes.get("method", [name]) and name not in names("method", plugins):
                raise nearest(f"sweep.only.{key}", name, axes.get("method", []))
        found = [point if point.get("method") in methods else {k: v for k, v in point.items() if k != key}
                 for point in found if point.get("method") in methods or point[key] == axes[key][0]]
    return found
