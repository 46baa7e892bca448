"""Learning-rate schedules: the factor on the peak rate as a pure function of the share of the stage that is done."""

from collections.abc import Callable
from math import cos, pi, sqrt

DECAYS: dict[str, Callable[[float], float]] = {
    "constant": lambda p: 1.0,
    "cosine": lambda p: 0.5 * (1 + cos(pi * p)),
    "linear": lambda p: 1 - p,
    "sqrt": lambda p: 1 / sqrt(max(1.0, p / 0.1)),  # flat for a tenth, then 1/sqrt
    "sqrt_late": lambda p: 1 / sqrt(max(1.0, p / 0.14)),  # the self-distillation paper's: flat for 35,000 of 250,000 steps
}


def factor(decay: str, warmup: float, p: float) -> float:
    """Linear warm-up over the share `warmup`, then the decay; p in [0, 1)."""
    if p < warmup:
        return p / warmup
    return float(DECAYS[decay]((p - warmup) / (1 - warmup)))
