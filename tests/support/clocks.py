"""The clocks on which a truth must hold alike, the exact maps on them, and what tells a gradient that vanishes."""

from dataclasses import replace
from typing import Any

import pytest
from oracle import Measured, loss_and_gradient, on_clock

from bench.truth import Gaussian, Truth, target
from methods.base import Method
from methods.tools.interpolant import Interpolant, Linear, Trigonometric

ZERO, CLEAR = 5.0, 40.0  # of Measured.excess, as in test_truth_expectation
PATHS = {"linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(0.5),
         "trigonometric_half_base": Trigonometric(0.5)}
BOTH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def gaussian(path: Interpolant = PATHS["linear"]) -> Gaussian:
    """The exact map on the clock of `path`."""
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def skewed(steps: int = 8) -> Truth:
    return replace(target("skewed"), steps=steps)  # type: ignore[type-var]


def measure(method: Method, truth: Truth, theta: float = 0.0, n: int = 4096, **more: Any) -> Measured:
    return loss_and_gradient(method, truth, theta, n=n, chunks=16, **more)
