"""Feature networks and their weights: images in, one row of features each out. Nothing that compares them."""

from bench.features.base import FeatureNet

__all__ = ["FeatureNet"]
