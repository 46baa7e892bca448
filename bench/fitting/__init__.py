"""What a training step holds on a device and the slice of its batch that fits there, counted without the device. Nothing
that trains or needs numbers."""

from bench.fitting.choice import fitted, rows
from bench.fitting.live import Live
from bench.fitting.paper import on_paper
from bench.fitting.slices import GB, Fit, fit, usable

__all__ = ["GB", "Fit", "Live", "fit", "fitted", "on_paper", "rows", "usable"]
