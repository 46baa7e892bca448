"""A finished run folder as a model: `load(folder).sample(n, steps, seed)`, `load(folder).export(path)`."""

from bench.scoring import Model, load

__all__ = ["Model", "load"]
