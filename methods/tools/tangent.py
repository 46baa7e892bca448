"""Tangents of continuous-time objectives: the direction in which a sample's output should move, and a loss that moves it.

    r = end * min(1, progress / share)      warm-up: how much of the part that needs the network's derivative counts
    g <- g / (|g| + c)                      normalisation, |.| over the whole sample
    |F - sg(F + g)|^2                       its value is |g|^2, its gradient -2 g . dF: descent moves F along g

Where g is random given the point (a conditional velocity), normalisation weighs its draws by their length and so moves
the fixed point, as an adaptive weight does; where g is a function of the point it only weighs points.

Reference: Lu & Song, "Simplifying, Stabilizing and Scaling Continuous-time Consistency Models" (arXiv 2410.11081),
Section 4; Sabour et al., "Align Your Flow" (arXiv 2506.14603), Section 3.4.
"""

import torch
from torch import Tensor

from methods.tools.shapes import align, squared


def warm_up(progress: float | Tensor, share: float, end: float = 1.0) -> float | Tensor:
    """r after `progress` of the budget: it rises linearly over `share` of it (0: at once) and stays at `end`."""
    if not share > 0:
        return end
    risen = progress / share
    return end * (risen.clamp(max=1.0) if isinstance(risen, Tensor) else min(1.0, risen))


def normalised(g: Tensor, c: float) -> Tensor:
    """g / (|g| + c), shape of g (B, ...). At g = 0 it is 0 for every c > 0."""
    return g / (align(torch.sqrt(squared(g)), g) + c)


def pull(value: Tensor, g: Tensor) -> Tensor:
    """|value - sg(value + g)|^2 per sample, (B, ...) -> (B,). Written so that a small g is not lost beside `value`."""
    return squared(value - value.detach() - g.detach())


def check(warmup: float, c: float) -> None:
    """Raise ValueError for values of the knobs `warmup` and `c` that mean nothing."""
    if not 0 <= warmup <= 1:
        raise ValueError(f"method.warmup is a share of the budget and must lie in [0, 1] (0: none), got {warmup}")
    if not c > 0:
        raise ValueError(f"method.c is added to the tangent's norm and must be positive, got {c}; to switch "
                         "normalisation off set method.normalise=false")
