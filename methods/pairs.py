"""Laws of the pair (s, r) that a consistency loss compares, and the weight of each pair.

The papers state falling noise levels sigma_s > sigma_r; the interpolant turns them into times s < r, the same pair on
every clock. A grid is EDM's: n intervals between n + 1 levels, the last of which is taken for data (r = 1).

    KarrasPairs     consistency distillation: a fixed grid, every interval alike
    GrowingPairs    consistency training: n grows with the square root of progress, every interval alike
    DoublingPairs   its improved techniques: n doubles, intervals by a log-normal law of sigma, w = 1 / (sigma_s - sigma_r)
    EasyPairs       ECT: sigma_s log-normal and continuous, the ratio sigma_r / sigma_s rises, the same w
    UniformPairs    equal intervals of [0, 1], for ablations

References: arXiv 2303.01469 (Section 5 and Appendix C), 2310.14189 (Table 1), 2406.14548 (Section 3).
"""

from dataclasses import dataclass
from math import ceil, log2, sqrt
from typing import Protocol

import torch
from torch import Tensor

from methods.knobs import Base, Count, Levels, NotNegative, Positive
from methods.times import karras_sigmas, normal_quantile, to_data
from methods.tools import Interpolant, constant


class Pairs(Protocol):
    """The law of (s, r) and the weight of a pair."""

    def __call__(self, u: Tensor, progress: float | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        """Uniforms (B,) -> s, r, w, each (B,), with 0 <= s < r <= 1. progress: share of the law's training, in [0, 1)."""
        ...


@dataclass(frozen=True)
class EasyPairs:
    """ECT's: ln sigma ~ N(mean, std^2); sigma_r / sigma_s rises from denoising to consistency as training proceeds.

    sigma_r = max(0, sigma (1 - d_a (1 + k sigmoid(-b sigma)))), d_a = q^-(a+1), a = 0, 1, ... in `doublings` equal parts
    of the budget (the paper: 25.6 M images, a new part every 3.2 M). w = 1 / (sigma_s - sigma_r).
    """

    mean: float = -1.1
    std: Positive = 2.0
    q: Base = 2.0
    k: NotNegative = 8.0
    b: NotNegative = 1.0
    doublings: Count = 8

    def __call__(self, u: Tensor, progress: float | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        sigma = torch.exp(self.mean + self.std * normal_quantile(u))
        return self.paired(sigma, whole(progress * self.doublings), path)

    def step(self, a: int) -> float:
        """d_a."""
        return float(self.q ** -(a + 1))

    def steps(self) -> Tensor:
        """d_a of every part and of what comes after the last, float64."""
        return torch.tensor([self.step(a) for a in range(self.doublings + 1)], dtype=torch.float64)

    def paired(self, sigma: Tensor, a: int | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        """s, r, w of given noise levels in part a."""
        last = self.doublings
        d = chosen(constant(type(self).steps, self, like=sigma), a.clamp(max=last) if isinstance(a, Tensor) else min(a, last))
        sigma_r = sigma * (1 - d * (1 + self.k * torch.sigmoid(-self.b * sigma))).clamp(min=0)
        return path.time_of_sigma(sigma), path.time_of_sigma(sigma_r), 1 / (sigma - sigma_r)


@dataclass(frozen=True)
class KarrasPairs:
    """Neighbours on EDM's grid of n noise levels, index uniform, w = 1."""

    n: Levels = 18
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0

    def __post_init__(self) -> None:
        _check_levels(self.sigma_min, self.sigma_max)

    def __call__(self, u: Tensor, progress: float | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        return _any_neighbours(constant(KarrasPairs.times, self, path, like=u), u)

    def times(self, path: Interpolant) -> Tensor:
        """Those of the levels, float64."""
        return path.time_of_sigma(to_data(karras_sigmas(self.n, self.sigma_min, self.sigma_max, self.rho)))


@dataclass(frozen=True)
class GrowingPairs:
    """Consistency training's: as KarrasPairs, with more and more intervals.

    n = ceil( sqrt( p ((end + 1)^2 - start^2) + start^2 ) - 1 ), p the progress: from start - 1 (at least 1) to end. The
    paper's N counts the levels: N = n + 1.
    """

    start: Count = 2
    end: Count = 150
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0

    def __post_init__(self) -> None:
        _check_growth(self.start, self.end)
        _check_levels(self.sigma_min, self.sigma_max)

    def intervals(self, progress: float) -> int:
        """n at this share of the training."""
        n = sqrt(progress * ((self.end + 1) ** 2 - self.start**2) + self.start**2) - 1
        return max(1, ceil(n))

    def __call__(self, u: Tensor, progress: float | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        if isinstance(progress, Tensor):
            raise TypeError("the number of intervals grows, and with it what is computed: it is decided on the host")
        return KarrasPairs(self.intervals(progress) + 1, self.sigma_min, self.sigma_max, self.rho)(u, progress, path)


@dataclass(frozen=True)
class DoublingPairs:
    """The improved techniques': EDM's grid of n intervals, n doubling from start to end in equal parts of the budget.

    The probability of an interval is that of ln sigma ~ N(mean, std^2) between its ends (before the last level is taken
    for data), as a share of the grid's. w = 1 / (sigma_s - sigma_r).
    """

    start: Count = 10
    end: Count = 1280
    mean: float = -1.1
    std: Positive = 2.0
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0

    def __post_init__(self) -> None:
        _check_growth(self.start, self.end)
        _check_levels(self.sigma_min, self.sigma_max)

    @property
    def parts(self) -> float:
        """Of the training, with a grid each; the last may be shorter."""
        return log2(self.end / self.start) + 1

    def intervals(self, progress: float) -> int:
        """n at this share of the training."""
        return self.of_part(int(progress * self.parts))

    def of_part(self, part: int) -> int:
        """n in a part of the training."""
        return int(min(self.start * 2**part, self.end))

    def __call__(self, u: Tensor, progress: float | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        reached, times, w = chosen(constant(DoublingPairs.tables, self, path, like=u), whole(progress * self.parts))
        i = torch.searchsorted(reached[1:], u, right=True)
        return times[i], times[i + 1], w[i]

    def tables(self, path: Interpolant) -> Tensor:
        """Of every part its `table`, made as long as the last: (parts, 3, end + 1). No sample reaches what is added."""
        tables = torch.full((ceil(self.parts), 3, self.end + 1), torch.inf, dtype=torch.float64)
        for part, table in enumerate(tables):
            n = self.of_part(part)
            table[:, : n + 1] = self.table(n, path)
            table[0, n] = torch.inf
        return tables

    def table(self, n: int, path: Interpolant) -> Tensor:
        """Of each level of n intervals the share of samples before it, its time, and the weight of the interval after it (of
        the last one 0); (3, n + 1), float64."""
        sigmas = karras_sigmas(n + 1, self.sigma_min, self.sigma_max, self.rho)
        below = torch.special.erf((sigmas.log() - self.mean) / (sqrt(2) * self.std))
        reached = (below[0] - below) / (below[0] - below[-1])  # rises from 0 at sigma_max to 1 at sigma_min
        sigmas = to_data(sigmas)
        weights = torch.cat([-1 / sigmas.diff(), torch.zeros_like(sigmas[:1])])
        return torch.stack([reached, path.time_of_sigma(sigmas), weights])


@dataclass(frozen=True)
class UniformPairs:
    """Neighbours on n equal intervals of [0, 1], index uniform, w = 1."""

    n: Count = 18

    def __call__(self, u: Tensor, progress: float | Tensor, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        return _any_neighbours(constant(UniformPairs.times, self, like=u), u)

    def times(self) -> Tensor:
        return torch.linspace(0, 1, self.n + 1, dtype=torch.float64)


def whole(x: float | Tensor) -> int | Tensor:
    """The number of whole parts that are done, on the host or where x is."""
    return x.floor().long() if isinstance(x, Tensor) else int(x)


def chosen(table: Tensor, i: int | Tensor) -> Tensor:
    """table[i], wherever the index is."""
    return table.index_select(0, i[None])[0] if isinstance(i, Tensor) else table[i]


def _any_neighbours(times: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    i = (u * (len(times) - 1)).long()
    return times[i], times[i + 1], torch.ones_like(u)


def _check_growth(start: int, end: int) -> None:
    if start > end:
        raise ValueError(f"method.pairs.start={start} must not exceed method.pairs.end={end}: the number of intervals grows")


def _check_levels(sigma_min: float, sigma_max: float) -> None:
    if not sigma_min < sigma_max:
        raise ValueError(f"method.pairs.sigma_min={sigma_min} must be below method.pairs.sigma_max={sigma_max}")
