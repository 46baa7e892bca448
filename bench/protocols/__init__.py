"""What a number depends on besides the model: protocols, and how an experiment chooses one. Nothing that scores."""

from bench.protocols.best import MOST, Best, best, lacking
from bench.protocols.named import CHUNKS, FEATURES, SHIPPED, metric_of, named
from bench.protocols.protocol import Protocol
from bench.protocols.rounding import FLOATS, LEVELS, RULES, levels, pixel_type, shown, stored, to_pixels
from bench.protocols.settings import feature_set, planned, protocol_of, samples
from bench.protocols.statistics import moments

__all__ = [
    "CHUNKS", "FEATURES", "FLOATS", "LEVELS", "MOST", "RULES", "SHIPPED", "Best", "Protocol", "best", "feature_set", "lacking",
    "levels", "metric_of", "moments", "named", "pixel_type", "planned", "protocol_of", "samples", "shown", "stored",
    "to_pixels",
]  # fmt: skip
