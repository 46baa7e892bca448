"""The networks that methods train. `Backbone` makes them from a configuration."""

from bench.nets.backbone import Backbone, BackboneError
from bench.nets.count import Count, counting

__all__ = ["Backbone", "BackboneError", "Count", "counting"]
