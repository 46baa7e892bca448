"""How far a loss moves its own fixed point away from the exact flow map, on a target without symmetry.

Of the maps v* + phi @ theta (see `oracle`) take the line through the exact one along its mean gradient. The gradient along
that line, and its slope by a difference, say where on it the gradient vanishes; the shift is how far the jump from noise to
data moves on the way there, root mean square. The line is found on every other step and measured on the rest, so that a
loss whose gradient vanishes in expectation has shift 0 within its standard error, of either sign. Adaptive weights and
robust distances have another: they ask for another average of a sample's conditional velocity than its mean.
"""

import re
from dataclasses import fields, replace
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from oracle import features, one_loss
from torch import Tensor

from bench.truth import Truth, target
from methods.base import Method

SAMPLES, STEPS, LINE = 1024, 32, 0.05
END = 0.99  # of the budget: every schedule is at its finest


class Shift(NamedTuple):
    """In units of the data, with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value + 0.0:.2f} ± {self.error:.2f}".replace("-0.00", "0.00")


@lru_cache
def shift(method: Method) -> Shift:
    """Of the last stage at the end of its schedules, on the skewed target."""
    along = torch.stack(list(_gradients(method, 0.0, range(0, STEPS, 2)))).mean(0)
    along = along / along.norm()
    held = range(1, STEPS, 2)
    here, there = ((torch.stack(list(_gradients(method, at, held))) * along).sum((1, 2)) for at in (0.0, LINE * along))
    slope = (there - here).mean() / LINE
    size = _moved(along) / slope
    return Shift((size * here.mean()).item(), (size * here.std() / len(here) ** 0.5).item())


def condition(method: Method) -> dict[str, Any]:
    """The knobs at which `needs.truth` says that it holds; {} where it holds at the defaults."""
    return {key: _value(method, key, text) for key, text in re.findall(r" at (\w+)=([^,\s]+)", method.needs.truth)}


def neutral(method: Method) -> Method:
    """The same with those knobs."""
    return replace(method, **condition(method))


def skewed() -> Truth:
    """Its map solved in few steps: the error, 1e-3, is far below what is measured here."""
    return replace(target("skewed"), steps=4)  # type: ignore[type-var]


def _value(method: Method, key: str, text: str) -> Any:
    assert key in {f.name for f in fields(method)}, key
    kind = type(getattr(method, key))
    return kind(text) if issubclass(kind, Enum) else text == "true" if kind is bool else kind(text)


def _gradients(method: Method, theta: Tensor | float, steps: range) -> Any:
    for step in steps:
        loss, net = one_loss(method, skewed(), SAMPLES, theta, step, progress=END)
        yield torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]


def _moved(theta: Tensor) -> Tensor:
    """Root mean square of what theta moves the jump from noise to data by."""
    x = torch.randn((4096, theta.shape[1]), generator=torch.Generator().manual_seed(3), dtype=theta.dtype)
    zero = torch.zeros(len(x), dtype=theta.dtype)
    return (features(x, zero, zero + 1) @ theta).square().sum(1).mean().sqrt()
