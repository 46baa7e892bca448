"""The networks that methods train, and the count of their calls. Nothing that knows a method."""

from bench.layers import Weight, masks, project
from bench.nets.backbone import Backbone, factory
from bench.nets.count import Count, counting
from bench.nets.outline import Arithmetic

__all__ = ["Arithmetic", "Backbone", "Count", "Weight", "counting", "factory", "masks", "project"]
