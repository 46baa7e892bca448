"""Samples and their times as shapes: per-sample numbers (B,) beside arrays (B, ...)."""

from torch import Tensor


def align(t: Tensor, x: Tensor) -> Tensor:
    """Reshape times (B,) to broadcast against `x` (B, ...)."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def squared(r: Tensor) -> Tensor:
    """|r|^2 per sample: the sum over all but the first dimension, as the papers write it. (B, ...) -> (B,)."""
    return r.square().flatten(1).sum(1)
