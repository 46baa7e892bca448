"""The protocols that ship.

    clean-fid          mode clean of clean-fid: antialiased bicubic resize, rounded pixels (Parmar et al., arXiv 2104.11222)
    legacy-tensorflow  what CIFAR-10 numbers of the EDM family use: the original graph's bilinear resize without antialias
    legacy-pytorch     pytorch-fid's: PyTorch's bilinear resize
    flow-maps-jax      the self-distillation paper's: the same resize and weights, of pixels that were never rounded
    digits-frechet, cifar-frechet   distances on the packaged classifiers' features, never to be called FID
"""

from dataclasses import dataclass

from bench.config import Points, Surroundings, nearest
from bench.features import base as features
from bench.protocols.rounding import FLOATS, LEVELS


@dataclass(frozen=True)
class Named:
    """What a protocol fixes before it meets data. count: samples, or None for as many as are held out (at most FEW)."""

    name: str
    features: str
    width: int
    resize: str
    rounding: str
    feature_chunk: int
    count: int | None = None
    version: int = 1

    @property
    def primary(self) -> str:
        """The metric that leads: "fid" on Inception's features alone."""
        return metric_of(self.features)


SHIPPED = {
    one.name: one
    for one in (
        Named("clean-fid", features.INCEPTION, 2048, "clean", "round", 50, 50_000, version=2),
        Named("legacy-tensorflow", features.INCEPTION, 2048, "tensorflow", "edm", 50, 50_000, version=2),
        Named("legacy-pytorch", features.INCEPTION, 2048, "pytorch", "round", 50, 50_000, version=2),
        Named("flow-maps-jax", features.INCEPTION, 2048, "pytorch", FLOATS, 50, 50_000),
        Named("digits-frechet", "digits8", 32, features.OWN, LEVELS, 200, version=3),
        Named("cifar-frechet", "cifar32", 64, features.OWN, LEVELS, 100, version=3),
    )
}
CHUNKS = {one.features: one.feature_chunk for one in SHIPPED.values()}
FEATURES = tuple(CHUNKS)


def metric_of(feature_set: str, second: bool = False) -> str:
    """The name of the Fréchet distance on a feature set; a second set's is never called FID."""
    return "fid" if feature_set == features.INCEPTION and not second else f"fd_{feature_set}"


def named(scored: Surroundings) -> Named | None:
    """The protocol that `evaluation.protocol` names, or the one of data.features; None for points in the plane.

    Raises ConfigError for a name that is not, or no longer, there.
    """
    if isinstance(scored.data, Points):
        return None
    if (chosen := scored.evaluation.protocol) is not None:
        if chosen not in SHIPPED:
            raise nearest("evaluation.protocol", chosen, SHIPPED)
        return SHIPPED[chosen]
    return next(one for one in SHIPPED.values() if one.features == scored.data.features)
