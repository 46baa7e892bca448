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


def factor(decay: str, warmup: float, p: float, flat: float | None = None) -> float:
    """Linear warm-up over the share `warmup`, then the decay; p in [0, 1).

    flat: 1 / sqrt from this share on in place of the decay, counted from the beginning as in Karras et al. (arXiv 2312.02696,
    eq. 67), whatever the warm-up. Both shares may be above 1: they end after the stage does.
    """
    rise = p / warmup if p < warmup else 1.0
    if flat is not None:
        return rise * sqrt(flat / max(p, flat))
    return rise if p < warmup else float(DECAYS[decay]((p - warmup) / (1 - warmup)))
