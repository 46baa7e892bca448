"""Distance to the nearest neighbour: near the training set and far from held-out data means memorised."""

import torch
from torch import Tensor

CHUNK = 512


def nearest_distance(samples: Tensor, references: Tensor) -> float:
    """Mean over the samples of the root-mean-square pixel distance to the nearest reference.

    samples (N, ...), references (M, ...), same sample shape and scale. Compare two sets only at equal M.
    """
    if samples.shape[1:] != references.shape[1:]:
        raise ValueError(f"samples of shape {tuple(samples.shape[1:])} against {tuple(references.shape[1:])}")
    a, b = samples.flatten(1).float(), references.flatten(1).float()
    nearest = [torch.cdist(part, b).min(1).values for part in a.split(CHUNK)]
    return float(torch.cat(nearest).double().mean() / a.shape[1] ** 0.5)
