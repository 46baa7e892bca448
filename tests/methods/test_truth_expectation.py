"""Objectives whose loss has a known positive value at the exact map, and a (semi)gradient that vanishes in expectation.

With c_d^2 the eigenvalues of the covariance, s_0 the base scale and sig_d(t)^2 = s_0^2 (1-t)^2 + t^2 c_d^2:

    flow matching   (pi/2) s_0 tr C^{1/2},   and so the Lagrangian term of direct flow map matching
    MeanFlow        E_{s<t} sum_d s_0^2 c_d^2 sig_d(t)^2 / sig_d(s)^4
    consistency     mean_i sum_d 2 c_d^2 (1 - rho_d(t_i, t_{i+1})),   rho = (s_0^2 (1-s)(1-t) + s t c^2) / (sig(s) sig(t))

A semigradient counts as zero when its components are of the size of their standard errors (`Measured.excess` near 1).
"""

from dataclasses import replace
from math import pi

import pytest
import torch
from oracle import Measured, loss_and_gradient, on_clock, one_loss, orders, triangle
from torch import Tensor

from bench.truth import Gaussian, Truth, target
from methods.base import Method
from methods.consistency import ECT, Distance
from methods.flow_map_matching import FMM
from methods.flow_matching import FlowMatching
from methods.imm import IMM, Kernel
from methods.meanflow import MeanFlow
from methods.pairs import UniformPairs
from methods.self_distillation import LSD
from methods.shortcut import Shortcut
from methods.times import Uniform
from methods.tools.interpolant import Linear, Trigonometric

FLOW = FlowMatching()
MEAN = MeanFlow(eta=0.0, power=0.0, time_law=Uniform())
ZERO, CLEAR = 5.0, 40.0  # of Measured.excess; its components are correlated


def consistency(n: int, distance: Distance = Distance.SQUARED) -> ECT:
    return ECT(pairs=UniformPairs(n), distance=distance)


def gaussian(base_scale: float = 1.0) -> Gaussian:
    truth = target("gaussian", base_scale)
    assert isinstance(truth, Gaussian)
    return truth


def skewed() -> Truth:
    return replace(target("skewed"), steps=8)  # type: ignore[type-var]


def c_squared(truth: Gaussian) -> Tensor:
    return torch.linalg.eigvalsh(torch.tensor(truth.covariance, dtype=torch.float64))


def sig_squared(truth: Gaussian, t: Tensor) -> Tensor:
    """(len(t), d)."""
    return truth.base_scale**2 * (1 - t[:, None]) ** 2 + t[:, None] ** 2 * c_squared(truth)


def flow_value(truth: Gaussian) -> float:
    return (pi / 2 * truth.base_scale * c_squared(truth).sqrt().sum()).item()


def mean_flow_value(truth: Gaussian) -> float:
    s, t, w = triangle(2, 400)
    ratio = sig_squared(truth, t) / sig_squared(truth, s) ** 2
    return (truth.base_scale**2 * w[:, None] * c_squared(truth) * ratio).sum().item()


def consistency_value(truth: Gaussian, n: int) -> float:
    grid = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    s, t, c2 = grid[:-1, None], grid[1:, None], c_squared(truth)
    inner = truth.base_scale**2 * (1 - s) * (1 - t) + s * t * c2
    rho = inner / (sig_squared(truth, grid[:-1]) * sig_squared(truth, grid[1:])).sqrt()
    return (2 * c2 * (1 - rho)).sum(1).mean().item()


def measure(method: Method, truth: Truth, theta: float = 0.0, n: int = 4096, **more: object) -> Measured:
    return loss_and_gradient(method, truth, theta, n=n, chunks=16, **more)  # type: ignore[arg-type]


def agree(measured: Measured, value: float) -> bool:
    return abs(measured.loss - value) < 4 * measured.loss_error


BASES = pytest.mark.parametrize("base_scale", [1.0, 0.5])


@BASES
def test_flow_matching_has_its_value(base_scale: float) -> None:
    method = replace(FLOW, interpolant=Linear(base_scale))
    assert agree(measure(method, gaussian(base_scale)), flow_value(gaussian(base_scale)))


@BASES
def test_the_lagrangian_term_of_flow_map_matching_has_the_value_of_flow_matching(base_scale: float) -> None:
    method = FMM(interpolant=Linear(base_scale))
    assert agree(measure(method, gaussian(base_scale), part="lagrangian"), flow_value(gaussian(base_scale)))


@BASES
def test_meanflow_has_its_value(base_scale: float) -> None:
    method = replace(MEAN, interpolant=Linear(base_scale))
    assert agree(measure(method, gaussian(base_scale)), mean_flow_value(gaussian(base_scale)))


@BASES
@pytest.mark.parametrize("n", [4, 16])
def test_consistency_training_has_its_value(n: int, base_scale: float) -> None:
    method = replace(consistency(n), interpolant=Linear(base_scale))
    assert agree(measure(method, gaussian(base_scale)), consistency_value(gaussian(base_scale), n))


def test_the_diagonal_part_of_self_distillation_has_the_value_of_flow_matching() -> None:
    assert agree(measure(LSD(eta=1.0, learned_weight=False), gaussian()), flow_value(gaussian()))
    assert agree(measure(LSD(), gaussian(), part="velocity"), flow_value(gaussian()))


def test_self_distillation_weighs_its_two_parts_by_their_shares_of_the_batch() -> None:
    loss, _ = one_loss(LSD(learned_weight=False), gaussian(), 4096)
    assert len(loss.parts["velocity"]) == 3 * len(loss.parts["distillation"])
    whole = torch.cat([loss.parts["velocity"], loss.parts["distillation"]])
    torch.testing.assert_close(loss.per_sample.detach(), whole, rtol=0, atol=0)


@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])
@pytest.mark.parametrize("method", [FLOW, MEAN, LSD(learned_weight=False), FMM()],
                         ids=["flow_matching", "meanflow", "lsd", "fmm"])
def test_the_semigradient_vanishes_at_the_exact_map_only(method: Method, path: Linear | Trigonometric) -> None:
    method, truth = replace(method, interpolant=path), on_clock(gaussian(path.base_scale), path)
    assert measure(method, truth).excess < ZERO
    assert measure(method, truth, 0.1).excess > CLEAR


def test_the_bias_of_consistency_training_falls_as_the_square_of_the_grid() -> None:
    at_truth = {n: measure(consistency(n), gaussian()).size for n in (4, 8, 16, 32)}
    assert all(1.8 < order < 2.2 for order in orders(at_truth))
    assert 1 < at_truth[32] * 32**2 < 5


def test_consistency_training_sees_a_perturbed_map() -> None:
    at_truth, perturbed = (measure(consistency(32), gaussian(), theta).size for theta in (0.0, 0.1))
    assert perturbed > 1e-3
    assert perturbed > 4 * at_truth


def test_the_bias_of_the_smallest_shortcut_falls_as_its_length() -> None:
    at_truth = {2**k: measure(Shortcut(bootstrap=0.0, levels=k), gaussian(), n=2**16) for k in (2, 3, 4)}
    assert all(0.8 < order < 1.2 for order in orders({n: m.size for n, m in at_truth.items()}))
    assert at_truth[16].excess > CLEAR
    assert measure(Shortcut(bootstrap=0.0, levels=16), gaussian()).excess < ZERO


def test_the_semigradient_of_shortcut_models_vanishes_at_the_exact_map_up_to_their_smallest_step() -> None:
    assert measure(Shortcut(levels=16), gaussian()).excess < ZERO
    assert measure(Shortcut(levels=16), gaussian(), 0.1).excess > CLEAR


def test_the_semigradient_of_moment_matching_vanishes_at_the_exact_map_only() -> None:
    assert measure(IMM(), gaussian()).excess < ZERO
    assert measure(IMM(), gaussian(), 0.1).excess > CLEAR


def test_moment_matching_by_consistency_is_biased_by_its_gap() -> None:
    at_truth = {k: measure(IMM(particles=1, kernel=Kernel.ENERGY, gap=k), gaussian()).size for k in (6, 10)}
    assert at_truth[10] < at_truth[6] / 4


@pytest.mark.parametrize("method", [FLOW, LSD(learned_weight=False), FMM()], ids=["flow_matching", "lsd", "fmm"])
def test_the_semigradient_vanishes_on_the_skewed_target(method: Method) -> None:
    assert measure(method, skewed(), n=512).excess < ZERO
    assert measure(method, skewed(), 0.2, n=512).excess > CLEAR


def test_the_semigradient_of_meanflow_vanishes_on_the_skewed_target() -> None:
    assert measure(MEAN, skewed(), n=1024).excess < ZERO
    assert measure(MEAN, skewed(), 0.3, n=1024).excess > CLEAR


def test_the_bias_of_squared_consistency_training_falls_on_the_skewed_target() -> None:
    at_truth = {n: measure(consistency(n), skewed(), n=2048).size for n in (4, 8, 16)}
    assert all(1.5 < order < 2.5 for order in orders(at_truth))


def test_the_adaptive_weight_moves_the_fixed_point_of_a_skewed_target_but_not_of_a_symmetric_one() -> None:
    adaptive = replace(MEAN, power=0.75)
    assert measure(adaptive, gaussian()).excess < ZERO
    assert measure(adaptive, skewed(), n=1024).excess > CLEAR


def test_the_robust_distance_moves_the_fixed_point_of_a_skewed_target() -> None:
    squared, robust = (measure(consistency(16, d), skewed(), n=2048) for d in (Distance.SQUARED, Distance.NORM))
    assert robust.size > 5 * squared.size
    assert robust.excess > CLEAR
