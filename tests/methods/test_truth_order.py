"""Orders of accuracy: solvers, and objectives whose residual at the exact map is their teacher's solver error."""

from dataclasses import replace

import pytest
import torch
from oracle import data, loss_and_gradient, orders, teacher_of

from bench.truth import Truth, target
from methods.base import Method
from methods.consistency import CD
from methods.pairs import KarrasPairs, UniformPairs
from methods.pfmm import PFMM
from methods.progressive import Progressive, Spacing, Weighting
from methods.tools.solvers import Solver, step

ORDER = {Solver.EULER: 1, Solver.HEUN: 2, Solver.MIDPOINT: 2, Solver.RK4: 4}
INTERVALS = (8, 16, 32, 64)


def end_error(solver: Solver, truth: Truth, n: int) -> float:
    """Root-mean-square error at t = 1 of n steps from t = 0."""
    x = start = data(truth, 128, seed=1)
    for i in range(n):
        s, t = (torch.full((len(x),), k / n, dtype=torch.float64) for k in (i, i + 1))
        x = step(solver, teacher_of(truth), x, s, t)
    zero = torch.zeros(len(x), dtype=torch.float64)
    return (x - truth.flow(start, zero, zero + 1, steps=400)).square().mean().sqrt().item()


def distillation(solver: Solver, n: int) -> CD:
    return CD(pairs=UniformPairs(n), solver=solver)


@pytest.mark.parametrize("solver", Solver)
def test_the_solver_has_its_order(solver: Solver) -> None:
    errors = {n: end_error(solver, target("skewed"), n) for n in (32, 64, 128)}
    assert list(orders(errors))[-1] == pytest.approx(ORDER[solver], abs=0.25)


@pytest.mark.parametrize("solver", Solver)
def test_the_solver_meets_the_exact_map_of_a_gaussian_at_its_order_or_better(solver: Solver) -> None:
    """A Gaussian flow moves along hyperbolas, on which the midpoint rule gains an order."""
    errors = {n: end_error(solver, target("gaussian"), n) for n in INTERVALS}
    better = 1 if solver is Solver.MIDPOINT else 0
    assert list(orders(errors))[-1] == pytest.approx(ORDER[solver] + better, abs=0.2)


@pytest.mark.parametrize("solver", Solver)
def test_the_solver_steps_backwards(solver: Solver) -> None:
    truth, x = target("gaussian"), data(target("gaussian"), 64)
    s, t = torch.full((64,), 0.6).double(), torch.full((64,), 0.55).double()
    back = step(solver, teacher_of(truth), step(solver, teacher_of(truth), x, s, t), t, s)
    assert (back - x).abs().max() < 0.05 ** (ORDER[solver] + 1) * 50


@pytest.mark.parametrize("name", ["gaussian", "skewed"])
@pytest.mark.parametrize("solver", [Solver.EULER, Solver.HEUN])
def test_the_residual_of_consistency_distillation_falls_at_its_solvers_order(solver: Solver, name: str) -> None:
    truth = target(name) if name == "gaussian" else replace(target(name), steps=64)  # type: ignore[type-var]
    n = 8192 if name == "gaussian" else 1024
    losses = {k: loss_and_gradient(distillation(solver, k), truth, n=n).loss for k in (16, 32, 64)}
    expected = 2 * (ORDER[solver] + 1)
    assert list(orders(losses))[-1] == pytest.approx(expected, abs=0.3 if name == "gaussian" else 0.8)


@pytest.mark.parametrize("solver", [Solver.EULER, Solver.HEUN])
def test_the_gradient_of_consistency_distillation_falls_at_its_solvers_order(solver: Solver) -> None:
    sizes = {k: loss_and_gradient(distillation(solver, k), target("gaussian"), n=8192).size for k in INTERVALS}
    assert list(orders(sizes))[-1] == pytest.approx(ORDER[solver] + 1, abs=0.3)


def test_the_papers_grid_distils_to_a_small_residual() -> None:
    coarse, fine = (loss_and_gradient(CD(pairs=KarrasPairs(n)), target("gaussian"), n=4096).loss for n in (18, 72))
    assert fine < coarse / 1000


@pytest.mark.parametrize("solver", [Solver.EULER, Solver.HEUN])
def test_consistency_distillation_sees_a_perturbed_map(solver: Solver) -> None:
    method = distillation(solver, 8)
    perturbed = loss_and_gradient(method, target("gaussian"), 0.3)
    assert perturbed.loss > 1e-3
    assert perturbed.size > 1e-2
    assert perturbed.size > 2 * loss_and_gradient(method, target("gaussian")).size


def first_round(n: int) -> Method:
    return Progressive(start=n, weighting=Weighting.VELOCITY, spacing=Spacing.UNIFORM)


@pytest.mark.parametrize("name", ["gaussian", "skewed"])
def test_the_first_round_of_progressive_distillation_has_the_error_of_eulers_steps(name: str) -> None:
    truth = target(name) if name == "gaussian" else replace(target(name), steps=16)  # type: ignore[type-var]
    losses = {}
    for n in (16, 32, 64):
        stage = first_round(n).stages(2**20)[0]
        losses[n] = loss_and_gradient(first_round(n), truth, n=4096, stage=stage).loss
    assert list(orders(losses))[-1] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("name", ["gaussian", "skewed"])
def test_the_first_stage_of_progressive_flow_map_matching_has_the_error_of_eulers_steps(name: str) -> None:
    """Of two steps of half the reach, divided by the interval: of first order in the reach, squared."""
    truth = target(name) if name == "gaussian" else replace(target(name), steps=16)  # type: ignore[type-var]
    losses = {}
    for k in (3, 4, 5):
        stage = PFMM(doublings=k).stages(2**20)[0]
        losses[2**k] = loss_and_gradient(PFMM(doublings=k), truth, n=4096, stage=stage).loss
    assert list(orders(losses))[-1] == pytest.approx(2, abs=0.2)
