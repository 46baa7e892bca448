"""Reflow and MeanFlow on its pairs: zero loss on pairs whose lines do not cross, straighter paths, rounds and times."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from clocks import BOTH, gaussian
from oracle import Oracle, context, data, one_loss, squared
from passes import LABELS, B, seen
from paths import exact_paths, starts, trained_on_paths, wanted
from torch import Tensor, nn
from trainings import live_of, map_error, one_jump, teacher_net

from bench.truth import Truth, target
from methods.base import Batch, Loss, Method
from methods.consistency import Distance
from methods.re_meanflow import ReMeanFlow
from methods.reflow import OnPairs, Reflow
from methods.times import UShaped
from methods.tools import Solver, solve
from methods.tools.interpolant import Interpolant, Linear

N = 256


class Lines(nn.Module):
    """The velocity of straight lines between x_0 and A x_0 + m, the exact map of a Gaussian, for any t; plus theta."""

    def __init__(self, truth: Truth, theta: float = 0.0) -> None:
        super().__init__()
        corners = torch.cat([torch.zeros(1, 2), torch.eye(2)]).double()
        zero = torch.zeros(3, dtype=torch.float64)
        m, *rows = truth.flow(corners, zero, zero + 1)
        self.m, self.A = m, torch.stack([row - m for row in rows], 1)
        self.theta = nn.Parameter(torch.full((2,), theta, dtype=torch.float64))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: object = None, dropout: object = None) -> Tensor:
        one = torch.eye(2, dtype=torch.float64)
        mixed = (1 - s)[:, None, None] * one + s[:, None, None] * self.A
        x_0 = torch.linalg.solve(mixed, x - s[:, None] * self.m)
        return self.m + x_0 @ (self.A - one).T + self.theta * torch.sin(x)


def taken(method: Method, truth: Truth, net: nn.Module, stage: int = 0, teacher: nn.Module | None = None) -> Loss:
    """The loss on exact pairs."""
    at = context(method, N, stage=method.stages(2**20)[stage])
    models = {"net": net, "teacher": teacher or net}
    return method.losses(models, Batch(data(truth, N), states=exact_paths(method, truth, N)), at)["net"]


# The loss.


@BOTH
def test_the_first_round_is_flow_matching_on_the_stored_pairs(path: Interpolant) -> None:
    truth, method = gaussian(path), Reflow(interpolant=path, time_law=UShaped(2.0))
    net = Oracle(truth, 0.2)
    found = taken(method, truth, net)
    x_0, x_1 = exact_paths(method, truth, N).unbind(1)
    t = UShaped(2.0)(context(method, N).draws.uniform("times"))
    expected = squared(net(path.point(x_0, x_1, t), t, t) - path.velocity(x_0, x_1, t))
    torch.testing.assert_close(found.per_sample, expected)
    gradients = [torch.autograd.grad(each.mean(), net.theta)[0] for each in (found.per_sample, expected)]
    torch.testing.assert_close(*gradients)


def test_later_rounds_and_the_last_step_learn_from_new_pairs_of_the_student_before() -> None:
    truth, method = gaussian(), Reflow(rounds=2, distilled=0.25, round_steps=3)
    net, before = Oracle(truth, 0.2), Oracle(truth, 0.5)
    at = context(method, N)
    x_0, u = at.noise(data(truth, N)), at.draws.uniform("times")
    angles = torch.linspace(0, torch.pi / 2, 4, dtype=torch.float64)
    times = (angles.sin() / (angles.sin() + angles.cos())).tolist()
    x_1 = solve(Solver.HEUN, lambda x, t: before(x, t, t), x_0, times, (3,))[:, 1].detach()
    for stage, t in ((1, u), (2, torch.zeros_like(u))):
        x_t = (1 - t)[:, None] * x_0 + t[:, None] * x_1
        torch.testing.assert_close(taken(method, truth, net, stage, before).per_sample,
                                   squared(net(x_t, t, t) - (x_1 - x_0)), rtol=1e-9, atol=1e-12)


def test_the_robust_distance_has_a_constant_that_grows_with_the_dimension() -> None:
    truth, net = gaussian(), Oracle(gaussian(), 0.2)
    plain = taken(Reflow(), truth, net).per_sample
    c = 0.00054 * 2
    torch.testing.assert_close(taken(Reflow(distance=Distance.NORM), truth, net).per_sample, torch.sqrt(plain + c**2) - c)
    torch.testing.assert_close(taken(Reflow(distance=Distance.NORM, c=0.3), truth, net).per_sample,
                               torch.sqrt(plain + 0.09) - 0.3)


@pytest.mark.parametrize("path", [Linear(), Linear(0.5)])
@pytest.mark.parametrize("method", [Reflow(), ReMeanFlow()], ids=["reflow", "re_meanflow"])
def test_on_the_exact_pairs_of_a_gaussian_the_loss_is_zero_at_their_straight_flow_and_only_there(
    method: OnPairs, path: Interpolant
) -> None:
    method, truth = replace(method, interpolant=path), gaussian(path)
    for theta, zero in ((0.0, True), (0.1, False)):
        net = Lines(truth, theta)
        loss = taken(method, truth, net).per_sample
        gradient = torch.autograd.grad(loss.mean(), net.theta)[0]
        assert bool(loss.max() < 1e-16 and gradient.norm() < 1e-8) is zero
        assert bool(loss.mean() > 1e-3 and gradient.norm() > 1e-3) is not zero
    assert taken(method, truth, Oracle(truth)).per_sample.mean() > 1e-3, "the teacher's own flow is not straight"


def test_stored_pairs_are_two_ends_of_a_path_of_heuns_steps() -> None:
    for method in (Reflow(), ReMeanFlow()):
        paths = wanted(method)
        assert paths.kept == (18,) and len(paths.times) == 19 and (paths.times[0], paths.times[-1]) == (0, 1)
        assert paths.evaluations == 36 * paths.count
        with pytest.raises(ValueError, match="trajectories"):
            one_loss(method, gaussian(), 4, stage=method.stages(8)[0])


# MeanFlow on pairs.


def test_mean_flow_on_pairs_is_its_definition() -> None:
    method, truth = ReMeanFlow(eta=0.5), gaussian()
    net = Oracle(truth, 0.2)
    found = taken(method, truth, net).per_sample.detach()
    x_0, x_1 = exact_paths(method, truth, N).unbind(1)
    s, t = method.times(context(method, N))
    on = torch.arange(N) % 2 == 1
    t = torch.where(on, s, t)
    w, x = x_1 - x_0, (1 - s)[:, None] * x_0 + s[:, None] * x_1
    value, dv = torch.func.jvp(lambda x, s: net(x, s, t), (x, s), (w, torch.ones_like(s)))
    S = squared(value - w - (t - s)[:, None] * dv) / 2
    assert S.mean() > 1e-3
    torch.testing.assert_close(found, (S / (S + 1e-2).sqrt()).detach(), rtol=1e-6, atol=1e-9)


def test_its_times_are_those_of_the_paper_on_its_own_clock() -> None:
    method = ReMeanFlow()
    at = context(method, 4096)
    u, v = at.draws.uniform("times", 2).T
    tau = 1 - (0.5 + torch.asinh((2 * u - 1) * torch.sinh(torch.tensor(2.0).double())) / 4)
    tau = tau.clamp(max=80 / 81)
    r = (tau - torch.sigmoid(-0.8 + torch.special.ndtri(v))).clamp(min=0)
    r = torch.where((tau > 0.8) & (r < 0.4), 0.0, r)
    s, t = method.times(at)
    torch.testing.assert_close(1 - s, tau, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(1 - t, r, rtol=1e-9, atol=1e-12)


# Times, rounds, paths.


def test_the_u_shaped_law_has_its_density() -> None:
    """Proportional to exp(a t) + exp(a (1 - t)), the same from either end."""
    u = torch.linspace(0, 1, 1001, dtype=torch.float64)
    for a in (0.5, 4.0):
        t = UShaped(a)(u)
        mass = (torch.exp(a * t) - torch.exp(a * (1 - t))) / (torch.exp(torch.tensor(a).double()) - 1)
        torch.testing.assert_close((mass + 1) / 2, u, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(1 - t.flip(0), t)
    assert UShaped()(torch.tensor([0.0, 1 - 2**-24])).tolist() == [0.0, pytest.approx(1)]


def test_rounds_share_the_images_and_the_last_stage_takes_its_part() -> None:
    method = Reflow(rounds=3, distilled=0.25)
    assert [(stage.name, stage.images) for stage in method.stages(400)] == [
        ("round 1", 100), ("round 2", 100), ("round 3", 100), ("one step", 100)]  # fmt: skip
    assert [list(stage.options.values()) for stage in method.stages(400)] == [
        [True, False], [False, False], [False, False], [False, True]]  # fmt: skip
    nets: dict[str, nn.Module] = {role: nn.Linear(1, 1) for role in ("net", "teacher")}
    student = nn.Linear(1, 1)
    prepare = method.stages(400)[1].prepare
    assert prepare is not None
    prepare(nets, {"net": student})
    assert all(torch.equal(live_of(net), live_of(student)) for net in nets.values())
    assert method.supports(1) and not method.supports(2) and Reflow().supports(2)
    assert Reflow(initialise=False).stages(4)[0].prepare is None


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_pairs_have_no_labels_and_only_the_student_has_a_mask(stage: int) -> None:
    found = seen(Reflow(rounds=2, distilled=0.25), stage)
    assert {each.role for each in found.passes} == ({"net"} if stage == 0 else {"net", "teacher"})
    for each in found.passes:
        assert each.label is None and (found.mask(each) == "student") is (each.role == "net")
    assert len(LABELS) == B


def test_its_jump_is_an_euler_step_on_the_diagonal() -> None:
    net, x = Oracle(gaussian(), 0.2), starts(gaussian(), 8)
    s, t = torch.full((8,), 0.25).double(), torch.full((8,), 0.75).double()
    torch.testing.assert_close(Reflow().jump({"net": net}, x, s, t), x + 0.5 * net(x, s, s))
    assert torch.equal(net.calls[0][1], s)


def crookedness(v: Callable[[Tensor, Tensor, Tensor], Tensor], steps: int = 16) -> float:
    """Mean over an Euler path's steps of | v - (x_end - x_start) |^2: zero along straight lines."""
    x = start = starts(target("skewed"), 1000).float()
    speeds = []
    with torch.no_grad():
        for k in range(steps):
            t = torch.full((len(x),), k / steps)
            speeds.append(v(x, t, t))
            x = x + speeds[-1] / steps
    return torch.stack([squared(speed - (x - start)) for speed in speeds]).mean().item()


def test_a_round_makes_the_paths_straight_and_one_step_the_map() -> None:
    teacher = teacher_net("skewed")
    trainer = trained_on_paths(Reflow(), "skewed", 300, teacher)
    before, after = crookedness(teacher), crookedness(trainer.averaged())
    assert after < before / 5
    assert map_error("skewed", one_jump(trainer)) < 0.1


def test_a_second_round_makes_them_straighter() -> None:
    teacher, rounds = teacher_net("skewed"), (Reflow(), Reflow(rounds=2, round_steps=2))
    one, two = (trained_on_paths(method, "skewed", 200 * method.rounds, teacher).averaged() for method in rounds)
    assert crookedness(two) < crookedness(one)


def test_mean_flow_on_pairs_learns_the_map_in_a_short_training() -> None:
    assert map_error("gaussian", one_jump(trained_on_paths(ReMeanFlow(), "gaussian", 300, teacher_net("gaussian")))) < 0.04
