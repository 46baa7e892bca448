"""Continuous-time consistency (sCT, sCD): truth, definition, what it becomes, clocks, laws, grids.

Written out here, with X the map of the network, s(a) the sweep's time at TrigFlow's angle a and lambda x its point there:

    f(x, a) = X_{s(a),1}(lambda x),   F = (cos(a) x - f) / sin(a)
    g = cos(a) [ r df/da + (1-r) cos(a) (dx/da - F) ],   dF/dtheta = -(1-s) / sin(a) phi

With c_d^2 the eigenvalues of a Gaussian's covariance and sig_d(a)^2 = s_0^2 sin(a)^2 + c_d^2 cos(a)^2 its width on
TrigFlow, the loss of sCT at the exact map is E cos(a)^2 sum_d c_d^4 s_0^2 / sig_d(a)^4 / D, on every clock.
"""

from dataclasses import dataclass, replace
from math import atan, pi

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure, skewed
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Oracle, context, data, features, loss_and_gradient, networks, on_clock, one_loss, squared
from tangent_cases import OPEN, PLAIN, THETA, Given, N, gradient_of, taken
from torch import Tensor

from bench.scoring.sample import Sampler
from bench.truth import Gaussian, target
from methods.ayf import AYFEMD
from methods.base import Batch, Context
from methods.meanflow import MeanFlow
from methods.scm import SCD, SCM, SCT, from_trigflow, on_trigflow
from methods.times import Uniform
from methods.tools.flow_map import jump
from methods.tools.interpolant import Interpolant, Linear, Trigonometric, convert_point, convert_velocity
from methods.tools.tangent import pull

CPU = torch.device("cpu")


# At the exact map.


def test_scd_is_zero_with_its_learned_weight_too_once_warmed_up() -> None:
    assert loss_and_gradient(SCD(), gaussian(), progress=0.025).loss < 1e-20
    assert loss_and_gradient(SCD(), gaussian(), progress=0.02).loss > 1e-3
    assert loss_and_gradient(SCD(), gaussian(), 0.1, progress=0.025).loss > 1e-3


def sct_value(base_scale: float) -> float:
    """By quadrature over the law of the noise level."""
    c2 = torch.linalg.eigvalsh(torch.tensor(gaussian().covariance, dtype=torch.float64))
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    a = torch.atan(torch.exp(-1.0 + 1.4 * torch.special.ndtri(u)) / base_scale)[:, None]
    width = base_scale**2 * a.sin() ** 2 + c2 * a.cos() ** 2
    return (a.cos() ** 2 * c2**2 * base_scale**2 / width**2).mean().item()  # over d too: the loss is divided by D


@BOTH
def test_consistency_training_has_its_value_and_a_semigradient_that_vanishes_at_the_exact_map_only(
    path: Interpolant,
) -> None:
    method, truth = SCT(**OPEN, **PLAIN, interpolant=path), gaussian(path)
    at_truth = measure(method, truth)
    assert abs(at_truth.loss - sct_value(path.base_scale)) < 4 * at_truth.loss_error
    assert at_truth.excess < ZERO
    assert measure(method, truth, 0.1).excess > CLEAR


def test_the_semigradient_vanishes_on_the_skewed_target_without_normalisation_only() -> None:
    """At noise levels where what was drawn is least certain, and its law furthest from symmetric."""
    whole = SCT(mean=0.2, std=0.3, c=0.01, **OPEN)
    plain = replace(whole, normalise=False)
    assert measure(plain, skewed(8), n=512).excess < ZERO
    assert measure(plain, skewed(8), 0.5, n=1024).excess > CLEAR
    assert measure(whole, skewed(8), n=1024).excess > CLEAR
    assert measure(whole, gaussian()).excess < ZERO, "a symmetric target cannot see it"


@pytest.mark.parametrize("base_scale", [1.0, 0.5])
@pytest.mark.parametrize("method", [SCT(**OPEN), SCD(warmup=0.5, learned_weight=False)], ids=["sct", "scd"])
def test_at_the_exact_map_the_loss_does_not_depend_on_the_sweeps_clock(method: SCM, base_scale: float) -> None:
    """The same angles, noise and data: every path has the same map to data."""
    paths = (Linear(base_scale), Trigonometric(base_scale))
    first, second = (one_loss(replace(method, interpolant=p), gaussian(p), N, progress=0.2)[0].per_sample for p in paths)
    assert first.mean() > 1e-3
    torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)


# The definition, and where the gradient is cut.


@dataclass
class OnTrigFlow:
    """One step's samples of sCT or sCD, drawn again on TrigFlow, and the definitions."""

    method: SCM
    net: Oracle
    at: Context
    truth: Gaussian

    def __post_init__(self) -> None:
        s_0 = self.method.interpolant.base_scale
        x_1 = data(self.truth, N)
        z = s_0 * self.at.noise(x_1)
        u = self.at.draws.uniform("times")
        self.a = torch.atan(torch.exp(self.method.mean + self.method.std * torch.special.ndtri(u)) / s_0)
        self.cos, self.sin = self.a.cos()[:, None], self.a.sin()[:, None]
        self.x = self.cos * x_1 + self.sin * z
        self.dx = self.cos * z - self.sin * x_1
        if isinstance(self.method, SCD):
            on = on_clock(target("gaussian", s_0), Trigonometric(s_0))  # type: ignore[arg-type]
            self.dx = -2 / pi * on.velocity(self.x, 1 - 2 / pi * self.a)

    def place(self, x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """The point and the time on the sweep's clock."""
        if isinstance(self.method.interpolant, Trigonometric):
            return x, 1 - 2 / pi * a
        total = a.sin() + a.cos()  # (alpha, beta) = (sin, cos) / total
        return x / total[:, None], a.cos() / total

    def f(self, x: Tensor, a: Tensor) -> Tensor:
        y, s = self.place(x, a)
        return y + (1 - s)[:, None] * self.net(y, s, torch.ones_like(s))

    def g(self, r: float) -> Tensor:
        f, df = torch.func.jvp(self.f, (self.x, self.a), (self.dx, torch.ones_like(self.a)))
        F = (self.cos * self.x - f) / self.sin
        return (self.cos * (r * df + (1 - r) * self.cos * (self.dx - F))).detach()

    def slope(self) -> Tensor:
        y, s = self.place(self.x, self.a)
        return -((1 - s)[:, None] / self.sin) * features(y, s, torch.ones_like(s))


@BOTH
@pytest.mark.parametrize("normalise", [True, False], ids=["normalised", "plain"])
@pytest.mark.parametrize("progress", [0.2, 0.9], ids=["warming", "warm"])
@pytest.mark.parametrize("kind", [SCT, SCD], ids=["sct", "scd"])
def test_continuous_consistency_is_its_definition_and_cut_at_the_tangent(
    kind: type[SCM], progress: float, normalise: bool, path: Interpolant
) -> None:
    method, truth = kind(warmup=0.5, learned_weight=False, normalise=normalise, interpolant=path), gaussian(path)
    per_sample, gradient, net = taken(method, truth, progress=progress)
    at = OnTrigFlow(method, net, context(method, N), truth)
    g = at.g(min(1.0, progress / 0.5))
    if normalise:
        g = g / (g.norm(dim=1, keepdim=True) + 0.1)
    torch.testing.assert_close(per_sample, squared(g) / 2, rtol=1e-7, atol=1e-11)
    expected = -2 * at.slope().T @ g / 2 / N
    assert gradient.norm() > 1e-3
    torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-11)


@BOTH
def test_what_is_read_off_the_network_gives_back_its_map(path: Interpolant) -> None:
    net, a = Oracle(gaussian(path), THETA), torch.linspace(0.01, pi / 2 - 0.01, N, dtype=torch.float64)
    x = data(gaussian(path), N)
    y, s = from_trigflow(x, a, path)
    f = a.cos()[:, None] * x - a.sin()[:, None] * on_trigflow(net, path)(x, a)
    torch.testing.assert_close(f, jump(net, y, s, torch.ones_like(s)), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", [SCT, SCD], ids=["sct", "scd"])
def test_the_learned_weight_of_the_paper_multiplies_the_mean_over_dimensions(kind: type[SCM]) -> None:
    plain, _ = one_loss(kind(learned_weight=False), gaussian(), N, THETA, progress=0.5)
    weighted, net = one_loss(kind(), gaussian(), N, THETA, progress=0.5, w=0.4)
    s, t, _ = net.calls[0]
    assert (t == 1).all()
    w = 0.4 * (1 + s + t)
    torch.testing.assert_close(weighted.per_sample, torch.exp(w) * plain.per_sample - w)
    torch.testing.assert_close(plain.per_sample, plain.parts["raw"] / 2)


def test_the_learned_weight_is_stationary_where_it_undoes_the_loss() -> None:
    models = networks(SCT(), gaussian(), THETA)
    loss, net = one_loss(SCT(), gaussian(), N, models=models, progress=0.5)
    slope = torch.autograd.grad(loss.per_sample.sum(), models["weight"].a)[0]  # type: ignore[arg-type]
    torch.testing.assert_close(slope, ((1 + net.calls[0][0] + 1) * (loss.parts["raw"] / 2 - 1)).sum())


# Where one objective becomes another.


def weight_of(a: Tensor, path: Interpolant) -> tuple[Tensor, Tensor]:
    """|g| of sCM per unit of the Eulerian residual, and the same times how far F moves per unit of v."""
    a = a.clone().requires_grad_()
    s = path.time_of(pi / 2 - a)
    ds = torch.autograd.grad(s.sum(), a)[0]
    length = a.cos() * ds.abs()
    return length.detach(), (length * (1 - s) / a.sin()).detach()


@BOTH
def test_meanflow_to_data_is_continuous_consistency_training_up_to_its_weight(path: Interpolant) -> None:
    method, truth = SCT(**OPEN, **PLAIN, interpolant=path), gaussian(path)
    loss, net = one_loss(method, truth, N, THETA)
    s = net.calls[0][0]
    mean_flow = MeanFlow(eta=0.0, power=0.0, time_law=Uniform(), interpolant=path)
    at = context(mean_flow, N)
    at = replace(at, draws=Given(at.draws, torch.stack([s, torch.ones_like(s)], 1)))
    other = mean_flow.losses({"net": net}, Batch(data(truth, N)), at)["net"].per_sample
    length, weight = weight_of(pi / 2 - path.theta(s), path)
    torch.testing.assert_close(loss.per_sample, length**2 * other / 2, rtol=1e-9, atol=1e-12)
    ours, theirs = gradient_of(loss.per_sample, net), gradient_of(weight / 2 * other, net)
    assert ours.norm() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@BOTH
def test_align_your_flow_to_data_is_continuous_consistency_distillation_up_to_its_weight(path: Interpolant) -> None:
    method, truth = SCD(**OPEN, **PLAIN, interpolant=path), gaussian(path)
    loss, net = one_loss(method, truth, N, THETA)
    s = net.calls[0][0]
    x_1, one = data(truth, N), torch.ones_like(s)
    x = path.point(path.base_scale * context(method, N).noise(x_1), x_1, s)
    value, g = AYFEMD(interpolant=path).tangent(net, x, s, one, truth.velocity, 1.0)
    _, weight = weight_of(pi / 2 - path.theta(s), path)
    ours, theirs = gradient_of(loss.per_sample, net), gradient_of(weight / 2 * pull(value, g), net)
    assert ours.norm() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


# Clocks.


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@BOTH
@given(st.floats(0.002, 80.0))
@settings(max_examples=40)
def test_angle_noise_level_and_time_convert_into_each_other(path: Interpolant, level: float) -> None:
    """On the interval that noise levels cover: EDM's sigma, TrigFlow's angle a and the sweep's time t."""
    sigma = vector(level)
    a, t = torch.atan(sigma / path.base_scale), path.time_of_sigma(sigma)
    torch.testing.assert_close(from_trigflow(vector(0)[:, None], a, path)[1], t, rtol=0, atol=1e-12)
    torch.testing.assert_close(pi / 2 - path.theta(t), a, rtol=0, atol=1e-12)
    torch.testing.assert_close(path.sigma(t), sigma, rtol=1e-12, atol=1e-12)


@BOTH
@given(st.floats(0.002, 80.0), st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=40)
def test_one_sample_is_one_point_on_every_clock(path: Interpolant, level: float, z: float, x_1: float) -> None:
    """EDM's x_1 + sigma n, TrigFlow's cos(a) x_1 + sin(a) z with z = s_0 n, and I_t, up to known factors."""
    sigma, n, clean = vector(level), vector(z)[:, None], vector(x_1)[:, None]
    a, t = torch.atan(sigma / path.base_scale), path.time_of_sigma(sigma)
    edm, on_path = clean + sigma[:, None] * n, path.point(path.base_scale * n, clean, t)
    trig = a.cos()[:, None] * clean + a.sin()[:, None] * path.base_scale * n
    torch.testing.assert_close(from_trigflow(trig, a, path)[0], on_path, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(path.beta(t)[:, None] * edm, on_path, rtol=1e-12, atol=1e-11)
    back, time = convert_point(on_path, t, path, Trigonometric(path.base_scale))
    torch.testing.assert_close(back, trig, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(pi / 2 * (1 - time), a, rtol=0, atol=1e-12)


@BOTH
def test_a_velocity_carried_to_trigflow_is_dx_da(path: Interpolant) -> None:
    a = torch.atan(torch.logspace(-2.7, 1.9, 60, dtype=torch.float64) / path.base_scale)
    z, x_1 = data(gaussian(path), 60), data(gaussian(path), 60, step=1)
    x_s, s = from_trigflow(a.cos()[:, None] * x_1 + a.sin()[:, None] * z, a, path)
    carried = convert_velocity(path.velocity(z, x_1, s), x_s, s, path, Trigonometric(path.base_scale))
    expected = a.cos()[:, None] * z - a.sin()[:, None] * x_1
    torch.testing.assert_close(-2 / pi * carried, expected, rtol=1e-12, atol=1e-12)


# Laws of time and grids.


@BOTH
@pytest.mark.parametrize("kind", [SCT, SCD], ids=["sct", "scd"])
def test_noise_levels_are_lognormal_and_the_map_goes_to_data(kind: type[SCM], path: Interpolant) -> None:
    _, net = one_loss(kind(interpolant=path), gaussian(path), 40_000)
    s, t, _ = net.calls[0]
    log_sigma = path.sigma(s).log()
    assert log_sigma.mean().item() == pytest.approx(-1, abs=0.03)
    assert log_sigma.std().item() == pytest.approx(1.4, abs=0.03)
    assert (t == 1).all()


@BOTH
def test_two_steps_stop_over_at_the_papers_noise_level_where_asked(path: Interpolant) -> None:
    method = SCD(interpolant=path)
    start, middle, end = pi / 2 - path.theta(method.sampling_times(2, papers=True))
    expected = [atan(sigma / path.base_scale) for sigma in (80, 0.98, 0)]
    assert [start.item(), middle.item(), end.item()] == pytest.approx(expected)
    for steps in (1, 2, 3, 4, 16):
        grid = method.grid(steps)
        assert grid.dtype == torch.float64 and len(grid) == steps + 1 and (grid.diff() > 0).all()
        assert path.sigma(grid)[0].item() == pytest.approx(80) and grid[-1] == 1


@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_exact_maps_sample_the_target(steps: int, path: Interpolant) -> None:
    method, truth = SCT(interpolant=path), gaussian(path)
    sampler = Sampler(method, {"net": Oracle(truth)}, (2,), 0, 10_000, CPU)
    x = torch.cat([sampler.draw(i, steps) for i in range(4)]).double()
    mean, covariance = (torch.tensor(a, dtype=torch.float64) for a in (truth.mean, truth.covariance))
    assert (x.mean(0) - mean).norm() / 1.5 < 0.02
    assert (torch.cov(x.T) - covariance).norm() / 1.5**2 < 0.03
