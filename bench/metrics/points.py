"""Distances between two-dimensional samples and an exact target.

    kl         sum_c p_c log(p_c / q_c) over the cells c of an aligned grid that the target reaches, p exact,
               q_c = (n_c + 1/2) / (n + K/2) the smoothed histogram of n samples, K the number of those cells
    kl_50      the same by the self-distillation paper's rule (arXiv 2505.18825, G.1), for the checkerboard alone: 50 cells a
               side, p_c the density at the cell's centre times its area, q_c = n_c / n
    sliced_w2  root mean over fixed directions of the squared W2 between projections
    w2         exact W2 between equal numbers of points, by optimal assignment
    map_error  mean of |X^ - X|^2

A histogram of finitely many perfect samples does not score zero: `kl` carries that floor, measured on the target itself,
and the excess over it. In theory it is (K-1) / 2n: on the board .0062 at 64,000 samples. Cells are aligned with the
checkerboard's squares. The paper's 50 cells cut them in half: there a perfect sampler scores .066, most of what it reports.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from bench.truth import Checkerboard, Truth

CELLS = 40  # a multiple of 4: the checkerboard's edges are cell edges
PAPER_CELLS = 50
DIRECTIONS = 128
ASSIGNED = 1000
FLOOR_DRAWS = 16
REACHED = 1e-12  # rarer cells are slivers of rounding at an edge, or tails that no sample ever sees


def histogram_kl(samples: Tensor, truth: Truth) -> tuple[float, dict[str, Any]]:
    """KL(target || histogram) of samples (n, 2), and {"floor", "excess", "outside"}.

    Every cell that the target reaches gets half a sample more than it has, so that an empty one costs much but not
    infinity. Other cells get none: there p is 0, and the added mass would only dilute q where it counts. Samples in them
    and outside the grid count in n. The floor is the mean score of perfect samples of the same number.
    """
    edges = grid_edges(truth)
    value, floor = _aligned_kl(samples.double(), truth), _floor(_aligned_kl, truth, len(samples))
    inside = ((samples >= edges[0]) & (samples <= edges[-1])).all(1).double().mean().item()
    return value, {"floor": floor, "excess": value - floor, "outside": 1 - inside}


def paper_kl(samples: Tensor, truth: Checkerboard) -> tuple[float, dict[str, Any]]:
    """`kl_50` of samples (n, 2), and {"floor", "excess"}. An empty cell counts half a sample: the paper gives no rule."""
    value, floor = _midpoint_kl(samples.double(), truth), _floor(_midpoint_kl, truth, len(samples))
    return value, {"floor": floor, "excess": value - floor}


@lru_cache(maxsize=16)
def grid_edges(truth: Truth) -> Tensor:
    """(CELLS + 1,) edges of the square grid: the board itself, or the span of a hundred thousand fixed draws."""
    if isinstance(truth, Checkerboard):
        return torch.linspace(-1, 1, CELLS + 1, dtype=torch.float64)
    span = truth.sample(100_000, torch.Generator().manual_seed(0)).abs().max().item()
    return torch.linspace(-span, span, CELLS + 1, dtype=torch.float64)


def sliced_w2(a: Tensor, b: Tensor) -> float:
    """Sliced Wasserstein-2 between equally many points a and b (n, 2), along fixed equidistant directions."""
    if a.shape != b.shape:
        raise ValueError(f"sliced_w2 compares equally many points, got {tuple(a.shape)} and {tuple(b.shape)}")
    return float((projected(a) - projected(b)).square().mean().sqrt())


def projected(x: Tensor) -> Tensor:
    """Sorted projections (DIRECTIONS, n) of points (n, 2), float64."""
    angle = torch.arange(DIRECTIONS, dtype=torch.float64) * torch.pi / DIRECTIONS
    return (torch.stack([angle.cos(), angle.sin()], 1) @ x.double().T).sort(1).values


def exact_w2(a: Tensor, b: Tensor) -> float:
    """W2 between the first ASSIGNED points of each side."""
    from scipy.optimize import linear_sum_assignment  # here: planning does without SciPy

    n = min(ASSIGNED, len(a), len(b))
    cost = torch.cdist(a[:n].double(), b[:n].double()).square().numpy()
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean() ** 0.5)


def map_error(found: Tensor, exact: Tensor) -> float:
    """Mean over samples of |found - exact|^2 (summed over dimensions); NaN where the model gave no number."""
    return float((found.double() - exact.double()).square().flatten(1).sum(1).mean())


def _kl(samples: Tensor, edges: Tensor, p: Tensor) -> float:
    cells = len(edges) - 1
    width = (edges[-1] - edges[0]) / cells
    index = ((samples - edges[0]) / width).floor().long()
    index = torch.where(samples == edges[-1], cells - 1, index)
    inside = ((index >= 0) & (index < cells)).all(1)
    flat = index[inside, 0] * cells + index[inside, 1]
    counts = torch.bincount(flat, minlength=cells * cells).double().reshape(cells, cells)
    reached = p > REACHED
    p, counts = p[reached], counts[reached]
    q = (counts + 0.5) / (len(samples) + 0.5 * len(p))
    return float((p * (p / q).log()).sum())


@lru_cache(maxsize=16)
def _probabilities(truth: Truth) -> Tensor:
    return truth.cell_probabilities(grid_edges(truth))


def _midpoint_kl(samples: Tensor, truth: Checkerboard, cells: int = PAPER_CELLS) -> float:
    edges = torch.linspace(-1, 1, cells + 1, dtype=torch.float64)
    centre = torch.stack(torch.meshgrid((edges[1:] + edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2, indexing="ij"), -1)
    p = truth.density(centre) * (2 / cells) ** 2
    q = torch.histogramdd(samples, bins=[edges, edges]).hist.clamp(min=0.5) / len(samples)
    return float((p * (p / q).log())[p > 0].sum())


def _aligned_kl(samples: Tensor, truth: Truth) -> float:
    return _kl(samples, grid_edges(truth), _probabilities(truth))


@lru_cache(maxsize=64)
def _floor(score: Callable[[Tensor, Any], float], truth: Truth, n: int) -> float:
    """The mean score of n perfect samples."""
    draws = [truth.sample(n, torch.Generator().manual_seed(1 + k)) for k in range(FLOOR_DRAWS)]
    return sum(score(x, truth) for x in draws) / FLOOR_DRAWS
