"""Numbers on logarithmic axes, so that every axis has some, however short it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter, NullLocator


def readable(axis: Axis, low: float, high: float, text: Callable[[float], str] = "{:g}".format) -> None:
    """Ticks with numbers for a logarithmic axis from `low` to `high`: at decades, closer where there are few of those."""
    if high / low < 4:  # round numbers as on a linear axis
        locator: Locator = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    else:
        locator = LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if high / low < 20 else (1, 2, 5) if high / low < 500 else (1,))
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def at_values(axis: Axis, values: Sequence[float]) -> None:
    """Ticks at the values that occur."""
    axis.set_major_locator(FixedLocator(_apart(values)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _apart(calls: Sequence[float]) -> list[float]:
    """Tick positions, the most frequent calls first, none closer than a factor 1.25 to another (7 and 8 calls)."""
    kept: list[float] = []
    for value, _ in Counter(sorted(calls)).most_common():
        if all(max(value / other, other / value) >= 1.25 for other in kept):
            kept.append(value)
    return sorted(kept)
