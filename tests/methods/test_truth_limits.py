"""Where one objective becomes another, and the pieces that several share: derivatives, learned weight, kernels."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from oracle import Oracle, context, data, features, networks, one_loss, orders, perturbation, squared, teacher_of
from torch import Tensor

from bench.truth import target
from methods.base import Batch, Draws, Method
from methods.consistency import CD, ECT
from methods.flow_map_matching import FMM
from methods.imm import IMM, Kernel
from methods.meanflow import MeanFlow
from methods.pfmm import PFMM
from methods.self_distillation import ESD, LSD, PSD
from methods.shortcut import Shortcut
from methods.times import Uniform
from methods.tools.flow_map import Derivative, derivative, jump, lagrangian
from methods.tools.interpolant import Linear, Trigonometric

N = 256
TRUTH = target("gaussian")


def points(n: int = N) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, s, t and a tangent dx."""
    g = torch.Generator().manual_seed(3)
    x, dx = torch.randn((2, n, 2), generator=g, dtype=torch.float64)
    s, t = torch.rand((2, n), generator=g, dtype=torch.float64)
    return x, s, t, dx


class Constant:
    """Draws whose uniform numbers all have one value."""

    def __init__(self, draws: Draws, value: float) -> None:
        self.draws, self.rows, self.value = draws, draws.rows, value

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return torch.full((len(self.rows), *shape), self.value, dtype=torch.float64)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draws, name)


# The derivative of a network.


def test_the_exact_derivative_is_that_of_the_features() -> None:
    """With v = phi @ theta and no truth, the derivative along t is known from phi alone."""
    x, s, t, _ = points()
    theta = perturbation(1.0)

    def v(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return features(x, s, t) @ theta

    value, dv = derivative(v, x, s, t, dt=1.0)
    h = 1e-5
    torch.testing.assert_close(value, v(x, s, t))
    torch.testing.assert_close(dv, (v(x, s, t + h) - v(x, s, t - h)) / (2 * h), rtol=1e-7, atol=1e-7)


TANGENTS = {"x": (True, 0.0, 0.0), "s": (False, 1.0, 0.0), "t": (False, 0.0, 1.0), "all": (True, 1.0, -0.5)}


@pytest.mark.parametrize("along", TANGENTS)
def test_split_and_exact_derivatives_agree(along: str) -> None:
    x, s, t, dx = points()
    moving, ds, dt = TANGENTS[along]
    net, tangent = Oracle(TRUTH, 0.3), dx if moving else None
    exact, split = (
        derivative(net, x, s, t, dx=tangent, ds=ds, dt=dt, how=how) for how in (Derivative.EXACT, Derivative.SPLIT)
    )
    for one, other in zip(exact, split, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("along", TANGENTS)
def test_the_finite_difference_is_of_second_order(along: str) -> None:
    x, s, t, dx = points()
    moving, ds, dt = TANGENTS[along]
    net, tangent = Oracle(TRUTH, 0.3), dx if moving else None
    exact = derivative(net, x, s, t, dx=tangent, ds=ds, dt=dt)[1]
    errors = {}
    for k in (100, 200, 400):
        rough = derivative(net, x, s, t, dx=tangent, ds=ds, dt=dt, how=Derivative.FINITE, h=1 / k)[1]
        errors[k] = (rough - exact).square().mean().sqrt().item()
    assert list(orders(errors))[-1] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("how", "attached"), [("exact", True), ("split", False), ("finite", False)])
def test_only_the_exact_derivative_carries_a_gradient(how: str, attached: bool) -> None:
    x, s, t, _ = points()
    value, dv = derivative(Oracle(TRUTH, 0.3), x, s, t, dt=1.0, how=Derivative(how))
    assert value.requires_grad
    assert dv.requires_grad is attached


def test_the_lagrangian_pair_is_the_map_and_its_time_derivative() -> None:
    x, s, t, _ = points()
    net = Oracle(TRUTH, 0.3)
    end, speed = lagrangian(net, x, s, t)
    h = 1e-5
    torch.testing.assert_close(end, jump(net, x, s, t))
    quotient = (jump(net, x, s, t + h) - jump(net, x, s, t - h)) / (2 * h)
    torch.testing.assert_close(speed, quotient, rtol=1e-6, atol=1e-7)


# MeanFlow and flow matching.


def test_meanflow_on_the_diagonal_is_flow_matching() -> None:
    method = MeanFlow(eta=1.0, power=0.0, time_law=Uniform())
    loss, net = one_loss(method, TRUTH, N, 0.2)
    at = context(method, N)
    t = at.draws.uniform("times", 2).min(1).values
    x_1, x_0 = data(TRUTH, N), at.noise(data(TRUTH, N))
    expected = squared(net((1 - t)[:, None] * x_0 + t[:, None] * x_1, t, t) - (x_1 - x_0))
    torch.testing.assert_close(loss.per_sample, expected, rtol=1e-12, atol=1e-12)


def test_meanflow_puts_its_share_on_the_diagonal_at_the_noisier_time() -> None:
    _, net = one_loss(MeanFlow(eta=0.25), TRUTH, N)
    s, t = max(((s, t) for s, t, _ in net.calls), key=lambda c: len(c[0]))
    _, off = one_loss(MeanFlow(eta=0.0), TRUTH, N)
    assert (s == t).sum() == N // 4
    torch.testing.assert_close(s, off.calls[-1][0])


@pytest.mark.parametrize("how", [Derivative.EXACT, Derivative.SPLIT])
def test_meanflow_is_the_same_with_either_derivative(how: Derivative) -> None:
    loss, net = one_loss(MeanFlow(derivative=how), TRUTH, N, 0.2)
    other, other_net = one_loss(MeanFlow(derivative=Derivative.SPLIT), TRUTH, N, 0.2)
    torch.testing.assert_close(loss.per_sample, other.per_sample, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(a.per_sample.mean(), b.theta)[0] for a, b in ((loss, net), (other, other_net))]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


# Flow map matching, shortcuts, and what they are special cases of.


@pytest.mark.parametrize("t", [0.0, 0.3])
def test_flow_map_matching_on_the_diagonal_is_flow_matching(t: float) -> None:
    net, at, x_1 = Oracle(TRUTH, 0.2), context(FMM(), N), data(TRUTH, N)
    loss = FMM().losses({"net": net}, Batch(x_1), replace(at, draws=Constant(at.draws, t)))["net"]
    time, x_0 = torch.full((N,), t, dtype=torch.float64), at.noise(x_1)
    expected = squared(net((1 - t) * x_0 + t * x_1, time, time) - (x_1 - x_0))
    torch.testing.assert_close(loss.per_sample, expected)
    assert (loss.parts["inversion"] == 0).all()


OWN = {"shortcut": Shortcut(bootstrap=1.0, levels=3), "pfmm": PFMM()}


@pytest.mark.parametrize("name", OWN)
def test_taught_by_itself_a_method_of_halves_is_progressive_self_distillation_on_its_own_times(name: str) -> None:
    net = Oracle(TRUTH, 0.2)
    loss, _ = one_loss(OWN[name], TRUTH, N, models={"net": net, "teacher": net})
    s, t, _ = net.calls[-1]
    at, psd = context(OWN[name], N), PSD(eta=0.0)
    x = (1 - s)[:, None] * at.noise(data(TRUTH, N)) + s[:, None] * data(TRUTH, N)
    expected = squared(psd.residual(net, x, s, t, at))
    torch.testing.assert_close(loss.per_sample, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(value.mean(), net.theta)[0] for value in (loss.per_sample, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_the_slow_copy_teaches_the_shortcuts() -> None:
    slow, method = Oracle(TRUTH), Shortcut(bootstrap=1.0, levels=3)
    loss, net = one_loss(method, TRUTH, N, 0.2, target={"net": slow})
    own, _ = one_loss(method, TRUTH, N, 0.2)
    assert [len(slow.calls), len([s for s, _, _ in net.calls if len(s)])] == [2, 1]
    assert (loss.per_sample.mean() - own.per_sample.mean()).abs() > 1e-3
    assert method.needs.target_ema == 0.999


@pytest.mark.parametrize("doublings", [0, 1])
def test_an_interval_that_rounds_to_nothing_is_still_taught(doublings: int) -> None:
    """In float32 s + gap may be s."""
    method, net = PFMM(doublings=doublings), Oracle(TRUTH, 0.2)
    at = context(method, N, teacher=teacher_of(TRUTH))
    loss = method.losses({"net": net, "teacher": Oracle(TRUTH)}, Batch(data(TRUTH, N)),
                         replace(at, draws=Constant(at.draws, 0.0)))["net"]
    x, zero = at.noise(data(TRUTH, N)), torch.zeros(N, dtype=torch.float64)
    torch.testing.assert_close(loss.per_sample, squared(net(x, zero, zero) - TRUTH.velocity(x, zero)))


# Consistency: weights and slow targets.


def test_the_weight_of_a_pair_multiplies_its_distance() -> None:
    method = ECT()
    loss, _ = one_loss(method, TRUTH, N, 0.2, progress=0.9)
    _, _, w = method.pairs(context(method, N).draws.uniform("times"), 0.9, method.interpolant)
    distance = torch.sqrt(loss.parts["raw"] + method.c**2) - method.c
    torch.testing.assert_close(loss.per_sample.detach(), w * distance)


def test_a_slow_target_teaches_in_place_of_the_network() -> None:
    method = CD(target_ema=0.9)
    slow = Oracle(TRUTH)
    loss, net = one_loss(method, TRUTH, N, 0.2, target={"net": slow})
    own, _ = one_loss(method, TRUTH, N, 0.2)
    assert [len(slow.calls), len(net.calls)] == [1, 1]
    assert (loss.per_sample.mean() - own.per_sample.mean()).abs() > 1e-3
    assert method.needs.target_ema == 0.9 and CD().needs.target_ema is None


# Self-distillation: semigroup, learned weight, annealing.


def test_the_semigroup_at_its_ends_asks_nothing() -> None:
    """gamma = 0 or 1 compares v_{s,t} with itself."""
    method, net = PSD(eta=0.0, uniform=True), Oracle(TRUTH, 0.3)
    x, s, t, _ = points()

    for gamma in (0.0, 1.0):
        at = context(method, N)
        assert squared(method.residual(net, x, s, t, replace(at, draws=Constant(at.draws, gamma)))).max() < 1e-24


@pytest.mark.parametrize("method", [LSD(), ESD(), PSD(), PSD(uniform=True)], ids=["lsd", "esd", "psd_m", "psd_u"])
def test_the_learned_weight_enters_as_exp_minus_w_times_loss_plus_w(method: Method) -> None:
    plain, _ = one_loss(method, TRUTH, N, 0.2, w=0.0)
    weighted, _ = one_loss(method, TRUTH, N, 0.2, w=0.4)
    diagonal, (s, t) = context(method, N).draws.uniform("diagonal"), context(method, N).draws.uniform("times", 2).T
    s, t = torch.minimum(s, t), torch.maximum(s, t)
    on, off = context(method, N).split(0.75)
    w = 0.4 * torch.cat([1 + 2 * diagonal[on], 1 + s[off] + t[off]])
    torch.testing.assert_close(weighted.per_sample, torch.exp(-w) * plain.per_sample + w)


def test_the_learned_weight_is_stationary_at_the_logarithm_of_the_loss() -> None:
    method = LSD()
    models = networks(method, TRUTH, 0.2)
    loss, _ = one_loss(method, TRUTH, N, models=models)
    slope = torch.autograd.grad(loss.per_sample.sum(), models["weight"].a)[0]
    plain, _ = one_loss(LSD(learned_weight=False), TRUTH, N, 0.2)
    diagonal, pair = context(method, N).draws.uniform("diagonal"), context(method, N).draws.uniform("times", 2)
    on, off = context(method, N).split(0.75)
    sums = torch.cat([1 + 2 * diagonal[on], 1 + pair[off].sum(1)])
    torch.testing.assert_close(slope, (sums * (1 - plain.per_sample)).sum())


def test_annealing_widens_the_interval_with_progress() -> None:
    for progress, widest in ((0.0, 0.0), (0.25, 0.5), (0.75, 1.0)):
        _, net = one_loss(PSD(eta=0.0, anneal=0.5), TRUTH, 4096, progress=progress)
        s, t, _ = net.calls[-1]
        assert (t - s).max() <= widest + 1e-12
        assert (t - s).max() >= 0.95 * widest


# Moment matching.


def laplace(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    return torch.exp(-torch.clamp((a - b).square().sum().sqrt(), min=1e-8) / (2 * scale))


@pytest.mark.parametrize("base_scale", [1.0, 0.5])
def test_moment_matching_is_the_papers_sum_over_pairs(base_scale: float) -> None:
    method, m = IMM(interpolant=Linear(base_scale)), 4
    loss, net = one_loss(method, TRUTH, 16, 0.2)
    at, x_1 = context(method, 16), data(TRUTH, 16)
    x_0 = base_scale * at.noise(x_1)
    (tau, end, _), (rho, _, _) = net.calls
    y = jump(net, (1 - tau)[:, None] * x_0 + tau[:, None] * x_1, tau, end)
    other = jump(net, (1 - rho)[:, None] * x_0 + rho[:, None] * x_1, rho, end)
    for g in range(0, 16, m):
        pairs = [(i, j) for i in range(g, g + m) for j in range(g, g + m)]
        scale = base_scale * (end[g] - tau[g])
        total = sum(
            laplace(y[i], y[j], scale) + laplace(other[i], other[j], scale) - 2 * laplace(y[i], other[j], scale)
            for i, j in pairs
        )
        expected = method.weight(tau[g]) * total / m**2
        torch.testing.assert_close(loss.per_sample[g : g + m], expected.expand(m), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("path", [Linear(), Trigonometric()], ids=["linear", "trigonometric"])
def test_the_weight_of_moment_matching_is_the_papers(path: Linear | Trigonometric) -> None:
    method = IMM(interpolant=path, b=5.0, power=1.0)
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64).requires_grad_()
    data_part, noise_part = path.beta(t), path.alpha(t)
    log_snr = torch.log(data_part**2 / noise_part**2)
    slope = torch.autograd.grad(log_snr.sum(), t)[0]
    expected = 0.5 * torch.sigmoid(5 - log_snr) * slope * data_part / (data_part**2 + noise_part**2)
    torch.testing.assert_close(method.weight(t), expected)
    assert (expected > 0).all()


@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])
def test_the_second_time_of_moment_matching_lies_a_fixed_step_of_eta_away(path: Linear | Trigonometric) -> None:
    method = IMM(interpolant=path, gap=8)
    tau = torch.linspace(method.edge, 0.5, 40, dtype=torch.float64)
    ends = torch.tensor([method.edge, 1 - method.edge], dtype=torch.float64)
    noisiest, cleanest = path.alpha(ends) / path.beta(ends)
    eta, eta_closer = (path.alpha(t) / path.beta(t) for t in (tau, method.closer(tau)))
    torch.testing.assert_close(eta - eta_closer, ((noisiest - cleanest) / 2**8).expand(40).clamp(max=eta))


def test_the_second_time_of_moment_matching_is_the_nearest_single_precision_number() -> None:
    method = IMM()
    tau = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 0.98 + 0.01
    assert torch.equal(method.closer(tau), method.closer(tau.double()).float())
    assert torch.equal(method.closer(tau)[:13], method.closer(tau[:13])), "a row's time does not depend on the rows beside it"


def test_particles_of_a_group_share_their_times_and_groups_do_not() -> None:
    _, net = one_loss(IMM(particles=4), TRUTH, 64)
    tau, end = (z.reshape(-1, 4) for z in net.calls[0][:2])
    assert (tau == tau[:, :1]).all() and (end == end[:, :1]).all()
    assert len(tau[:, 0].unique()) == 16


@pytest.mark.parametrize("kernel", Kernel)
def test_an_interval_of_length_zero_gives_a_finite_gradient(kernel: Kernel) -> None:
    """A uniform number may be 0."""
    method, net = IMM(kernel=kernel), Oracle(TRUTH, 0.2)
    at = context(method, 8)
    loss = method.losses({"net": net}, Batch(data(TRUTH, 8)), replace(at, draws=Constant(at.draws, 0.0)))["net"]
    assert loss.per_sample.isfinite().all()
    assert torch.autograd.grad(loss.per_sample.mean(), net.theta)[0].isfinite().all()
