"""What each objective is away from the truth, and where its gradient is cut, against definitions written out here.

With v = v* + phi @ theta, a loss w |r|^2 whose gradient enters through some part of r only has the gradient

    2 mean( w J^T r ),     J = that part's derivative with respect to theta, made of phi and its derivatives,

so a missing stop-gradient, or one too many, shows in closed form. The residuals are taken of the flow map
X_{s,t}(x) = x + (t-s) v itself, not of v as the methods do. (Class A cannot see this: both sides vanish at the truth.)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from oracle import Oracle, context, data, features, one_loss
from torch import Tensor

from bench.truth import target
from methods.base import Context, Method
from methods.consistency import CD, ECT, Distance
from methods.flow_map_matching import EMD, FMM, LMD
from methods.flow_matching import FlowMatching
from methods.imm import IMM, Kernel
from methods.meanflow import MeanFlow
from methods.pairs import UniformPairs
from methods.pfmm import PFMM
from methods.progressive import Progressive
from methods.self_distillation import ESD, LSD, PSD, StopGradient
from methods.shortcut import Shortcut
from methods.times import Uniform
from methods.tools.shapes import squared

N, THETA = 512, 0.2
TRUTH = target("gaussian")
OFF = {"eta": 0.0, "learned_weight": False}
CUT = StopGradient


class At:
    """One step's samples, drawn again, and the functions a definition needs."""

    def __init__(self, net: Oracle, at: Context) -> None:
        self.net, self.context = net, at
        self.x_1 = data(TRUTH, N)
        self.x_0 = at.noise(self.x_1)
        self.u = at.draws.uniform("times")
        self.one = torch.ones(N, dtype=torch.float64)
        pair = at.draws.uniform("times", 2)
        self.s, self.t = pair.min(1).values, pair.max(1).values
        self.x, self.gap = self.on_path(self.s), (self.t - self.s)[:, None]
        self.speed = self.x_1 - self.x_0

    def on_path(self, s: Tensor) -> Tensor:
        return (1 - s[:, None]) * self.x_0 + s[:, None] * self.x_1

    def v(self, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return self.net(x, s, t)

    def map(self, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return x + (t - s)[:, None] * self.v(x, s, t)

    def along(self, f: Callable[..., Tensor], x: Tensor | None = None, s: float = 0, t: float = 0) -> Tensor:
        """Derivative of f(x, s, t) at the step's samples along the tangents."""
        tangent = (torch.zeros_like(self.x) if x is None else x, s * self.one, t * self.one)
        return torch.func.jvp(f, (self.x, self.s, self.t), tangent)[1]

    def phi(self) -> Tensor:
        return features(self.x, self.s, self.t)


Residual = Callable[[At], Tensor]


def lagrangian(at: At) -> Tensor:
    return at.along(at.map, t=1) - at.v(at.map(at.x, at.s, at.t), at.t, at.t)


def lagrangian_of_teacher(at: At) -> Tensor:
    return at.along(at.map, t=1) - TRUTH.velocity(at.map(at.x, at.s, at.t), at.t)


def eulerian(at: At) -> Tensor:
    return at.along(at.map, x=at.v(at.x, at.s, at.s), s=1)


def eulerian_of_teacher(at: At) -> Tensor:
    return at.along(at.map, x=TRUTH.velocity(at.x, at.s), s=1)


def semigroup(at: At, gamma: Tensor) -> Tensor:
    u = gamma * at.s + (1 - gamma) * at.t
    return (at.map(at.x, at.s, at.t) - at.map(at.map(at.x, at.s, u), u, at.t)) / at.gap


def mean_flow(at: At) -> Tensor:
    return -at.along(at.map, x=at.speed, s=1)


def slope_in_t(at: At) -> Tensor:
    return at.phi() + at.gap * at.along(features, t=1)


def slope_in_s(at: At) -> Tensor:
    return at.gap * at.along(features, s=1) - at.phi()


def slope_along(at: At) -> Tensor:
    return at.gap * at.along(features, x=at.v(at.x, at.s, at.s), s=1) - at.phi()


@dataclass(frozen=True)
class Case:
    """residual r (N, d), J (N, FEATURES) and weight w (N,) of a method's loss w |r|^2."""

    method: Method
    residual: Residual
    slope: Callable[[At], Tensor]
    weight: Callable[[At], Tensor] = lambda at: at.one


def neighbours(at: At, n: int) -> tuple[Tensor, Tensor]:
    i = (at.u * n).floor()
    return i / n, (i + 1) / n


def consistency(at: At, n: int = 8) -> Tensor:
    s, r = neighbours(at, n)
    return at.map(at.on_path(s), s, at.one) - at.map(at.on_path(r), r, at.one)


def distillation(at: At, n: int = 8) -> Tensor:
    """Heun's step of the teacher."""
    s, r = neighbours(at, n)
    x, h = at.on_path(s), 1 / n
    k = TRUTH.velocity(x, s)
    x_r = x + h / 2 * (k + TRUTH.velocity(x + h * k, r))
    return at.map(x, s, at.one) - at.map(x_r, r, at.one)


def to_data(at: At, n: int = 8) -> Tensor:
    s, _ = neighbours(at, n)
    return (1 - s)[:, None] * features(at.on_path(s), s, at.one)


def halving(at: At) -> tuple[Tensor, Tensor, Tensor]:
    """Times of the last round on the cosine grid, in the linear clock."""
    angle = torch.pi / 2 * torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    s, m, t = angle.sin() / (angle.sin() + angle.cos())
    return s * at.one, m * at.one, t * at.one


def two_jumps(at: At) -> Tensor:
    s, m, t = halving(at)
    exact = TRUTH.flow(TRUTH.flow(at.x_0, s, m), m, t)
    return at.v(at.x_0, s, t) - (exact - at.x_0)


def two_euler_steps(at: At) -> Tensor:
    s, m, t = halving(at)
    half = at.x_0 + (m - s)[:, None] * TRUTH.velocity(at.x_0, s)
    end = half + (t - m)[:, None] * TRUTH.velocity(half, m)
    return at.v(at.x_0, s, t) - (end - at.x_0)


def doubling(at: At) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Times of a stage that reaches 1, and the point."""
    u, gap = at.context.draws.uniform("times", 2).T
    s = u * (1 - gap)
    return s, s + gap / 2, s + gap, at.on_path(s)


def two_teacher_jumps(at: At) -> Tensor:
    s, m, t, x = doubling(at)
    return at.v(x, s, t) - (TRUTH.flow(TRUTH.flow(x, s, m), m, t) - x) / (t - s)[:, None]


def two_teacher_steps(at: At) -> Tensor:
    s, m, t, x = doubling(at)
    half = x + (m - s)[:, None] * TRUTH.velocity(x, s)
    return at.v(x, s, t) - (half + (t - m)[:, None] * TRUTH.velocity(half, m) - x) / (t - s)[:, None]


def doubling_slope(at: At) -> Tensor:
    s, _, t, x = doubling(at)
    return features(x, s, t)


def dyadic(at: At) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """s, t, who is bootstrapped and the method's order of samples, for three levels and half the batch."""
    on, off = at.context.split(0.5)
    taught = torch.zeros(N, dtype=torch.bool).index_fill(0, on, True)
    u, which = at.context.draws.uniform("times", 2).T
    d = torch.where(taught, 0.5 ** (3 * which).floor(), torch.full_like(u, 1 / 8))
    s = (u / d).floor() * d
    return s, s + d, taught, torch.cat([off, on])


def shortcut(at: At) -> Tensor:
    s, t, taught, order = dyadic(at)
    m, x = (s + t) / 2, at.on_path(s)
    two = (at.map(at.map(x, s, m), m, t) - x) / (t - s)[:, None]
    return (at.v(x, s, t) - torch.where(taught[:, None], two, at.speed))[order]


def shortcut_slope(at: At) -> Tensor:
    s, t, _, order = dyadic(at)
    return features(at.on_path(s), s, t)[order]


def matching(at: At) -> tuple[Tensor, Tensor, Tensor]:
    """tau, rho and end of moment matching with one particle and gap 6."""
    edge = 0.006
    tau = edge + (1 - 2 * edge) * at.context.draws.uniform("t")
    end = tau + (1 - edge - tau) * at.context.draws.uniform("s")
    eta = (1 - tau) / tau - ((1 - edge) / edge - edge / (1 - edge)) / 64
    return tau, torch.minimum(end, 1 / (1 + eta.clamp(min=0))), end


def moments(at: At) -> Tensor:
    tau, rho, end = matching(at)
    return at.map(at.on_path(tau), tau, end) - at.map(at.on_path(rho), rho, end)


def moments_slope(at: At) -> Tensor:
    tau, _, end = matching(at)
    return (end - tau)[:, None] * features(at.on_path(tau), tau, end)


def moments_weight(at: At) -> Tensor:
    tau = matching(at)[0]
    log_snr = 2 * torch.log(tau / (1 - tau))
    return torch.sigmoid(5 - log_snr) * 2 / (tau * (1 - tau)) * tau / (tau**2 + (1 - tau) ** 2)


CASES = {
    "lsd": Case(LSD(**OFF), lagrangian, slope_in_t),
    "lsd_detached": Case(LSD(stop_gradient=CUT.DETACHED, **OFF), lagrangian, At.phi),
    "esd": Case(ESD(**OFF), eulerian, slope_in_s),
    "esd_convex": Case(ESD(stop_gradient=CUT.CONVEX, **OFF), eulerian, slope_along),
    "esd_detached": Case(ESD(stop_gradient=CUT.DETACHED, **OFF), eulerian, lambda at: -at.phi()),
    "psd_m": Case(PSD(**OFF), lambda at: semigroup(at, at.one / 2), At.phi),
    "psd_u": Case(PSD(uniform=True, **OFF), lambda at: semigroup(at, at.context.draws.uniform("gamma")), At.phi),
    "lmd": Case(LMD(), lagrangian_of_teacher, slope_in_t),
    "emd": Case(EMD(stop_gradient=True), eulerian_of_teacher, slope_in_s),
    "pfmm": Case(PFMM(doublings=1), two_teacher_jumps, doubling_slope),
    "pfmm_first": Case(PFMM(doublings=0), two_teacher_steps, doubling_slope),
    "shortcut": Case(Shortcut(bootstrap=0.5, levels=3), shortcut, shortcut_slope),
    "meanflow": Case(MeanFlow(eta=0.0, power=0.0, time_law=Uniform()), mean_flow, At.phi),
    "ect": Case(ECT(pairs=UniformPairs(8), distance=Distance.SQUARED), consistency, to_data),
    "cd": Case(CD(pairs=UniformPairs(8)), distillation, to_data),
    "progressive": Case(Progressive(start=4), two_jumps, lambda at: features(at.x_0, 0 * at.one, at.one)),
    "progressive_first": Case(Progressive(start=1), two_euler_steps, lambda at: features(at.x_0, 0 * at.one, at.one)),
    "imm": Case(IMM(particles=1, kernel=Kernel.ENERGY, gap=6), moments, moments_slope, moments_weight),
}


def taken(method: Method) -> tuple[Tensor, Tensor, At]:
    """Per-sample loss, gradient of its mean, and the definitions at the same samples."""
    loss, net = one_loss(method, TRUTH, N, THETA)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    net.requires_grad_(False)  # the definitions only need values
    return loss.per_sample.detach(), gradient, At(net, context(method, N))


@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_its_definition(name: str) -> None:
    case = CASES[name]
    per_sample, _, at = taken(case.method)
    assert per_sample.mean() > 1e-3
    torch.testing.assert_close(per_sample, case.weight(at) * squared(case.residual(at)), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_enters_where_it_should_and_nowhere_else(name: str) -> None:
    case = CASES[name]
    _, gradient, at = taken(case.method)
    expected = 2 * (case.weight(at)[:, None] * case.slope(at)).T @ case.residual(at) / N
    assert gradient.norm() > 1e-3
    torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-12)


def test_flow_map_matching_is_its_definition() -> None:
    """There and back again from I_t, on the whole square."""
    per_sample, _, at = taken(FMM(inversion=0.5))
    s, t = at.context.draws.uniform("times", 2).T
    x = at.on_path(t)
    back = at.map(x, t, s)
    end, speed = torch.func.jvp(lambda r: at.map(back, s, r), (t,), (at.one,))
    torch.testing.assert_close(per_sample, squared(speed - at.speed) + 0.5 * squared(end - x), rtol=1e-7, atol=1e-12)


WHOLE = {
    "flow_matching": FlowMatching(),
    "lsd": LSD(stop_gradient=CUT.NONE, **OFF),
    "esd": ESD(stop_gradient=CUT.NONE, **OFF),
    "psd_m": PSD(stop_gradient=CUT.NONE, **OFF),
    "psd_u": PSD(uniform=True, stop_gradient=CUT.NONE, **OFF),
    "lmd": LMD(stop_gradient=False),
    "emd": EMD(),
    "fmm": FMM(),
}


def difference_quotient(method: Method, direction: Tensor, h: float = 1e-5) -> float:
    """Derivative of the mean loss along a direction of theta."""
    here = one_loss(method, TRUTH, N, THETA)[1].theta.detach()
    up, down = (one_loss(method, TRUTH, N, here + sign * h * direction)[0].per_sample.mean() for sign in (1, -1))
    return ((up - down) / (2 * h)).item()


@pytest.mark.parametrize("name", WHOLE)
def test_without_stop_gradient_the_gradient_is_the_derivative_of_the_loss(name: str) -> None:
    _, gradient, _ = taken(WHOLE[name])
    slope = difference_quotient(WHOLE[name], gradient / gradient.norm())
    assert slope == pytest.approx(gradient.norm().item(), rel=1e-6)


@pytest.mark.parametrize("name", ["lsd", "esd", "psd_m", "psd_u", "lmd", "emd", "shortcut", "meanflow", "ect", "cd", "imm"])
def test_with_stop_gradient_it_is_not(name: str) -> None:
    _, gradient, _ = taken(CASES[name].method)
    slope = difference_quotient(CASES[name].method, gradient / gradient.norm())
    assert abs(slope - gradient.norm().item()) > 1e-3 * gradient.norm().item()


@pytest.mark.parametrize("name", ["lsd", "esd", "psd_m", "psd_u", "lmd", "emd"])
def test_every_placement_of_the_stop_gradient_has_the_same_loss(name: str) -> None:
    cases = [case.method for key, case in CASES.items() if key.split("_detached")[0].split("_convex")[0] == name]
    values = [taken(method)[0] for method in [WHOLE[name], *cases]]
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], rtol=1e-10, atol=1e-14)


def test_the_adaptive_weight_divides_by_a_detached_power() -> None:
    plain, adaptive = CASES["meanflow"].method, MeanFlow(eta=0.0, power=0.75, floor=1e-3, time_law=Uniform())
    raw, _, at = taken(plain)
    value, gradient, _ = taken(adaptive)
    w = (raw + 1e-3) ** -0.75
    torch.testing.assert_close(value, w * raw)
    torch.testing.assert_close(gradient, 2 * (w[:, None] * at.phi()).T @ mean_flow(at) / N, rtol=1e-7, atol=1e-12)


def test_the_robust_distance_is_the_papers() -> None:
    robust = replace(CASES["ect"].method, distance=Distance.NORM, c=0.1)
    raw, _, _ = taken(CASES["ect"].method)
    torch.testing.assert_close(taken(robust)[0], torch.sqrt(raw + 0.01) - 0.1)


@pytest.mark.parametrize("method", [MeanFlow(), ECT(), CD(), IMM(), Progressive(start=4), PSD(**OFF), LSD(**OFF),
                                    EMD(stop_gradient=True), PFMM(), Shortcut(bootstrap=1.0)],
                         ids=lambda m: type(m).__name__.lower())
def test_a_target_is_computed_without_gradient(method: Method) -> None:
    loss, net = one_loss(method, TRUTH, 64, THETA)
    assert loss.per_sample.requires_grad
    others = 0 if isinstance(method, Progressive | PFMM) else 1  # its target is another network's
    enabled = [flag for s, _, flag in net.calls if len(s)]  # not the empty diagonal part
    assert enabled.count(False) >= others
    assert enabled.count(True) == 1
