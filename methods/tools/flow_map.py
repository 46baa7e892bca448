"""The flow map X_{s,t}(x) = x + (t-s) v_{s,t}(x) of a two-time network, and the derivatives that objectives take of it.

Three ways to a directional derivative dv of v_{s,t}(x) along tangents (dx, ds, dt):

    EXACT   forward mode, and the gradient flows through both v and dv (backward through the JVP)
    SPLIT   dv by forward mode without gradient, v by a plain forward: same numbers, a third of the memory, dv detached
    FINITE  dv by a central difference of two forwards without gradient; an ablation, detached like SPLIT

Only EXACT carries a gradient through dv. Objectives that need it (LSD, ESD, LMD as published) become *other* objectives
under SPLIT, which is why their detached variants have names of their own.
"""

from collections.abc import Callable
from enum import Enum

import torch
from torch import Tensor

from methods.tools.forward import jvp
from methods.tools.shapes import align

Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, s, t) -> v_{s,t}(x)


class Derivative(Enum):
    """How a directional derivative is taken; see the module's docstring."""

    EXACT = "exact"
    SPLIT = "split"
    FINITE = "finite"


def jump(v: Velocity, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """X_{s,t}(x), shape of x (B, ...); s and t have shape (B,). The identity at s = t by construction."""
    return x + align(t - s, x) * v(x, s, t)


def derivative(
    v: Velocity, x: Tensor, s: Tensor, t: Tensor, *, dx: Tensor | None = None, ds: float = 0.0, dt: float = 0.0,
    how: Derivative = Derivative.EXACT, h: float = 5e-3,
) -> tuple[Tensor, Tensor]:
    """v_{s,t}(x) and its derivative along (dx, ds, dt), both of the shape of x.

    dx None means a zero tangent: the network's dependence on x is then not differentiated at all, which is cheaper.
    h is the half-width of the finite difference; 5e-3 suits float32 networks with slow time embeddings.
    """
    if how is Derivative.EXACT:
        return _jvp(v, x, s, t, dx, ds, dt)
    with torch.no_grad():
        if how is Derivative.SPLIT:
            dv = _jvp(v, x, s, t, dx, ds, dt)[1]
        else:
            step = h * dx if dx is not None else 0.0
            dv = (v(x + step, s + h * ds, t + h * dt) - v(x - step, s - h * ds, t - h * dt)) / (2 * h)
    return v(x, s, t), dv


def _jvp(
    v: Velocity, x: Tensor, s: Tensor, t: Tensor, dx: Tensor | None, ds: float, dt: float
) -> tuple[Tensor, Tensor]:
    moving: dict[str, tuple[Tensor, Tensor]] = {}
    if dx is not None:
        moving["x"] = (x, dx)
    if ds or dt:  # both: a time without a tangent beside one with costs more than its zeros (see bench/layers/affine.py)
        s, t = s.contiguous(), t.contiguous()  # as their tangents are: a compiler asks for equal layouts
        moving["s"] = (s, torch.full_like(s, ds))
        moving["t"] = (t, torch.full_like(t, dt))
    fixed = {"x": x, "s": s, "t": t}

    def along(*values: Tensor) -> Tensor:
        at = {**fixed, **dict(zip(moving, values, strict=True))}
        return v(at["x"], at["s"], at["t"])

    primals = tuple(primal for primal, _ in moving.values())
    tangents = tuple(tangent for _, tangent in moving.values())
    return jvp(along, primals, tangents)


def lagrangian(v: Velocity, x: Tensor, s: Tensor, t: Tensor, how: Derivative = Derivative.EXACT) -> tuple[Tensor, Tensor]:
    """X_{s,t}(x) and d/dt X_{s,t}(x) = v_{s,t} + (t-s) d_t v_{s,t}."""
    value, dv = derivative(v, x, s, t, dt=1.0, how=how)
    gap = align(t - s, x)
    return x + gap * value, value + gap * dv


def eulerian(v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Tensor, cut: bool) -> Tensor:
    """d_s X_{s,t}(x) + grad X_{s,t}(x) b = b - v_{s,t} + (t-s) (d_s v_{s,t} + grad v_{s,t} b), shape of x.

    cut: the product grad X . b is taken without gradient, which then runs through d_s X alone.
    """
    gap = align(t - s, x)
    if not cut:
        value, dv = derivative(v, x, s, t, dx=b, ds=1.0)
        return b + gap * dv - value
    value, d_s = derivative(v, x, s, t, ds=1.0)
    with torch.no_grad():
        transport = b + gap * derivative(v, x, s, t, dx=b)[1]
    return gap * d_s - value + transport


def mean_velocity(
    v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Tensor, tangent: Tensor, how: Derivative = Derivative.SPLIT
) -> tuple[Tensor, Tensor]:
    """v_{s,t}(x) and what it should be by the Eulerian identity, b + (t-s) d/ds v_{s,t}(x) along (tangent, 1); detached."""
    value, dv = derivative(v, x, s, t, dx=tangent, ds=1.0, how=how)
    return value, (b + align(t - s, x) * dv).detach()
