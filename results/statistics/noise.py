"""The noise of a column: what all methods' seeds tell together, which three seeds of one method cannot.

    y_ms = mu_m + b_s + e_ms        method m, training seed s; y: the logarithm of the value, where all are positive

Distances scatter in proportion to their size, so it is logarithms that have a variance in common: it is pooled over the
methods, and a method that scatters more has its own instead. One that scatters far more (Cochran's test of the largest
variance, at 5 %, repeated while it finds one) is left out of the pool and has its own few degrees of freedom. Where methods
share their training seeds and their evaluation noise, b_s (what a seed does to all alike) is taken out: a comparison is then
one of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

Floats = NDArray[np.float64]
OUTLYING = 0.05


class Noise(NamedTuple):
    """Of each method the variance of one training, its degrees of freedom, and whether it belongs to the pool."""

    variance: Floats
    freedom: Floats
    pooled: NDArray[np.bool_]


def paired(values: Floats) -> Noise:
    """Of two or more methods (rows) at the same two or more seeds (columns), without what a seed does to all alike.

    With three methods or more, what one's noise adds to the others' through b_s is taken out of their variances again.
    """
    methods, seeds = values.shape
    rest = values - values.mean(1, keepdims=True)
    own = ((rest - rest.mean(0)) ** 2).sum(1) / (seeds - 1)
    common = own.sum() / (methods - 1) / methods
    own = np.maximum(own - common, 0) / (1 - 2 / methods) if methods > 2 else own * 2
    return pooled(own, np.full(methods, (seeds - 1) * (1 - 1 / methods)))


def pooled(own: Floats, freedom: Floats) -> Noise:
    """Of methods with these variances. Freedom 0: it tells nothing by itself and has the pooled noise (NaN without a pool)."""
    kept = freedom > 0
    while kept.sum() > 1 and own[kept].any():
        at = int(np.argmax(np.where(kept, own, -1.0)))
        others = kept & (np.arange(len(own)) != at)
        rest = np.average(own[others], weights=freedom[others])
        ratio = own[at] / rest if rest > 0 else np.inf
        if fdtrc(freedom[at], freedom[others].sum(), ratio) >= OUTLYING / kept.sum():
            break
        kept = others
    one = np.average(own[kept], weights=freedom[kept]) if kept.any() else np.nan
    inside = kept | (freedom == 0)
    return Noise(np.where(inside, np.maximum(one, own), own), np.where(inside, freedom[kept].sum(), freedom), inside)
