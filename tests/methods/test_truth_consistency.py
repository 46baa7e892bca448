"""The consistency models in discrete time, CT, iCT and TCM: definition, value, bias, fixed point, training.

Definitions are written out in noise levels (the papers' clock) and must hold on both of ours. Values, of the squared
distance at the exact map of a Gaussian: E_pairs[ w sum_d 2 c_d^2 (1 - rho_d) ] with

    rho = (c^2 + sigma_s sigma_r) / sqrt((c^2 + sigma_s^2) (c^2 + sigma_r^2)),

and biases that fall with the gap: as its square for CT's weight 1, as the gap for the weights 1 / (sigma_s - sigma_r).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure, skewed
from noise_levels import LATE, masses, neighbours
from oracle import Oracle, context, data, features, one_loss, orders, squared
from specs import network
from torch import Tensor, nn
from trainings import BATCH, NET, live, live_of, map_error, one_jump, points, trained

from bench.config.errors import ConfigError
from bench.config.registry import make_method
from bench.nets import Backbone
from bench.training.train import Recipe, Trainer
from methods.base import Loss, Method
from methods.consistency import CT, ICT, Distance
from methods.pairs import DoublingPairs, GrowingPairs
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.truncated import TCM, LimitedPairs, TruncatedStudent

CPU, N = torch.device("cpu"), 512
SQUARED = Distance.SQUARED


# Definitions.


@dataclass(frozen=True)
class Case:
    """A method at one progress, and sigma_s, sigma_r, w from uniforms."""

    method: CT | ICT | TCM
    pairs: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    progress: float = 0.1


def growing(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    n = 47  # ceil(sqrt(.1 (151^2 - 2^2) + 2^2) - 1)
    return *neighbours(n, (u * n).long()), torch.ones_like(u)


def doubling(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    edges = masses(20).cumsum(0)
    sigma_s, sigma_r = neighbours(20, (u[:, None] >= edges[:-1]).sum(1))
    return sigma_s, sigma_r, 1 / (sigma_s - sigma_r)


def truncated(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    boundary = torch.arange(len(u)) % 4 == 3
    sigma = torch.where(boundary, torch.ones_like(u), TruncatedStudent()(u))
    sigma_r = sigma - 0.001 * sigma * (1 + 8 / (1 + sigma.exp()))
    return sigma, sigma_r, torch.where(boundary, 0.1 / 0.25, 1 / 0.75) / (sigma - sigma_r)


CASES = {
    "ct": Case(CT(), growing),
    "ict": Case(ICT(c=0.05), doubling, 0.2),
    "ict_squared": Case(ICT(distance=SQUARED), doubling, 0.2),
    "tcm": Case(TCM(c=0.01), truncated),
    "tcm_squared": Case(TCM(distance=SQUARED), truncated),
}


@dataclass(frozen=True)
class Step:
    """What one step gave, and what the definition says: the residual, the weight and the student's derivative."""

    loss: Loss
    gradient: Tensor
    residual: Tensor
    weight: Tensor
    slope: Tensor
    slow: Oracle


def taken(case: Case, path: Interpolant) -> Step:
    """The student is perturbed; its slow target less so; TCM's first network is exact."""
    truth, method = gaussian(path), replace(case.method, interpolant=path)
    slow = Oracle(truth, 0.1)
    models = {"net": Oracle(truth, 0.2), "first": Oracle(truth)}
    targets = {"net": slow} if isinstance(method, CT) else None
    loss, net = one_loss(method, truth, N, models=models, target=targets, progress=case.progress)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    at, x_1, one = context(method, N), data(truth, N), torch.ones(N).double()
    sigma_s, sigma_r, weight = case.pairs(at.draws.uniform("times"))
    s, r = path.time_of_sigma(sigma_s), path.time_of_sigma(sigma_r)
    x_s, x_r = (path.point(path.base_scale * at.noise(x_1), x_1, t) for t in (s, r))

    def end(v: nn.Module, x: Tensor, t: Tensor) -> Tensor:
        return (x + (1 - t)[:, None] * v(x, t, one)).detach()

    taught = end(slow if isinstance(method, CT) else net, x_r, r)
    if isinstance(method, TCM):
        taught = torch.where((sigma_r < 1)[:, None], end(models["first"], x_r, r), taught)
    slope = (1 - s)[:, None] * features(x_s, s, one)
    return Step(loss, gradient, end(net, x_s, s) - taught, weight, slope, slow)


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_its_definition(name: str, path: Interpolant) -> None:
    case, step = CASES[name], taken(CASES[name], path)
    raw, c = squared(step.residual), case.method.c
    distance = raw if case.method.distance is SQUARED else torch.sqrt(raw + c**2) - c  # type: ignore[operator]
    assert step.loss.per_sample.mean() > 1e-3
    torch.testing.assert_close(step.loss.per_sample.detach(), step.weight * distance, rtol=1e-6, atol=1e-10)


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_enters_through_the_student_alone(name: str, path: Interpolant) -> None:
    case, step = CASES[name], taken(CASES[name], path)
    raw, c = squared(step.residual), case.method.c
    outer = torch.full_like(raw, 2.0) if case.method.distance is SQUARED else (raw + c**2).rsqrt()  # type: ignore[operator]
    expected = ((step.weight * outer)[:, None] * step.slope).T @ step.residual / N
    assert step.gradient.norm() > 1e-3
    torch.testing.assert_close(step.gradient, expected, rtol=1e-6, atol=1e-9)


# Values, biases, fixed points.


def value(pairs: tuple[Tensor, Tensor, Tensor], c2: Tensor) -> float:
    """Mean of w sum_d 2 c_d^2 (1 - rho_d) over samples of (sigma_s, sigma_r, w)."""
    s, r, w = (a[:, None] for a in pairs)
    rho = (c2 + s * r) / ((c2 + s**2) * (c2 + r**2)).sqrt()
    return (w * 2 * c2 * (1 - rho)).sum(1).mean().item()


@BOTH
@pytest.mark.parametrize("name", ["ct", "ict_squared", "tcm_squared"])
def test_it_has_its_value_at_the_exact_map(name: str, path: Interpolant) -> None:
    case, truth = CASES[name], gaussian(path)
    found = measure(replace(case.method, interpolant=path), truth, progress=case.progress)
    c2 = torch.linalg.eigvalsh(torch.tensor(truth.covariance, dtype=torch.float64))
    u = torch.rand(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = value(case.pairs(u), c2)
    assert found.loss == pytest.approx(expected, abs=4 * found.loss_error + 0.003 * expected)


def sequence(name: str, n: int) -> Method:
    """A method whose gap is proportional to 1/n."""
    if name == "ct":
        return CT(pairs=GrowingPairs(n, n))
    if name == "ict":
        return ICT(pairs=DoublingPairs(n, n), distance=SQUARED)
    return TCM(pairs=LimitedPairs(doublings=20, limit=1 - 1 / n), distance=SQUARED)


@pytest.mark.parametrize("path", [Linear(), Trigonometric(0.5)], ids=["linear", "trigonometric_half"])
@pytest.mark.parametrize(("name", "order"), [("ct", 2), ("ict", 1), ("tcm", 1)])
def test_the_bias_falls_with_the_gap_of_the_pairs(name: str, order: int, path: Interpolant) -> None:
    sizes = {n: measure(replace(sequence(name, n), interpolant=path), gaussian(path), progress=LATE).size for n in (8, 16, 32)}
    assert all(order - 0.25 < found < order + 0.25 for found in orders(sizes))


@pytest.mark.parametrize(("name", "order"), [("ct", 2), ("ict", 1), ("tcm", 1)])
def test_the_bias_falls_on_the_skewed_target(name: str, order: int) -> None:
    sizes = {n: measure(sequence(name, n), skewed(), n=2048, progress=LATE).size for n in (8, 16)}
    assert all(order - 0.4 < found < order + 0.4 for found in orders(sizes))


FINE = {"ct": CT(), "ict": ICT(), "tcm": TCM(), "tcm_squared": TCM(distance=SQUARED)}


@BOTH
@pytest.mark.parametrize("name", FINE)
def test_the_semigradient_vanishes_at_the_exact_map_only(name: str, path: Interpolant) -> None:
    """With the pairs of the end of training. A Gaussian is symmetric: robust distances have the same fixed point."""
    method = replace(FINE[name], interpolant=path)
    assert measure(method, gaussian(path), progress=LATE).excess < ZERO
    assert measure(method, gaussian(path), 0.1, progress=LATE).excess > CLEAR


@pytest.mark.parametrize("method", [ICT(pairs=DoublingPairs(mean=0.5, std=0.5)), TCM()], ids=["ict", "tcm"])
def test_the_robust_distance_moves_the_fixed_point_of_a_skewed_target(method: ICT | TCM) -> None:
    """At noise levels where x_1 given x is skewed: near data it is almost Gaussian."""
    assert measure(replace(method, distance=SQUARED), skewed(), n=2048, progress=LATE).excess < ZERO
    assert measure(method, skewed(), n=2048, progress=LATE).excess > CLEAR


# Training.


def begun(method: Method, folder: Path) -> Trainer:
    """A training of 40 steps that keeps its last two checkpoints, at steps 36 and 40."""
    models = method.build(Backbone(network(NET), (2,), seed=0))
    recipe = Recipe(40 * BATCH, BATCH, lr=2e-3, ema=(0.9,), checkpoints=10)
    return Trainer(method, models, points("gaussian"), recipe, 0, CPU, folder)


@pytest.mark.parametrize("method", [CT(), TCM(first_share=0.5)], ids=["ct", "tcm"])
def test_a_restart_is_exact_late_in_training(method: Method, tmp_path: Path) -> None:
    calm = begun(method, tmp_path)
    assert calm.run().status == "done"
    (newest,) = (tmp_path / "checkpoints").glob("step-00000040-*")
    newest.unlink()
    again = begun(method, tmp_path)
    assert again.run().status == "done"
    assert again.progress.index == calm.progress.index == len(method.stages(100)) - 1
    for role, module in calm.models.items():
        assert torch.equal(live_of(again.models[role]), live_of(module))
    if calm.state.slow is not None and again.state.slow is not None:
        assert torch.equal(live_of(again.state.slow.net), live_of(calm.state.slow.net))
        assert not torch.equal(live_of(calm.state.slow.net), live(calm))


SHORT: dict[str, tuple[Method, int]] = {  # a short budget wants a faster target and a coarser end than the papers'
    "ct": (CT(pairs=GrowingPairs(2, 32), mu_0=0.5), 1000),
    "ict": (ICT(), 500),
    "tcm": (TCM(), 500),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_training_learns_the_map_of_a_gaussian(name: str) -> None:
    method, steps = SHORT[name]
    assert map_error("gaussian", one_jump(trained(method, "gaussian", steps))) < 0.04


@pytest.mark.parametrize("method", [ICT(distance=SQUARED), TCM(pairs=LimitedPairs(doublings=4), distance=SQUARED)],
                         ids=["ict", "tcm"])
def test_a_short_training_learns_the_map_of_the_skewed_target(method: Method) -> None:
    assert map_error("skewed", one_jump(trained(method, "skewed", 500))) < 0.1


# Wrong settings.


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"target": "methods.consistency:ICT", "c": -1.0}, ["method.c", "null"]),
        ({"target": "methods.consistency:ICT", "c": "small"}, ["method.c", "null"]),
        ({"target": "methods.consistency:CT", "mu_0": 1.0}, ["method.mu_0"]),
        ({"target": "methods.consistency:CT", "pairs": {"target": "methods.pairs:GrowingPairs", "start": 9, "end": 8}},
         ["method.pairs.start", "method.pairs.end"]),
        ({"target": "methods.truncated:TCM", "boundary": 90.0}, ["method.boundary", "sigma_max"]),
        ({"target": "methods.truncated:TCM", "first_share": 1.0}, ["method.first_share", "above 0 and below 1"]),
        ({"target": "methods.truncated:TCM", "boundary_share": 0.0}, ["method.boundary_share"]),
        ({"target": "methods.truncated:TCM", "df": 0.0}, ["method.df"]),
    ],
)
def test_a_wrong_knob_is_an_error_that_names_it(config: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make_method(config, Linear())
    for word in words:
        assert word in str(caught.value)
