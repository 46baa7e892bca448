"""alpha-Flow: its definition, its schedule, what it is between its limits, its bias and its times."""

from dataclasses import replace
from math import log

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure
from oracle import Oracle, context, data, features, one_loss, orders
from refinements import THETA, UNIFORM, N, taken, way
from tangent_cases import Given
from torch import Tensor

from methods.alphaflow import AlphaFlow
from methods.base import Batch, Method
from methods.meanflow import MeanFlow
from methods.soflow import SoFlow
from methods.tools.interpolant import Interpolant

BARE = AlphaFlow(eta=0.0, power=0.0, clip=None, time_law=UNIFORM)


def when(alpha: float) -> float:
    """The progress at which the schedule's alpha is this one."""
    return 0.5 + log(1 / alpha - 1) / 25


def at(method: Method, alpha: float, draws: bool = False) -> tuple[Tensor, Tensor]:
    """Per-sample loss and gradient of its mean. draws: with the two uniforms of every sample in order."""
    net, where = Oracle(gaussian(), THETA), context(method, N, progress=when(alpha))
    if draws:
        where = replace(where, draws=Given(where.draws, where.draws.uniform("times", 2).sort(1).values))
    loss = method.losses({"net": net}, Batch(data(gaussian(), N)), where)["net"].per_sample
    return loss.detach(), torch.autograd.grad(loss.mean(), net.theta)[0]


def test_alpha_falls_from_one_to_nothing_and_stays() -> None:
    alpha = AlphaFlow().alpha
    assert [alpha(p) for p in (0.0, 0.28, 0.72, 1.0)] == [1, 1, 0, 0]
    assert alpha(0.5) == 0.5 and alpha(when(0.9)) == pytest.approx(0.9)
    late = AlphaFlow(fall_start=0.5, fall_end=0.9).alpha
    assert [late(p) for p in (0.4, 0.7, 0.95)] == [1, pytest.approx(0.5), 0]
    with pytest.raises(ValueError, match=r"method\.fall_start=0\.5 must be below method\.fall_end=0\.5"):
        AlphaFlow(fall_start=0.5, fall_end=0.5)


@BOTH
def test_its_loss_and_gradient_are_those_of_their_definition(path: Interpolant) -> None:
    """A jump and what is left of it after a share alpha of its way; on the diagonal the velocity, with the weight 1."""
    method, alpha = AlphaFlow(clip=2.0, interpolant=path), 0.3
    loss, net = one_loss(method, gaussian(path), N, THETA, progress=when(alpha))
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    (s, t, _), (m, _, with_gradient) = net.calls
    on, off = context(method, N).split(0.25)
    assert len(m) == len(off) == 3 * N // 4 and not with_gradient
    assert (s == t)[on].all() and (s < t)[off].all()
    net.requires_grad_(False)
    (x, speed), gap = way(path, method, s), (alpha * (t - s))[:, None]
    target = alpha * speed + (1 - alpha) * net(x + gap * speed, s + gap[:, 0], t)
    assert (target.abs() > 2).any()
    target = target.clamp(-2, 2).index_copy(0, on, speed[on])
    r = net(x, s, t) - target
    S, w = r.square().mean(1), torch.full((N,), alpha, dtype=torch.float64).index_fill(0, on, 1.0)
    torch.testing.assert_close(loss.per_sample.detach(), w * S / (S + 1e-3), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient, ((w / (S + 1e-3))[:, None] * features(x, s, t)).T @ r / N, rtol=1e-9, atol=1e-12)


def test_its_diagonal_has_the_law_of_one_time() -> None:
    _, net = one_loss(AlphaFlow(), gaussian(), N)
    s, t, _ = net.calls[0]
    u = context(AlphaFlow(), N).draws.uniform("times", 2)
    times, (on, off) = torch.sigmoid(0.4 + torch.special.ndtri(u)), context(AlphaFlow(), N).split(0.25)
    torch.testing.assert_close(s[on], times[on, 0])
    torch.testing.assert_close(torch.stack([s, t], 1)[off], times[off].sort(1).values)


@pytest.mark.parametrize("alpha", [0.5, 0.1])
def test_its_residual_is_alpha_times_the_quotient_of_soflow(alpha: float) -> None:
    """Plain squares: alpha |r|^2 is 2 alpha^3 of SoFlow's |q|^2 / 2, whose gradient is that of q in v alone."""
    soflow = SoFlow(power=0.0, start_law=UNIFORM, end_law=UNIFORM, r_init=alpha, r_end=alpha, min_gap=1e-12)
    (loss, gradient), (quotient, slope) = at(BARE, alpha, draws=True), at(soflow, alpha, draws=True)
    torch.testing.assert_close(loss, 2 * alpha**3 * quotient, rtol=1e-7, atol=1e-10)
    torch.testing.assert_close(gradient, 2 * alpha**2 * slope, rtol=1e-7, atol=1e-10)


def test_with_alpha_at_one_it_learns_the_velocity_where_a_jump_starts_and_not_the_map() -> None:
    class Start(Oracle):
        """b_s for every t."""

        def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
            return super().forward(x, s, s) + features(x, s, t) @ self.theta - features(x, s, s) @ self.theta

    nets = ({"net": kind(gaussian())} for kind in (Start, Oracle))
    start, exact = (measure(BARE, gaussian(), n=1024, models=net, progress=0.0) for net in nets)
    assert start.excess < ZERO and exact.excess > CLEAR


def test_its_bias_at_the_exact_map_is_of_second_order_in_alpha() -> None:
    """Beside the weight alpha."""
    found = {k: measure(BARE, gaussian(), n=2**14, progress=when(1 / k)).size * k for k in (8, 16, 32)}
    assert list(orders(found))[-1] == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_without_a_step_it_is_meanflow(power: float) -> None:
    """Its squares are means of two entries, MeanFlow's their sums."""
    method = replace(BARE, power=power)
    loss, net = one_loss(method, gaussian(), N, THETA, progress=0.9)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    expected, slope, _ = taken(MeanFlow(eta=0.0, power=power, floor=2e-3, time_law=UNIFORM))
    scale = 2 ** (1 - power)
    torch.testing.assert_close(scale * loss.per_sample.detach(), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(scale * gradient, slope, rtol=1e-12, atol=1e-12)


def test_as_its_step_shrinks_its_gradient_becomes_that_of_meanflow() -> None:
    """At first order, beside alpha^2."""
    slope = taken(MeanFlow(eta=0.0, power=0.0, time_law=UNIFORM))[1]
    apart = {k: (2 * k**2 * at(BARE, 1 / k)[1] - slope).norm().item() for k in (32, 64, 128)}
    assert list(orders(apart))[-1] == pytest.approx(1, abs=0.1)
    assert apart[128] < 0.1 * slope.norm()
