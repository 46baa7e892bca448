"""Distance to the nearest neighbour: near the training set and far from held-out data means memorised."""

import torch
from torch import Tensor

from bench.metrics.distances import CHUNK, squared


def nearest(samples: Tensor, references: Tensor) -> Tensor:
    """(N,) float64: the root-mean-square pixel distance of each sample to its nearest reference.

    samples (N, ...), references (M, ...), same sample shape and scale. Compare two sets only at equal M.
    """
    if samples.shape[1:] != references.shape[1:]:
        raise ValueError(f"samples of shape {tuple(samples.shape[1:])} against {tuple(references.shape[1:])}")
    a, b = samples.flatten(1), references.flatten(1)
    found = torch.cat([squared(part, b).min(1).values for part in torch.split(a, CHUNK)])
    return (found / a.shape[1]).sqrt()


def share_closer(to_train: Tensor, to_heldout: Tensor) -> float:
    """Share of samples nearer to the training set, ties counted half: .5 where nothing is memorised, 1 where all is.

    to_train, to_heldout (N,): `nearest` of the same samples to two sets of equal size.
    """
    return float(((to_train < to_heldout).double() + 0.5 * (to_train == to_heldout).double()).mean())
