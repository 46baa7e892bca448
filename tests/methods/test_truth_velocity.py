"""Refinements of MeanFlow and LSD: their definitions, what they become in a limit, their fixed points, their times."""

from dataclasses import replace
from math import log, pi

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure, skewed
from oracle import Oracle, context, data, features, loss_and_gradient, one_loss, orders, squared
from tangent_cases import Given
from torch import Tensor, nn
from trainings import map_error, one_jump, teacher_net, trained

from methods.alphaflow import AlphaFlow
from methods.base import Batch, Method
from methods.flow_anchored import FlowAnchored
from methods.improved_meanflow import ImprovedMeanFlow, Tangent
from methods.meanflow import MeanFlow
from methods.self_distillation import LSD, PSD
from methods.soflow import SoFlow
from methods.split_meanflow import SplitMeanFlow
from methods.terminal_velocity import TerminalVelocity
from methods.times import Uniform
from methods.tools.flow_map import Derivative
from methods.tools.interpolant import Interpolant, Linear
from methods.transition import Transition

N, THETA = 512, 0.2
UNIFORM = Uniform()
PLAIN = ImprovedMeanFlow(power=0.0, time_law=UNIFORM)


def taken(method: Method, theta: float = THETA, path: Interpolant | None = None) -> tuple[Tensor, Tensor, Oracle]:
    """Per-sample loss, the gradient of its mean, and the network without gradient."""
    path = path or method.interpolant
    loss, net = one_loss(replace(method, interpolant=path), gaussian(path), N, theta)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    net.requires_grad_(False)
    return loss.per_sample.detach(), gradient, net


def way(path: Interpolant, method: Method, s: Tensor) -> tuple[Tensor, Tensor]:
    """The point of each sample at s and its conditional velocity there."""
    x_1 = data(gaussian(path), N)
    x_0 = path.base_scale * context(method, N).noise(x_1)
    return path.point(x_0, x_1, s), path.velocity(x_0, x_1, s)


def along(net: Oracle, x: Tensor, s: Tensor, t: Tensor, tangent: Tensor) -> Tensor:
    """d/ds v_{s,t}(x) along (tangent, 1), by a fine difference."""
    h = 1e-5
    return (net(x + h * tangent, s + h, t) - net(x - h * tangent, s - h, t)) / (2 * h)


# Improved MeanFlow.


@pytest.mark.parametrize("power", [0.0, 0.75])
@pytest.mark.parametrize("how", [Derivative.SPLIT, Derivative.FINITE])
def test_along_the_samples_own_way_and_without_its_second_term_it_is_meanflow(power: float, how: Derivative) -> None:
    shared = {"eta": 0.25, "power": power, "floor": 1e-3, "time_law": UNIFORM, "derivative": how}
    loss, gradient, _ = taken(ImprovedMeanFlow(tangent=Tangent.CONDITIONAL, velocity=0.0, **shared))  # type: ignore[arg-type]
    expected, expected_gradient, _ = taken(MeanFlow(**shared))  # type: ignore[arg-type]
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-12)


@BOTH
@pytest.mark.parametrize("velocity", [0.0, 0.7])
def test_both_terms_are_their_definitions_and_only_the_map_and_the_velocity_have_a_gradient(
    velocity: float, path: Interpolant
) -> None:
    method = ImprovedMeanFlow(velocity=velocity)
    loss, gradient, net = taken(method, path=path)
    s, t, _ = net.calls[-1]
    x, speed = way(path, method, s)
    own = net(x, s, s)
    r = net(x, s, t) - speed - (t - s)[:, None] * along(net, x, s, t, own)
    S, V = squared(r), squared(own - speed)
    torch.testing.assert_close(loss, S / (S + 0.01) + velocity * V / (V + 0.01), rtol=1e-6, atol=1e-8)
    expected = (features(x, s, t) / (S + 0.01)[:, None]).T @ r
    expected += velocity * (features(x, s, s) / (V + 0.01)[:, None]).T @ (own - speed)
    torch.testing.assert_close(gradient, 2 * expected / N, rtol=1e-5, atol=1e-8)


@BOTH
def test_the_semigradient_of_improved_meanflow_vanishes_at_the_exact_map_only(path: Interpolant) -> None:
    method = replace(PLAIN, interpolant=path)
    assert measure(method, gaussian(path), n=1024).excess < ZERO
    assert measure(method, gaussian(path), 0.2, n=1024).excess > CLEAR


def test_its_own_velocity_makes_the_gradient_less_noisy_than_meanflows() -> None:
    """At the exact map: what is left there is the sample's velocity around its mean."""
    bare = replace(PLAIN, velocity=0.0, eta=0.0)
    own, conditional = (measure(replace(bare, tangent=tangent), gaussian(), n=1024) for tangent in Tangent)
    assert own.gradient_error.norm() < 0.9 * conditional.gradient_error.norm()
    assert own.loss < 0.9 * conditional.loss


def test_half_of_its_batch_lies_on_the_diagonal_at_the_noisier_time() -> None:
    _, _, net = taken(ImprovedMeanFlow())
    s, t, _ = net.calls[-1]
    u = context(ImprovedMeanFlow(), N).draws.uniform("times", 2)
    expected = torch.sigmoid(0.4 + torch.special.ndtri(u)).min(1).values
    torch.testing.assert_close(s, expected)
    assert (s == t).sum() == N // 2 and (s <= t).all()


# Terminal velocity matching.


def test_with_the_current_network_as_its_slow_copy_it_is_lsd_and_flow_matching() -> None:
    """Its squares are means of two entries, theirs are sums."""
    method = TerminalVelocity()
    loss, gradient, net = taken(method)
    s, t, _ = net.calls[0]
    u = net.calls[-1][0]
    net = Oracle(gaussian(), THETA)
    (x, _), (x_u, speed) = way(Linear(), method, s), way(Linear(), method, u)
    r = LSD(learned_weight=False).residual(net, x, s, t, context(method, N))
    expected = (squared(r) + squared(net(x_u, u, u) - speed)) / 2
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(expected.mean(), net.theta)[0]
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_the_slow_copy_says_how_fast_a_jump_should_end() -> None:
    """The exact one; asked where the jump ends, at its later time, without gradient."""
    truth, slow = gaussian(), Oracle(gaussian())
    loss, net = one_loss(TerminalVelocity(), truth, N, THETA, target={"net": slow})
    s, t, _ = net.calls[0]
    x, _ = way(Linear(), TerminalVelocity(), s)
    ((asked, at, with_gradient),) = slow.calls
    assert torch.equal(asked, t) and torch.equal(at, t) and not with_gradient
    h = 1e-5
    ends = [x + (r - s)[:, None] * net(x, s, r) for r in (t - h, t, t + h)]
    r = (ends[2] - ends[0]) / (2 * h) - truth.velocity(ends[1], t)
    torch.testing.assert_close(loss.parts["terminal"], r.square().mean(1).detach(), rtol=1e-5, atol=1e-8)


@BOTH
def test_its_terminal_part_is_zero_at_the_exact_map_and_its_gradient_vanishes_there(path: Interpolant) -> None:
    method = TerminalVelocity(interpolant=path)
    assert measure(method, gaussian(path), n=64, part="terminal").loss < 1e-20
    assert measure(method, gaussian(path), n=1024).excess < ZERO
    assert measure(method, gaussian(path), 0.2, n=1024).excess > CLEAR


def test_its_gaps_and_ends_are_the_papers_with_the_clock_turned_around() -> None:
    """Their law is that of ends drawn again until they lie below 1 - gap."""
    u = torch.rand((2, 40_000), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, t = TerminalVelocity().times(*u)
    assert (s >= 0).all() and (t <= 1).all() and (s <= t).all()
    gap = torch.sigmoid(-0.8 + torch.special.ndtri(u[0]))
    torch.testing.assert_close(t - s, gap, rtol=1e-9, atol=1e-12)
    normal = torch.randn((64, 4000), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ends = torch.sigmoid(-0.4 + normal)
    fits = ends < 1 - gap[:4000]
    first = ends.gather(0, fits.double().argmax(0, keepdim=True))[0]
    found = torch.logit(1 - t[:4000]).sort().values - torch.logit(first).sort().values
    assert found[100:-100].abs().mean() < 0.05


def test_times_at_the_ends_of_their_laws_are_in_order() -> None:
    for dtype in (torch.float32, torch.float64):
        u = torch.tensor([0.0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
        s, t = TerminalVelocity().times(*torch.cartesian_prod(u, u).T)
        assert (s >= 0).all() and (s <= t).all() and (t <= 1).all() and t.isfinite().all()


# alpha-Flow.


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


# SplitMeanFlow.


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_off_the_diagonal_it_is_progressive_self_distillation_at_a_uniform_point(eta: float) -> None:
    """Sample by sample, and in its gradient."""
    found = []
    for method in (SplitMeanFlow(eta=eta), PSD(uniform=True, eta=eta, learned_weight=False)):
        loss, net = one_loss(method, gaussian(), N, THETA)
        apart = loss.per_sample[round(eta * N) :]
        found.append((apart.detach(), torch.autograd.grad(apart.mean(), net.theta)[0], loss.parts["distillation"]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@BOTH
def test_on_the_diagonal_its_teacher_is_followed(path: Interpolant) -> None:
    method = SplitMeanFlow(eta=1.0, interpolant=path)
    loss, gradient, net = taken(method)
    t = net.calls[0][0]
    x, _ = way(path, method, t)
    r = net(x, t, t) - gaussian(path).velocity(x, t)
    torch.testing.assert_close(loss, squared(r))
    torch.testing.assert_close(gradient, 2 * features(x, t, t).T @ r / N)


# Transition models.


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_without_its_weight_of_times_it_is_meanflow_by_a_central_difference(power: float) -> None:
    """Its squares are means of two entries, MeanFlow's their sums."""
    loss, gradient, net = taken(Transition(to_data=0.0, power=power, time_law=UNIFORM))
    s, t, _ = net.calls[-1]
    w = (1 + (torch.tan(1 - s) - torch.tan(1 - t))) ** -0.5
    expected, _, net = taken(MeanFlow(eta=0.5, power=power, floor=2e-5, time_law=UNIFORM, derivative=Derivative.FINITE))
    assert w.min() < 0.8 and (w == 1).sum() == N // 2
    torch.testing.assert_close(loss, w * expected / 2 ** (1 - power), rtol=1e-10, atol=1e-12)
    x, speed = way(Linear(), MeanFlow(), s)
    h = 5e-3
    slope = (net(x + h * speed, s + h, t) - net(x - h * speed, s - h, t)) / (2 * h)
    r = net(x, s, t) - speed - (t - s)[:, None] * slope
    scaled = (w * (r.square().mean(1) + 1e-5) ** -power)[:, None] * features(x, s, t)
    torch.testing.assert_close(gradient, scaled.T @ r / N, rtol=1e-7, atol=1e-10)


@BOTH
def test_the_semigradient_of_transition_models_vanishes_at_the_exact_map_only(path: Interpolant) -> None:
    method = Transition(power=0.0, time_law=Uniform(0.01, 0.99), interpolant=path)
    assert measure(method, gaussian(path), n=1024).excess < ZERO
    assert measure(method, gaussian(path), 0.2, n=1024).excess > CLEAR


def test_half_of_its_jumps_stand_still_and_a_tenth_end_at_data() -> None:
    method, n = Transition(), 20_000
    s, t = method.times(context(method, n))
    on, off = context(method, n).split(0.5)
    assert (s == t).sum() == n // 2 and (s == t)[on].all()
    assert (t == 1).double().mean().item() == pytest.approx(0.1, abs=0.01)
    u = context(method, n).draws.uniform("times", 2)
    times = torch.sigmoid(0.4 + torch.special.ndtri(u)).sort(1).values
    torch.testing.assert_close(s, times[:, 0])
    torch.testing.assert_close(t[off][t[off] < 1], times[off, 1][t[off] < 1])
    with pytest.raises(ValueError, match=r"method\.eta=0\.95 and method\.to_data=0\.1 .* at most 1"):
        Transition(eta=0.95)


# Flow-anchored consistency.


@BOTH
@pytest.mark.parametrize("cosine", [0.0, 0.7])
def test_the_map_to_data_and_the_velocity_beside_it_are_learned_by_their_definitions(cosine: float, path: Interpolant) -> None:
    method, truth = FlowAnchored(clamp=0.3, cosine=cosine, interpolant=path), gaussian(path)
    loss, gradient, net = taken(method)
    s, t, _ = net.calls[-1]
    one = torch.ones_like(s)
    assert torch.equal(s, t) and torch.equal(s, method.times(context(method, N).draws.uniform("times")))
    x, _ = way(path, method, s)
    b = truth.velocity(x, s)
    g = net(x, s, one) - b - (1 - s)[:, None] * along(net, x, s, one, b)
    assert 0.1 < (g.abs() > 0.3).double().mean() < 0.9
    r = (1 - s.sqrt())[:, None] * g.clamp(-0.3, 0.3)
    S, w = r.square().mean(1), torch.cos(pi / 2 * s)
    own = net(x, s, s).requires_grad_()
    turned = 1 - (own * b).sum(1) / (own.norm(dim=1) * b.norm(dim=1))
    anchor = (own - b).square().mean(1) + cosine * turned
    torch.testing.assert_close(loss, (w * S / (S + 1e-3).sqrt() + anchor).detach(), rtol=1e-6, atol=1e-8)
    expected = ((w / (S + 1e-3).sqrt())[:, None] * features(x, s, one)).T @ r / N
    expected += features(x, s, s).T @ torch.autograd.grad(anchor.mean(), own)[0]
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


@BOTH
def test_the_exact_map_beside_the_exact_velocity_is_a_fixed_point(path: Interpolant) -> None:
    """Sample by sample, up to the rounding of a cosine."""
    method = FlowAnchored(interpolant=path)
    for theta, zero in ((0.0, True), (0.1, False)):
        found = loss_and_gradient(method, gaussian(path), theta, n=256)
        assert (abs(found.loss) < 1e-12 and found.size < 1e-9) if zero else (found.loss > 1e-3 and found.size > 1e-3)


def test_so_it_is_on_the_skewed_target_to_the_accuracy_of_its_solved_map() -> None:
    found, perturbed = (loss_and_gradient(FlowAnchored(), skewed(40), theta, n=64) for theta in (0.0, 0.1))
    assert found.loss < 1e-4 and found.size < 1e-4
    assert perturbed.loss > 1e-3 and perturbed.size > 1e-3


def test_on_images_the_cosine_is_over_channels_and_a_mean_over_places() -> None:
    class Colours(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
            return torch.tanh(x + s[:, None, None, None] - t[:, None, None, None])

    x_1 = torch.randn((4, 3, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    where = replace(context(FlowAnchored(), 4), teacher=lambda x, t, condition: x.roll(1, 1))
    methods = (FlowAnchored(cosine=k) for k in (1.0, 0.0))
    with_it, without = (each.losses({"net": Colours()}, Batch(x_1), where)["net"].per_sample for each in methods)
    s = FlowAnchored().times(where.draws.uniform("times"))
    x = Linear().point(where.noise(x_1), x_1, s)
    own, b = torch.tanh(x), x.roll(1, 1)
    cosine = torch.stack([torch.stack([torch.dot(own[i, :, j, k], b[i, :, j, k]) / own[i, :, j, k].norm() / b[i, :, j, k].norm()
                                       for j in range(2) for k in range(2)]).mean() for i in range(4)])  # fmt: skip
    torch.testing.assert_close(with_it - without, 1 - cosine)


def test_its_times_are_an_angle_of_the_noise_level() -> None:
    u = torch.rand(40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigma = torch.tan(pi / 2 * (1 - FlowAnchored().times(u)))
    assert sigma.log().mean().item() == pytest.approx(-0.8, abs=0.05)
    assert sigma.log().std().item() == pytest.approx(1.6, abs=0.05)


# Trainings.


@pytest.mark.parametrize("method", [ImprovedMeanFlow(), TerminalVelocity(), AlphaFlow(), SplitMeanFlow(), Transition(),
                                    FlowAnchored()], ids=["imf", "tvm", "alphaflow", "split_meanflow", "tim", "facm"])
def test_a_short_training_comes_near_the_map(method: Method) -> None:
    """From about 1.9, in a quarter of the steps that the others' trainings take."""
    start = teacher_net("gaussian") if method.needs.teacher else None
    assert map_error("gaussian", one_jump(trained(method, "gaussian", 125, start))) < 0.5
