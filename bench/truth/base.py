"""What every exact target promises, and the average slope of a solver that serves where no closed form is known.

    v_{s,t}(x) = (X_{s,t}(x) - x) / (t - s),   v_{t,t} = b_t,   X_{s,t}(x) = x + (t-s) v_{s,t}(x)

An RK4 step of size h moves x by h * phi, so steps of sizes h_i from s to t move it by (t-s) times the mean of their
phi weighted by h_i / (t-s). Steps equal in r = sqrt(1 - t + delta) have weights (r_i + r_{i+1}) / (n (r_s + r_t)):
nothing is divided by t - s, so the mean is b at s = t, holds for t < s, and is differentiable in (s, t, x) in forward
mode. The r clock puts steps where b changes fastest, near data: on the checkerboard it saves a factor 100 in error.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from methods.tools import align

DELTA = 1e-4  # keeps r positive and differentiable at t = 1
Field = Callable[[Tensor, Tensor], Tensor]


class Truth(ABC):
    """A target with exact velocity. Every function computes in float64 and answers in the dtype of `x`.

    base_scale: s_0, the standard deviation of x_0. steps: RK4 steps where the map is solved; each target's default puts
    the error of the forward map from noise to data below 1e-6.
    """

    base_scale: float
    steps: int

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """b_t(x) = E[dI_t/dt | I_t = x]; x (B, d), t (B,)."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, d) draws from the target, float64, on the generator's device."""

    @abstractmethod
    def cell_probabilities(self, edges: Tensor) -> Tensor:
        """Exact probabilities (k, k) of the cells of the square grid with `edges` (k+1,) on both axes. Index [x, y]."""

    def average_velocity(self, x: Tensor, s: Tensor, t: Tensor, steps: int | None = None) -> Tensor:
        """v_{s,t}(x); x (B, d), s and t (B,), in any order."""
        v = average_slope(self.velocity, x.double(), s.double(), t.double(), steps or self.steps)
        return v.to(x.dtype)

    def flow(self, x: Tensor, s: Tensor, t: Tensor, steps: int | None = None) -> Tensor:
        """X_{s,t}(x) = x + (t-s) v_{s,t}(x)."""
        x_t = x.double() + align(t.double() - s.double(), x) * self.average_velocity(x.double(), s, t, steps)
        return x_t.to(x.dtype)


def average_slope(b: Field, x: Tensor, s: Tensor, t: Tensor, steps: int) -> Tensor:
    """(X_{s,t}(x) - x) / (t - s) by `steps` RK4 steps, without the division. Its error is O(steps^-4)."""
    r_s, r_t = torch.sqrt(1 - s + DELTA), torch.sqrt(1 - t + DELTA)
    total = torch.zeros_like(x)
    for i in range(steps):
        left, right = (r_s + (r_t - r_s) * (k / steps) for k in (i, i + 1))
        share = (left + right) / (steps * (r_s + r_t))
        h = (t - s) * share
        slope = _rk4_slope(b, x, 1 + DELTA - left**2, h)
        x = x + align(h, x) * slope
        total = total + align(share, x) * slope
    return total


def _rk4_slope(b: Field, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
    step, middle = align(h, x), s + h / 2
    k_1 = b(x, s)
    k_2 = b(x + step / 2 * k_1, middle)
    k_3 = b(x + step / 2 * k_2, middle)
    k_4 = b(x + step * k_3, s + h)
    return (k_1 + 2 * k_2 + 2 * k_3 + k_4) / 6
