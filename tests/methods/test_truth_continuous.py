"""Continuous-time consistency (sCT, sCD) and Align Your Flow: truth, definitions, limits, clocks, laws, short trainings.

Written out here, with X the map of the network, s(a) the sweep's time at TrigFlow's angle a and lambda x its point there:

    f(x, a) = X_{s(a),1}(lambda x),   F = (cos(a) x - f) / sin(a)
    g = cos(a) [ r df/da + (1-r) cos(a) (dx/da - F) ],   dF/dtheta = -(1-s) / sin(a) phi

With c_d^2 the eigenvalues of a Gaussian's covariance and sig_d(a)^2 = s_0^2 sin(a)^2 + c_d^2 cos(a)^2 its width on
TrigFlow, the loss of sCT at the exact map is E cos(a)^2 sum_d c_d^4 s_0^2 / sig_d(a)^4 / D, on every clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import atan, pi
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    Measured,
    Oracle,
    context,
    data,
    features,
    loss_and_gradient,
    networks,
    on_clock,
    one_loss,
    squared,
    teacher_of,
)
from torch import Tensor, nn
from trainings import map_error, one_jump, teacher_net, trained

from bench.scoring.sample import Sampler
from bench.truth import Gaussian, Truth, target
from methods.ayf import AYF, AYFEMD, AYFLMD
from methods.base import Batch, Context, Draws, Method
from methods.meanflow import MeanFlow
from methods.scm import SCD, SCM, SCT, from_trigflow, on_trigflow
from methods.self_distillation import ESD, LSD, StopGradient
from methods.times import Uniform
from methods.tools.flow_map import jump
from methods.tools.interpolant import Interpolant, Linear, Trigonometric, convert_point, convert_velocity
from methods.tools.tangent import normalised, pull, warm_up

N, THETA = 512, 0.2
CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {"normalise": False}
OPEN: dict[str, Any] = {"warmup": 0.0, "learned_weight": False}  # of sCT and sCD: r = 1 from the start, w = 0
EXACT: dict[str, Any] = {"warmup": 0.0, "warmup_end": 1.0}  # of Align Your Flow
PATHS = {"linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(0.5),
         "trigonometric_half_base": Trigonometric(0.5)}
BOTH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
ZERO, CLEAR = 5.0, 40.0  # of Measured.excess, as in test_truth_expectation


def gaussian(path: Interpolant = PATHS["linear"]) -> Gaussian:
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def skewed(steps: int = 24) -> Truth:
    return replace(target("skewed"), steps=steps)  # type: ignore[type-var]


# At the exact map: the tangent of a distillation is zero at every point.

POINTWISE: dict[str, Method] = {
    "scd": SCD(**OPEN),
    "scd_plain": SCD(**OPEN, **PLAIN),
    "ayf_emd": AYFEMD(**EXACT),
    "ayf_emd_plain": AYFEMD(**EXACT, **PLAIN),
    "ayf_lmd": AYFLMD(**EXACT),
    "ayf_lmd_plain": AYFLMD(**EXACT, **PLAIN),
}


@BOTH
@pytest.mark.parametrize("name", POINTWISE)
def test_loss_and_gradient_vanish_at_the_exact_map(name: str, path: Interpolant) -> None:
    at_truth = loss_and_gradient(replace(POINTWISE[name], interpolant=path), gaussian(path), 0.0)
    assert at_truth.loss < 1e-20
    assert at_truth.size < 1e-10


@BOTH
@pytest.mark.parametrize("name", POINTWISE)
def test_loss_and_gradient_see_a_perturbed_map(name: str, path: Interpolant) -> None:
    perturbed = loss_and_gradient(replace(POINTWISE[name], interpolant=path), gaussian(path), 0.1)
    assert perturbed.loss > 1e-3
    assert perturbed.size > 1e-3


@pytest.mark.parametrize("name", [name for name in POINTWISE if "plain" not in name])
def test_loss_and_gradient_vanish_on_the_skewed_target_to_the_accuracy_of_its_solved_map(name: str) -> None:
    at_truth, perturbed = (loss_and_gradient(POINTWISE[name], skewed(), theta, n=64) for theta in (0.0, 0.1))
    assert at_truth.loss < 1e-7 and at_truth.size < 1e-4
    assert perturbed.loss > 1e-3 and perturbed.size > 1e-3


def test_scd_is_zero_with_its_learned_weight_too_once_warmed_up() -> None:
    assert loss_and_gradient(SCD(), gaussian(), progress=0.025).loss < 1e-20
    assert loss_and_gradient(SCD(), gaussian(), progress=0.02).loss > 1e-3
    assert loss_and_gradient(SCD(), gaussian(), 0.1, progress=0.025).loss > 1e-3


@pytest.mark.parametrize("method", [AYFEMD(**PLAIN), AYFLMD(**PLAIN)], ids=["emd", "lmd"])
def test_the_hundredth_that_align_your_flow_holds_back_pulls_towards_the_teachers_velocity(method: AYF) -> None:
    truth = gaussian()
    loss, _ = one_loss(method, truth, N, progress=0.5)
    s, t = interval(method, context(method, N))
    at, x_1 = context(method, N), data(truth, N)
    x = method.interpolant.point(at.noise(x_1), x_1, s)
    v = truth.average_velocity(x, s, t)
    b = truth.velocity(x, s) if isinstance(method, AYFEMD) else truth.velocity(truth.flow(x, s, t), t)
    torch.testing.assert_close(loss.per_sample, 0.01**2 * squared(b - v), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("method", [AYFEMD(**PLAIN), AYFLMD(**PLAIN)], ids=["emd", "lmd"])
def test_the_bias_of_what_is_held_back_falls_with_it(method: AYF) -> None:
    sizes = [loss_and_gradient(replace(method, warmup_end=1 - h), gaussian(), progress=0.5).size for h in (0.02, 0.01)]
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=1e-6) and sizes[1] > 1e-3


# At the exact map: the tangent of consistency training is zero in expectation.


def sct_value(base_scale: float) -> float:
    """By quadrature over the law of the noise level."""
    c2 = torch.linalg.eigvalsh(torch.tensor(gaussian().covariance, dtype=torch.float64))
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    a = torch.atan(torch.exp(-1.0 + 1.4 * torch.special.ndtri(u)) / base_scale)[:, None]
    width = base_scale**2 * a.sin() ** 2 + c2 * a.cos() ** 2
    return (a.cos() ** 2 * c2**2 * base_scale**2 / width**2).mean().item()  # over d too: the loss is divided by D


def measure(method: Method, truth: Truth, theta: float = 0.0, n: int = 4096) -> Measured:
    return loss_and_gradient(method, truth, theta, n=n, chunks=16)


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


# The definitions, and where the gradient is cut.


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


def taken(method: Method, truth: Truth, **more: Any) -> tuple[Tensor, Tensor, Oracle]:
    """Per-sample loss and the gradient of its mean at THETA."""
    loss, net = one_loss(method, truth, N, THETA, **more)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    net.requires_grad_(False)
    return loss.per_sample.detach(), gradient, net


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


def interval(method: AYF, at: Context) -> tuple[Tensor, Tensor]:
    u, w = at.draws.uniform("times", 2).T
    gap = torch.sigmoid(method.mean + method.std * torch.special.ndtri(w))
    return u * (1 - gap), u * (1 - gap) + gap


@BOTH
@pytest.mark.parametrize("normalise", [True, False], ids=["normalised", "plain"])
@pytest.mark.parametrize("progress", [0.2, 0.9], ids=["warming", "warm"])
@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_align_your_flow_is_its_definition_and_cut_at_the_tangent(
    kind: type[AYF], progress: float, normalise: bool, path: Interpolant
) -> None:
    """g = r (map's derivative along the teacher) + (1-r) (teacher's velocity - v); the map is moved, not v."""
    method, truth = kind(warmup=0.5, normalise=normalise, interpolant=path), gaussian(path)
    per_sample, gradient, net = taken(method, truth, progress=progress)
    at, x_1 = context(method, N), data(truth, N)
    s, t = interval(method, at)
    x, r = path.point(path.base_scale * at.noise(x_1), x_1, s), 0.99 * min(1.0, progress / 0.5)
    one, zero, v = torch.ones_like(s), torch.zeros_like(s), net(x, s, t)

    def moved(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return jump(net, x, s, t)

    if kind is AYFEMD:
        b = truth.velocity(x, s)
        whole = torch.func.jvp(moved, (x, s, t), (b, one, zero))[1]
    else:
        end, speed = torch.func.jvp(moved, (x, s, t), (zero[:, None] * x, zero, one))
        b = truth.velocity(end, t)
        whole = b - speed
    g = r * whole + (1 - r) * (b - v)
    if normalise:
        g = g / (g.norm(dim=1, keepdim=True) + 0.1)
    torch.testing.assert_close(per_sample, squared(g), rtol=1e-7, atol=1e-11)
    assert gradient.norm() > 1e-3
    torch.testing.assert_close(gradient, -2 * features(x, s, t).T @ g / N, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("method", [SCT(), SCD(), AYFEMD(), AYFLMD()], ids=["sct", "scd", "ayf_emd", "ayf_lmd"])
def test_one_pass_carries_the_gradient(method: Method) -> None:
    _, net = one_loss(method, gaussian(), 64, THETA, progress=0.5)
    assert [enabled for _, _, enabled in net.calls].count(True) == 1 and len(net.calls) == 2


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


# The pieces of a tangent.


def test_a_pull_has_the_tangents_square_for_value_and_descends_along_it() -> None:
    value, g = torch.randn((2, 7, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value.requires_grad_()
    loss = pull(value, g)
    torch.testing.assert_close(loss, squared(g))
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), value)[0], -2 * g)


def test_a_normalised_tangent_keeps_its_direction_and_stays_below_one() -> None:
    g = torch.logspace(-6, 6, 13, dtype=torch.float64)[:, None, None] * torch.ones((13, 2, 2), dtype=torch.float64)
    size = 2 * g[:, 0, 0]
    torch.testing.assert_close(normalised(g, 0.1).flatten(1).norm(dim=1), size / (size + 0.1))
    assert (normalised(torch.zeros(3, 2), 0.1) == 0).all()


def test_the_warm_up_rises_to_its_end_and_stays() -> None:
    assert [warm_up(p, 0.5) for p in (0.0, 0.25, 0.5, 0.9)] == [0, 0.5, 1, 1]
    assert [warm_up(p, 0.5, 0.99) for p in (0.25, 0.5, 0.9)] == pytest.approx([0.495, 0.99, 0.99])
    assert warm_up(0.0, 0.0) == 1


# Where one objective becomes another.


class Given:
    """Draws whose uniform numbers of the purpose "times" are given; all others are a step's own."""

    def __init__(self, draws: Draws, times: Tensor) -> None:
        self.draws, self.rows, self.times = draws, draws.rows, times

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return self.times if purpose == "times" else self.draws.uniform(purpose, *shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draws, name)


def gradient_of(per_sample: Tensor, net: Oracle) -> Tensor:
    return torch.autograd.grad(per_sample.mean(), net.theta, retain_graph=True)[0]


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


class Taught(nn.Module):
    """A student whose diagonal is its teacher."""

    def __init__(self, net: Oracle) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: object = None, dropout: object = None) -> Tensor:
        return self.net.truth.velocity(x, t) if s is t else self.net(x, s, t)


SELF = {
    "emd": (AYFEMD(**EXACT, **PLAIN), ESD(eta=0.0, learned_weight=False, stop_gradient=StopGradient.DETACHED)),
    "lmd": (AYFLMD(**EXACT, **PLAIN), LSD(eta=0.0, learned_weight=False, stop_gradient=StopGradient.DETACHED)),
}


@pytest.mark.parametrize("name", SELF)
def test_detached_self_distillation_with_the_teacher_on_its_diagonal_is_align_your_flow(name: str) -> None:
    ours, other = SELF[name]
    loss, net = one_loss(ours, gaussian(), N, THETA)
    at = context(other, N)
    s, t = interval(ours, at)
    at = replace(at, draws=Given(at.draws, torch.stack([s, t], 1)))
    twin = other.losses({"net": Taught(net)}, Batch(data(gaussian(), N)), at)["net"].per_sample
    torch.testing.assert_close(loss.per_sample, twin, rtol=1e-9, atol=1e-12)
    assert gradient_of(loss.per_sample, net).norm() > 1e-3
    torch.testing.assert_close(gradient_of(loss.per_sample, net), gradient_of(twin, net), rtol=1e-9, atol=1e-12)


# Autoguidance.


def weakly(x: Tensor, t: Tensor, condition: object = None) -> Tensor:
    """A weak teacher that is off by a known field."""
    return gaussian().velocity(x, t) + torch.sin(x)


@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_a_guided_teacher_leaves_the_weak_one_behind(kind: type[AYF]) -> None:
    method = kind(guidance_low=1.0, guidance_high=3.0)
    at = replace(context(method, N, teacher=teacher_of(gaussian())), weak_teacher=weakly)
    x, t = data(gaussian(), N), torch.rand(N, generator=torch.Generator().manual_seed(0)).double()
    found = method.teacher(Batch(x), at)(x, t)
    lam = 1 + 2 * at.draws.uniform("guidance")[:, None]
    torch.testing.assert_close(found, lam * gaussian().velocity(x, t) + (1 - lam) * weakly(x, t))
    assert method.needs.weak_teacher and not kind().needs.weak_teacher


@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_guidance_reaches_the_loss_and_is_off_at_one(kind: type[AYF]) -> None:
    def loss(method: AYF, weak: Callable[..., Tensor] | None) -> Tensor:
        at = replace(context(method, N, teacher=teacher_of(gaussian()), progress=0.5), weak_teacher=weak)
        return method.losses({"net": Oracle(gaussian())}, Batch(data(gaussian(), N)), at)["net"].per_sample

    plain = kind(**PLAIN)
    torch.testing.assert_close(loss(plain, weakly), loss(plain, None), rtol=0, atol=0)
    guided = replace(plain, guidance_low=2.0, guidance_high=2.0)
    assert loss(guided, weakly).mean() > 100 * loss(plain, None).mean()
    with pytest.raises(ValueError, match="weak teacher"):
        loss(guided, None)


# Clocks.


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@BOTH
@given(st.floats(0.002, 80.0))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_angle_noise_level_and_time_convert_into_each_other(path: Interpolant, level: float) -> None:
    """On the interval that noise levels cover: EDM's sigma, TrigFlow's angle a and the sweep's time t."""
    sigma = vector(level)
    a, t = torch.atan(sigma / path.base_scale), path.time_of_sigma(sigma)
    torch.testing.assert_close(from_trigflow(vector(0)[:, None], a, path)[1], t, rtol=0, atol=1e-12)
    torch.testing.assert_close(pi / 2 - path.theta(t), a, rtol=0, atol=1e-12)
    torch.testing.assert_close(path.sigma(t), sigma, rtol=1e-12, atol=1e-12)


@BOTH
@given(st.floats(0.002, 80.0), st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=40, deadline=None, derandomize=True)
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


@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_intervals_are_logit_normal_and_start_uniformly_on_what_they_leave(kind: type[AYF]) -> None:
    _, net = one_loss(kind(), gaussian(), 40_000)
    s, t, _ = net.calls[0]
    logit = torch.logit(t - s)
    assert (logit.mean().item(), logit.std().item()) == pytest.approx((-0.8, 1), abs=0.03)
    place = s / (1 - (t - s))
    assert (place.mean().item(), place.std().item()) == pytest.approx((0.5, 12**-0.5), abs=0.01)
    assert torch.corrcoef(torch.stack([logit, place]))[0, 1].abs() < 0.02


@BOTH
def test_two_steps_stop_over_at_the_papers_noise_level(path: Interpolant) -> None:
    method = SCD(interpolant=path)
    start, middle, end = pi / 2 - path.theta(method.grid(2))
    expected = [atan(sigma / path.base_scale) for sigma in (80, 0.98, 0)]
    assert [start.item(), middle.item(), end.item()] == pytest.approx(expected)
    for steps in (1, 3, 4, 16):
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


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-24], ids=["data", "noise"])
@pytest.mark.parametrize("method", [SCT(), SCD(), AYFEMD(), AYFLMD()], ids=["sct", "scd", "ayf_emd", "ayf_lmd"])
def test_the_ends_of_the_clock_are_finite_in_single_precision(method: Method, u: float) -> None:
    """A uniform number may be 0, or the last one below 1; at the exact map the tangent is then still small."""
    at = context(method, 8, progress=0.5, teacher=teacher_of(gaussian()))
    at.draws._dtype = torch.float32  # type: ignore[attr-defined]
    shape = (8,) if isinstance(method, SCM) else (8, 2)
    at = replace(at, draws=Given(at.draws, torch.full(shape, u)))
    if isinstance(method, AYF):
        method = replace(method, warmup_end=1.0)
    models = networks(method, gaussian())
    loss = method.losses(models, Batch(data(gaussian(), 8).float()), at)["net"]
    assert loss.per_sample.isfinite().all()
    assert torch.autograd.grad(loss.per_sample.mean(), models["net"].theta)[0].isfinite().all()  # type: ignore[arg-type]
    if not isinstance(method, SCT):
        assert loss.parts["tangent"].max() < 1e-4


# Stages, knobs, training.


@pytest.mark.parametrize("kind", [SCD, AYFEMD, AYFLMD], ids=["scd", "ayf_emd", "ayf_lmd"])
def test_a_student_starts_as_its_teacher_unless_told_otherwise(kind: type[SCD] | type[AYF]) -> None:
    teacher, net = nn.Linear(1, 1), nn.Linear(1, 1)
    prepare = kind().stages(100)[0].prepare
    assert prepare is not None
    prepare({"net": net}, {"net": teacher})
    assert torch.equal(net.weight, teacher.weight)
    assert kind(initialise=False).stages(100)[0].prepare is None


@pytest.mark.parametrize(("make", "words"), [
    (lambda: SCT(warmup=2.0), ["method.warmup", "share"]),
    (lambda: AYFEMD(c=0.0), ["method.c", "method.normalise=false"]),
    (lambda: SCD(middle=80.0), ["method.middle", "method.sigma_max=80.0"]),
    (lambda: AYFLMD(warmup_end=1.5), ["method.warmup_end"]),
    (lambda: AYFEMD(guidance_low=2.0), ["method.guidance_low=2.0", "guidance_high=1.0"]),
])  # fmt: skip
def test_a_knob_that_means_nothing_is_named(make: Callable[[], Method], words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        make()
    assert all(word in str(error.value) for word in words)


TRAINED: dict[str, Method] = {"sct": SCT(), "scd": SCD(), "ayf_emd": AYFEMD(), "ayf_lmd": AYFLMD()}


@pytest.mark.parametrize("name", TRAINED)
def test_a_short_training_learns_the_map_of_a_gaussian(name: str) -> None:
    method = TRAINED[name]
    start = teacher_net("gaussian") if method.needs.teacher else None
    trainer = trained(method, "gaussian", 300, start)
    assert map_error("gaussian", one_jump(trainer)) < 0.04
    if isinstance(method, SCM):
        assert trainer.models["weight"](torch.zeros(1), torch.ones(1)).abs().item() > 1e-4
