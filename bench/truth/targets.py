"""The four two-dimensional targets by name."""

from collections.abc import Callable
from dataclasses import replace
from math import cos, pi, sin

from bench.config import nearest
from bench.truth.base import Truth
from bench.truth.checkerboard import Checkerboard
from bench.truth.gaussian import Gaussian
from bench.truth.mixture import Mixture


def _gaussian() -> Gaussian:
    """Standard deviations 1.5 and 0.4, rotated by 30 degrees, away from the origin."""
    c, s, a, b = cos(pi / 6), sin(pi / 6), 1.5**2, 0.4**2
    cross = (a - b) * c * s
    return Gaussian((1.0, -0.5), ((a * c * c + b * s * s, cross), (cross, a * s * s + b * c * c)))


def _skewed() -> Mixture:
    """Two components unequal in weight, place and width: no symmetry hides a wrong mean or time law."""
    return Mixture(((-0.8, -0.4), (1.6, 0.8)), (0.6, 0.3), (0.7, 0.3))


def _mixture() -> Mixture:
    """Eight equal components of width 0.3 on a circle of radius 3."""
    angles = [2 * pi * k / 8 for k in range(8)]
    return Mixture(tuple((3 * cos(a), 3 * sin(a)) for a in angles), (0.3,) * 8, (1.0,) * 8)


TARGETS: dict[str, Callable[[], Gaussian | Mixture | Checkerboard]] = {
    "gaussian": _gaussian, "skewed": _skewed, "mixture": _mixture, "checkerboard": Checkerboard,
}  # fmt: skip


def target(name: str, base_scale: float = 1.0) -> Truth:
    """The target called `name` with x_0 ~ N(0, base_scale^2 I). Raises ConfigError naming the nearest."""
    if name not in TARGETS:
        raise nearest("data.name", name, TARGETS)
    return replace(TARGETS[name](), base_scale=base_scale)
