"""Metrics, one file each: pure functions of samples or features. Nothing that loads, draws or remembers."""

from bench.metrics.frechet import Gaussian
from bench.metrics.kid import kid, polynomial_mmd
from bench.metrics.neighbours import memorised, nearest
from bench.metrics.precision_recall import K_DENSITY, precision_recall_density_coverage

__all__ = ["K_DENSITY", "Gaussian", "kid", "memorised", "nearest", "polynomial_mmd", "precision_recall_density_coverage"]
