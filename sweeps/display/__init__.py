"""What the person in front of the screen sees of a sweep. Nothing that changes it."""

from sweeps.display.ahead import ahead, training
from sweeps.display.progress import Display
from sweeps.display.spark import spark
from sweeps.display.tries import Try

__all__ = ["Display", "Try", "ahead", "spark", "training"]
