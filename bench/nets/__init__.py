"""The networks that methods train. `Backbone` makes them from a configuration."""

from bench.nets.backbone import Backbone, factory
from bench.nets.count import Count, counting

__all__ = ["Backbone", "Count", "counting", "factory"]
