"""A step's losses by torch.compile: draws made before it, and one graph for what reads them. Nothing that trains."""

from bench.compiling.compiled import Compiled, Losses, NotCompiled, forget
from bench.compiling.given import Given, Recording, made

__all__ = ["Compiled", "Given", "Losses", "NotCompiled", "Recording", "forget", "made"]
