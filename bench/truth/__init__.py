"""Targets whose velocity is known in closed form and whose flow map is exact, or solved far below any network's error.

Clock t=0 noise, t=1 data; linear interpolant I_t = (1-t) x_0 + t x_1 with x_0 ~ N(0, s_0^2 I).
"""

from bench.truth.base import Truth
from bench.truth.checkerboard import Checkerboard
from bench.truth.gaussian import Gaussian
from bench.truth.mixture import Mixture
from bench.truth.pairs import Pairs, map_pairs
from bench.truth.targets import TARGETS, target

__all__ = ["TARGETS", "Checkerboard", "Gaussian", "Mixture", "Pairs", "Truth", "map_pairs", "target"]
