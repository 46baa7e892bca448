"""Targets whose flow map is known exactly, with the pairs it makes. No networks, nothing of the harness."""

from bench.truth.base import Truth
from bench.truth.checkerboard import Checkerboard
from bench.truth.gaussian import Gaussian
from bench.truth.mixture import Mixture
from bench.truth.pairs import Pairs, map_pairs
from bench.truth.targets import TARGETS, target

__all__ = ["TARGETS", "Checkerboard", "Gaussian", "Mixture", "Pairs", "Truth", "map_pairs", "target"]
