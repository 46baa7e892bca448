"""Decoupled MeanFlow: its loss is its definition, its halves are flow matching and MeanFlow, its start is its teacher."""

from dataclasses import replace

import pytest
import torch
from clocks import BOTH, gaussian
from contract import built
from fixed_point import neutral, shift
from oracle import Weight, context, data, loss_and_gradient, networks, one_loss, squared
from trainings import map_error, one_jump, teacher_net, trained

from methods.base import Batch
from methods.decoupled_meanflow import DecoupledMeanFlow
from methods.meanflow import MeanFlow
from methods.times import Uniform
from methods.tools.interpolant import Interpolant

N = 64
LAWS = {"velocity_law": Uniform(), "first_law": Uniform(), "second_law": Uniform()}
PLAIN = DecoupledMeanFlow(**LAWS, cauchy=False, initialise=False)


@BOTH
def test_its_halves_are_flow_matching_and_meanflow_in_value_and_gradient(path: Interpolant) -> None:
    truth = gaussian(path)
    loss, net = one_loss(replace(PLAIN, interpolant=path), truth, N, 0.2)
    other, other_net = one_loss(MeanFlow(eta=0.0, power=0.0, time_law=Uniform(), interpolant=path), truth, N, 0.2)
    draws, x_1 = context(PLAIN, N).draws, data(truth, N)
    d, x_0 = draws.uniform("velocity"), path.base_scale * draws.normal("velocity x_0", 2)
    diagonal = squared(other_net(path.point(x_0, x_1, d), d, d) - path.velocity(x_0, x_1, d))
    wanted = (diagonal + other.per_sample) / 2 / 2  # a half of each, and the mean over two entries
    torch.testing.assert_close(loss.per_sample, wanted, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(a.mean(), b.theta)[0] for a, b in ((loss.per_sample, net), (wanted, other_net)))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_loss_is_the_logarithm_with_its_floor_and_the_learned_weight() -> None:
    method, truth = replace(PLAIN, cauchy=True, floor=0.03), gaussian(PLAIN.interpolant)
    models = networks(method, truth, 0.2, w=0.4)
    loss = method.losses(models, Batch(data(truth, N)), at := context(method, N))["net"]
    u, d = at.draws.uniform("times", 2), at.draws.uniform("velocity")
    s, t = u.min(1).values, u.max(1).values
    weight = Weight(0.4)

    def c(raw: torch.Tensor, s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.log(raw / weight(s, t).exp() + 0.03) + weight(s, t)

    wanted = (c(loss.parts["velocity"], d, d) + c(loss.parts["raw"], s, t)) / 2
    torch.testing.assert_close(loss.per_sample, wanted)
    assert torch.autograd.grad(loss.per_sample.mean(), models["weight"].a)[0] > 0, "w falls"


def test_its_times_are_the_papers() -> None:
    at = context(DecoupledMeanFlow(), 20_000)
    method, u = DecoupledMeanFlow(), at.draws.uniform("times", 2)
    first, second, d = method.first_law(u[:, 0]), method.second_law(u[:, 1]), method.velocity_law(at.draws.uniform("velocity"))
    assert [round(torch.logit(each).mean().item(), 1) for each in (first, second, d)] == [-0.4, 1.2, 0.0]


def test_the_plain_losses_gradient_vanishes_at_the_exact_map_only() -> None:
    truth = gaussian(PLAIN.interpolant)
    assert loss_and_gradient(PLAIN, truth, 0.0, chunks=24).excess < 2 < loss_and_gradient(PLAIN, truth, 0.2, chunks=24).excess


def test_the_logarithm_moves_the_fixed_point_and_without_it_the_skewed_map_is_one() -> None:
    moved, kept = shift(DecoupledMeanFlow()), shift(neutral(DecoupledMeanFlow()))
    assert moved.value > 4 * moved.error and abs(kept.value) < 4 * kept.error


def test_it_starts_with_its_teachers_velocity_and_learns_the_map_of_a_gaussian() -> None:
    teacher = teacher_net("gaussian")
    begun = trained(DecoupledMeanFlow(), "gaussian", 1, teacher, lr=1e-30)
    x, t = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 64)
    assert torch.equal(begun.models["net"](x, t, t), teacher(x, t, t))
    before = map_error("gaussian", one_jump(begun))
    after = map_error("gaussian", one_jump(trained(DecoupledMeanFlow(), "gaussian", 300, teacher)))
    assert after < 0.1 < before, (before, after)


def test_it_is_made_of_a_network_that_is_told_a_time_in_each_part() -> None:
    net = built(DecoupledMeanFlow())["net"]
    x, t = torch.randn(8, 2, dtype=torch.float64), torch.rand(8, dtype=torch.float64)
    changes = net.changes(t, t + 0.1, None)
    assert torch.equal(changes[:, : net.early], net.changes(t, t, None)[:, : net.early])
    assert net(x, t, t + 0.1).shape == x.shape


@pytest.mark.parametrize(("initialise", "cauchy", "roles"), [(True, True, ("net", "weight")), (False, False, ("net",))])
def test_what_it_needs_follows_from_its_knobs(initialise: bool, cauchy: bool, roles: tuple[str, ...]) -> None:
    method = DecoupledMeanFlow(initialise=initialise, cauchy=cauchy)
    (stage,) = method.stages(100)
    assert method.needs.teacher is initialise and (stage.prepare is not None) is initialise and stage.trained["net"] == roles
