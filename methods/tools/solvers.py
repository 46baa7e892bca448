"""Fixed-step solvers of dx/dt = b_t(x): one step from s to t, and a path of many.

Times have shape (B,), b(x, t) the shape of x (B, ...). On the linear interpolant the Euler step is DDIM's: dx/dt of the
straight path through the two predicted ends.
"""

from collections.abc import Callable, Collection, Sequence
from enum import Enum

import torch
from torch import Tensor

from methods.tools.shapes import align

Field = Callable[[Tensor, Tensor], Tensor]


class Solver(Enum):
    """The order of each is the number of velocity evaluations that a step takes."""

    EULER = "euler"
    HEUN = "heun"
    MIDPOINT = "midpoint"
    RK4 = "rk4"

    @property
    def order(self) -> int:
        """Of the error at the end of a path, and velocity evaluations per step."""
        return {"euler": 1, "heun": 2, "midpoint": 2, "rk4": 4}[self.value]


def step(solver: Solver, b: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """x at t after one step of the solver from s; t < s steps backwards."""
    return _STEPS[solver](b, x, s, t)


def solve(solver: Solver, b: Field, x: Tensor, times: Sequence[float], kept: Collection[int]) -> Tensor:
    """(B, 1 + kept, ...): x at times[0] and the states at the positions `kept` of `times`, one step between two times."""
    states = [x]
    for i in range(1, len(times)):
        x = step(solver, b, x, *(x.new_full((len(x),), t) for t in times[i - 1 : i + 1]))
        states += [x] if i in kept else []
    return torch.stack(states, 1)


def _euler(b: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    return x + align(t - s, x) * b(x, s)


def _heun(b: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    h = align(t - s, x)
    k_1 = b(x, s)
    return x + h / 2 * (k_1 + b(x + h * k_1, t))


def _midpoint(b: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    h = align(t - s, x)
    return x + h * b(x + h / 2 * b(x, s), (s + t) / 2)


def _rk4(b: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    h, middle = align(t - s, x), (s + t) / 2
    k_1 = b(x, s)
    k_2 = b(x + h / 2 * k_1, middle)
    k_3 = b(x + h / 2 * k_2, middle)
    k_4 = b(x + h * k_3, t)
    return x + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)


_STEPS = {Solver.EULER: _euler, Solver.HEUN: _heun, Solver.MIDPOINT: _midpoint, Solver.RK4: _rk4}
