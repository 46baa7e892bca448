"""How numbers are written: three significant digits, units for counts."""

from __future__ import annotations

import math
from collections.abc import Callable


def number(value: float) -> str:
    """Three significant digits, without an exponent where a plain number is readable."""
    return fixed(value, decimals(value))


def count(value: float) -> str:
    """A count in three digits and a unit: 950, 10.5k, 55.7M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}" if math.isfinite(value) else "NaN"


def decimals(value: float) -> int:
    """Decimals that show three significant digits; -1 where an exponent is needed."""
    if value == 0 or not math.isfinite(value):
        return 0
    size = math.floor(math.log10(abs(value)))
    return max(0, 2 - size) if -4 <= size < 6 else -1


def fixed(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "NaN"
    return f"{value:.2e}" if decimals < 0 else f"{value:.{decimals}f}"


def seconds(value: float) -> str:
    """Whole seconds; three digits where that would be less than ten of them."""
    return f"{value:,.0f}" if not 0 < value < 9.95 else number(value)


def billed(text: Callable[[float], str], value: float) -> str:
    """What a teacher cost, as `text` writes it; of one that was trained elsewhere it is not known."""
    return "unknown" if math.isnan(value) else text(value)


def known(text: Callable[[float], str], value: float) -> str:
    """What was counted, as `text` writes it; a dash where nothing was."""
    return "–" if math.isnan(value) else text(value)


def steps_title(steps: int) -> str:
    """1 step, 2 steps; what stands over methods of which nothing is known."""
    if steps == 0:
        return "not scored"
    return "1 step" if steps == 1 else f"{steps} steps"
