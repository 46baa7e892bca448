"""EDM on the harness's clock: its coefficients, its loss as the paper writes it, Heun's method in sigma, its students.

With y = x / beta, sigma = s_0 alpha / beta and the paper's c_skip, c_out, c_in, the velocity of a denoiser D is
v = (alpha' x + (alpha beta' - alpha' beta) D) / alpha, which holds away from both ends of the clock.

At the exact denoiser of a Gaussian with eigenvalues c_d^2 the loss is

    E_sigma [ (sigma^2 + sd^2) / sd^2  sum_d c_d^2 / (c_d^2 + sigma^2) ],    ln sigma ~ N(-1.2, 1.2^2)

on every clock, and the dimension where all c_d = sd.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from oracle import CPU, Oracle, context, data, loss_and_gradient, on_clock, one_loss, orders, teacher_of
from specs import network
from torch import Tensor, nn
from trainings import BATCH, NET, map_error, one_jump, points

from bench.nets import Backbone
from bench.scoring.sample import Sampler
from bench.training.train import Recipe, Trainer
from bench.truth import Gaussian, Truth, target
from methods.base import Method, start_from_teacher
from methods.consistency import CD
from methods.edm import EDM, LogNormal
from methods.flow_map_matching import LMD
from methods.pfmm import PFMM
from methods.progressive import Progressive
from methods.tools.interpolant import Interpolant, Linear, Trigonometric, convert_point, convert_velocity
from methods.tools.preconditioning import Preconditioned, coefficients
from methods.tools.shapes import align, squared
from methods.tools.solvers import Solver

PATHS = [Linear(), Trigonometric(), Linear(0.5), Trigonometric(0.5)]
CLOCKS = pytest.mark.parametrize("path", PATHS, ids=["linear", "trigonometric", "linear_half", "trigonometric_half"])
INNER = torch.linspace(0.01, 0.99, 33, dtype=torch.float64)
ENDS = torch.tensor([0.0, 1.0], dtype=torch.float64)
SD = 0.7
ZERO, CLEAR = 5.0, 40.0


def gaussian(path: Interpolant) -> Gaussian:
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


class Raw(nn.Module):
    """A smooth F(x, s, t)."""

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: object = None, dropout: object = None) -> Tensor:
        return torch.sin(2 * x + align(s, x)) + 0.3 * align(t - s, x) * x.flip(1)


def samples(n: int) -> Tensor:
    return torch.randn((n, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# The parametrisation.


@CLOCKS
@pytest.mark.parametrize("gap", [0.0, 0.2], ids=["diagonal", "two_times"])
def test_the_velocity_is_that_of_the_papers_denoiser(path: Interpolant, gap: float) -> None:
    x, s, t = samples(len(INNER)), INNER, (INNER + gap).clamp(max=1.0)
    alpha, beta = align(path.alpha(s), x), align(path.beta(s), x)
    sigma, y = path.base_scale * alpha / beta, x / beta
    c_skip = SD**2 / (sigma**2 + SD**2)
    c_out, c_in = sigma * SD / (sigma**2 + SD**2).sqrt(), 1 / (sigma**2 + SD**2).sqrt()
    denoised = c_skip * y + c_out * Raw()(c_in * y, s, t)
    d_alpha, d_beta = align(path.d_alpha(s), x), align(path.d_beta(s), x)
    expected = (d_alpha * x + (alpha * d_beta - d_alpha * beta) * denoised) / alpha
    found = Preconditioned(Raw(), path, SD)(x, s, t)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    other = Preconditioned(Raw(), path, 1.1 * SD)(x, s, t)
    assert (other - expected).abs().max() > 1e-3


def test_the_map_to_data_on_the_linear_clock_is_the_consistency_models_parametrisation() -> None:
    """X_{s,1} = c_skip y + c_out F for every F of two times."""
    path, x, s, one = Linear(0.5), samples(33), INNER, torch.ones_like(INNER)
    sigma, y = align(path.sigma(s), x), x / align(s, x)
    width = (sigma**2 + SD**2).sqrt()
    expected = SD**2 / width**2 * y + sigma * SD / width * Raw()(y / width, s, one)
    end = x + align(1 - s, x) * Preconditioned(Raw(), path, SD)(x, s, one)
    torch.testing.assert_close(end, expected, rtol=1e-12, atol=1e-12)


@CLOCKS
def test_nothing_is_singular_at_either_end(path: Interpolant) -> None:
    net, x = Preconditioned(Raw(), path, SD), samples(2)
    near = ENDS + torch.tensor([1e-9, -1e-9], dtype=torch.float64)
    torch.testing.assert_close(net(x, ENDS, ENDS), net(x, near, near), rtol=1e-6, atol=1e-6)
    value, slope = torch.func.jvp(lambda s: net(x, s, ENDS), (ENDS,), (torch.ones_like(ENDS),))
    assert value.isfinite().all() and slope.isfinite().all()
    spread, _, out = coefficients(path, SD, ENDS)
    torch.testing.assert_close(spread, torch.tensor([path.base_scale, SD], dtype=torch.float64))
    assert (out > 0).all()


@CLOCKS
def test_the_input_and_the_target_of_the_raw_network_have_unit_variance(path: Interpolant) -> None:
    """For data of standard deviation sd: the velocity's part along x and the rest are uncorrelated."""
    times = torch.cat([INNER, ENDS])
    spread, skip, out = coefficients(path, SD, times)
    noise, of_data = path.base_scale**2, SD**2
    point = noise * path.alpha(times) ** 2 + of_data * path.beta(times) ** 2
    speed = noise * path.d_alpha(times) ** 2 + of_data * path.d_beta(times) ** 2
    torch.testing.assert_close(point / spread**2, torch.ones_like(times), rtol=1e-12, atol=0)
    torch.testing.assert_close((speed - skip**2 * point) / out**2, torch.ones_like(times), rtol=1e-12, atol=1e-12)


@CLOCKS
def test_a_raw_network_of_zero_is_the_exact_velocity_of_a_round_gaussian(path: Interpolant) -> None:
    class Zero(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: object = None, dropout: object = None) -> Tensor:
            return torch.zeros_like(x)

    truth = on_clock(Gaussian((0.0, 0.0), ((SD**2, 0.0), (0.0, SD**2)), path.base_scale), path)
    x, t = samples(35), torch.cat([INNER, ENDS])
    torch.testing.assert_close(Preconditioned(Zero(), path, SD)(x, t, t), truth.velocity(x, t), rtol=1e-12, atol=1e-12)
    assert (Preconditioned(Zero(), path, 0.5)(x, t, t) - truth.velocity(x, t)).abs().max() > 0.1


# The loss.


@CLOCKS
def test_the_loss_is_the_papers(path: Interpolant) -> None:
    """lambda |D(x_1 + sigma n; sigma) - x_1|^2 with D read off the linear clock, where it is x + (1-t) v."""
    method, truth, n = EDM(sigma_data=SD, interpolant=path), gaussian(path), 512
    loss, net = one_loss(method, truth, n, 0.2)
    at, x_1 = context(method, n), data(truth, n)
    noise = path.base_scale * at.noise(x_1)
    sigma = torch.exp(-1.2 + 1.2 * torch.special.ndtri(at.draws.uniform("sigma")))
    linear = Linear(path.base_scale)
    t = path.base_scale / (path.base_scale + sigma)
    x = align(t, x_1) * (x_1 + align(sigma / path.base_scale, x_1) * noise)
    there, u = convert_point(x, t, linear, path)
    v = convert_velocity(net(there, u, u), there, u, path, linear)
    weight = (sigma**2 + SD**2) / (sigma * SD) ** 2
    expected = weight * squared(x + align(1 - t, x) * v - x_1)
    torch.testing.assert_close(loss.per_sample, expected, rtol=1e-7, atol=1e-10)


def test_its_gradient_is_the_derivative_of_the_loss() -> None:
    truth = gaussian(PATHS[0])
    loss, net = one_loss(EDM(), truth, 512, 0.2)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    here, direction, h = net.theta.detach(), gradient / gradient.norm(), 1e-5
    up, down = (one_loss(EDM(), truth, 512, here + k * h * direction)[0].per_sample.mean() for k in (1, -1))
    assert gradient.norm() > 1e-2
    assert ((up - down) / (2 * h)).item() == pytest.approx(gradient.norm().item(), rel=1e-6)


def value(truth: Gaussian, sigma_data: float) -> float:
    """By Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    sigma2 = np.exp(2 * (-1.2 + 1.2 * nodes))[:, None]
    c2 = np.linalg.eigvalsh(np.asarray(truth.covariance))
    return float(weights @ ((sigma2 + sigma_data**2) / sigma_data**2 * c2 / (c2 + sigma2)).sum(1) / weights.sum())


@CLOCKS
def test_the_loss_has_its_value_at_the_exact_velocity(path: Interpolant) -> None:
    measured = loss_and_gradient(EDM(sigma_data=SD, interpolant=path), gaussian(path), n=4096, chunks=16)
    assert abs(measured.loss - value(gaussian(path), SD)) < 4 * measured.loss_error
    assert measured.loss_error < 0.02


def test_the_value_is_the_dimension_where_the_data_are_as_wide_as_it_thinks() -> None:
    truth = Gaussian((1.0, -1.0), ((0.25, 0.0), (0.0, 0.25)))
    assert value(truth, 0.5) == pytest.approx(2)
    measured = loss_and_gradient(EDM(), truth, n=4096, chunks=4)
    assert abs(measured.loss - 2) < 4 * measured.loss_error


@CLOCKS
def test_the_semigradient_vanishes_at_the_exact_velocity_only(path: Interpolant) -> None:
    method = EDM(interpolant=path)
    assert loss_and_gradient(method, gaussian(path), n=4096, chunks=16).excess < ZERO
    assert loss_and_gradient(method, gaussian(path), 0.1, n=4096, chunks=16).excess > CLEAR


def test_the_semigradient_vanishes_on_the_skewed_target_only() -> None:
    truth: Truth = target("skewed")
    assert loss_and_gradient(EDM(), truth, n=2048, chunks=16).excess < ZERO
    assert loss_and_gradient(EDM(), truth, 0.2, n=2048, chunks=16).excess > CLEAR


@CLOCKS
def test_the_training_noise_is_log_normal(path: Interpolant) -> None:
    _, net = one_loss(EDM(interpolant=path), gaussian(path), 2**15)
    (s, t, _), = net.calls
    ln_sigma = path.sigma(t).log()
    assert torch.equal(s, t)
    assert (ln_sigma.mean().item(), ln_sigma.std().item()) == pytest.approx((-1.2, 1.2), abs=0.03)
    _, net = one_loss(EDM(levels=LogNormal(0.4, 0.5), interpolant=path), gaussian(path), 2**15)
    ln_sigma = path.sigma(net.calls[0][1]).log()
    assert (ln_sigma.mean().item(), ln_sigma.std().item()) == pytest.approx((0.4, 0.5), abs=0.02)


# The sampler.


@CLOCKS
def test_the_grid_is_the_papers(path: Interpolant) -> None:
    grid = EDM(interpolant=path).grid(18)
    i = torch.arange(18, dtype=torch.float64)
    sigmas = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    torch.testing.assert_close(path.sigma(grid[:-1]), sigmas, rtol=1e-9, atol=0)
    assert grid[-1] == 1 and (grid.diff() > 0).all() and len(grid) == 19
    torch.testing.assert_close(path.sigma(EDM(interpolant=path).grid(1)[0]).item(), 80.0)


def algorithm_1(truth: Gaussian, path: Interpolant, y: Tensor, n: int) -> Tensor:
    """The paper's deterministic sampler of N steps, in y and sigma; D is the exact posterior mean."""
    m, c2, q = truth._eigen

    def denoise(y: Tensor, sigma: Tensor) -> Tensor:
        return m + (((y - m) @ q) * c2 / (c2 + sigma**2)) @ q.T

    sigmas = [*path.sigma(EDM(interpolant=path).grid(n)[:-1]), torch.zeros((), dtype=torch.float64)]
    for now, then in pairwise(sigmas):
        d = (y - denoise(y, now)) / now
        end = y + (then - now) * d
        if then > 0:
            end = y + (then - now) * (d / 2 + (end - denoise(end, then)) / (2 * then))
        y = end
    return y


def integrate(method: Method, net: nn.Module, x: Tensor, n: int) -> Tensor:
    """n jumps along the method's grid from x at its first time."""
    times = method.grid(n).to(x)
    with torch.no_grad():
        for s, t in pairwise(times):
            x = method.jump({"net": net}, x, s.expand(len(x)), t.expand(len(x)))
    return x


@CLOCKS
def test_the_sampler_is_the_papers(path: Interpolant) -> None:
    truth, method = gaussian(path), EDM(interpolant=path)
    y = 80 * samples(16)
    start = align(path.beta(method.grid(1)[:1]), y) * y
    found = integrate(method, Oracle(truth), start, 18)
    torch.testing.assert_close(found, algorithm_1(truth, path, y, 18), rtol=1e-9, atol=1e-9)
    euler = integrate(replace(method, solver=Solver.EULER), Oracle(truth), start, 18)
    assert (euler - found).abs().max() > 0.1


def end_error(method: EDM, truth: Truth, n: int) -> float:
    """Root-mean-square error at data against the exact map from sigma_max."""
    path, times = method.interpolant, method.grid(n)
    x = path.point(path.base_scale * samples(64), data(truth, 64), times[:1])
    exact = truth.flow(x, times[0].expand(64), torch.ones(64, dtype=torch.float64), steps=400)
    return (integrate(method, Oracle(truth), x, n) - exact).square().mean().sqrt().item()


@CLOCKS
@pytest.mark.parametrize(("solver", "order"), [(Solver.EULER, 1), (Solver.HEUN, 2)])
def test_the_sampler_has_its_order_from_the_largest_noise(path: Interpolant, solver: Solver, order: int) -> None:
    errors = {n: end_error(EDM(solver=solver, interpolant=path), gaussian(path), n) for n in (32, 64, 128)}
    assert list(orders(errors))[-1] == pytest.approx(order, abs=0.1)


def test_better_solvers_come_closer_until_the_last_step_is_what_is_left() -> None:
    """That step is Euler's from sigma_min, whose square is the floor."""
    heun, middle, rk4 = (end_error(EDM(solver=k), gaussian(PATHS[0]), 64) for k in list(Solver)[1:])
    assert rk4 < middle / 10 < heun / 100
    assert 1e-6 < rk4 < 1e-5
    assert end_error(EDM(solver=Solver.RK4, sigma_min=0.02), gaussian(PATHS[0]), 64) > 50 * rk4


def test_the_sampler_has_its_order_on_the_skewed_target() -> None:
    errors = {n: end_error(EDM(), target("skewed"), n) for n in (64, 128, 256)}
    assert list(orders(errors))[-1] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(("steps", "calls"), [(1, 1), (2, 3), (5, 9), (18, 35)])
def test_steps_of_heun_cost_two_calls_except_the_last(steps: int, calls: int) -> None:
    net = Oracle(target("gaussian"))
    Sampler(EDM(), {"net": net}, (2,), 0, 4, CPU).draw(0, steps)
    assert len(net.calls) == calls


@pytest.mark.parametrize("path", PATHS[1:3], ids=["trigonometric", "linear_half"])
def test_it_samples_the_target(path: Interpolant) -> None:
    truth = gaussian(path)

    def error(steps: int) -> float:
        """Of the covariance, relative to the widest direction's."""
        sampler = Sampler(EDM(interpolant=path), {"net": Oracle(truth)}, (2,), 0, 20_000, CPU)
        x = sampler.draw(0, steps).double()
        assert (x.mean(0) - torch.tensor(truth.mean)).norm() < 0.03
        return (torch.cov(x.T) - torch.tensor(truth.covariance)).norm().item() / 1.5**2

    assert error(64) < 0.03 < error(8)


@CLOCKS
def test_a_jump_treats_every_sample_by_its_own_times(path: Interpolant) -> None:
    """From t = 0, where sigma is infinite, and to data the step is Euler's."""
    net, method = Oracle(gaussian(path)), EDM(interpolant=path)
    x = samples(4)
    s = torch.tensor([0.0, 0.3, 0.3, 0.0], dtype=torch.float64)
    t = torch.tensor([0.5, 0.5, 1.0, 1.0], dtype=torch.float64)
    mixed = method.jump({"net": net}, x, s, t)
    alone = [method.jump({"net": net}, x[i : i + 1], s[i : i + 1], t[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(mixed, torch.cat(alone), rtol=1e-12, atol=1e-12)
    euler = replace(method, solver=Solver.EULER).jump({"net": net}, x, s, t)
    assert ((mixed - euler).abs().max(1).values > 1e-3).tolist() == [False, True, False, False]


@pytest.mark.parametrize("knobs", [{"sigma_data": 0.0}, {"sigma_min": 90.0}, {"sigma_min": 0.0}])
def test_impossible_noise_levels_are_refused_by_name(knobs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"method.{next(iter(knobs))}"):
        EDM(**knobs)


# Training it and its students.


def trained(method: Method, steps: int, parametrise: Callable[[nn.Module], nn.Module], start: nn.Module | None) -> Trainer:
    models = method.build(Backbone(network(NET), (2,), 0, parametrise))
    trainer = Trainer(method, models, points("gaussian"), Recipe(steps * BATCH, BATCH, lr=2e-3, ema=(0.99,), clip=10.0), 0, CPU,
                      teacher=teacher_of(target("gaussian")), teacher_models={"net": start} if start else {})
    assert trainer.run().status == "done"
    return trainer


@lru_cache
def teacher() -> nn.Module:
    return trained(EDM(), 600, lambda net: net, None).averaged()


def test_a_short_training_learns_the_velocity() -> None:
    method, net = EDM(), teacher()
    start = method.interpolant.alpha(method.grid(1)[0]).item()
    assert map_error("gaussian", lambda x, s, t: integrate(method, net, start * x, 32)) < 0.02
    assert map_error("gaussian", lambda x, s, t: integrate(method, net, start * x, 1)) > 1


@pytest.mark.parametrize("method", [CD(), LMD(initialise=True), PFMM(doublings=2), Progressive(start=4)],
                         ids=lambda m: type(m).__name__.lower())
def test_a_student_of_the_same_parametrisation_starts_as_its_teacher(method: Method) -> None:
    student = method.build(Backbone(network(NET), (2,), 0, EDM().parametrise))
    first = method.stages(1000)[0]
    assert first.prepare is not None
    x, t = samples(33).float(), INNER.float()
    assert (student["net"](x, t, t) - teacher()(x, t, t)).abs().max() > 0.1
    first.prepare(student, {"net": teacher()})
    for end in (t, torch.ones_like(t)):
        assert torch.equal(student["net"](x, t, end), teacher()(x, t, t))


@pytest.mark.parametrize("method", [CD(), LMD(initialise=True)], ids=["cd", "lmd"])
def test_such_a_student_learns_the_map(method: Method) -> None:
    start = teacher()
    assert map_error("gaussian", lambda x, s, t: x + start(x, s, t)) > 1
    assert map_error("gaussian", one_jump(trained(method, 300, EDM().parametrise, start))) < 0.04


def test_a_student_of_another_parametrisation_cannot_take_the_weights() -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        start_from_teacher(CD().build(Backbone(network(NET), (2,), 0)), {"net": teacher()})
