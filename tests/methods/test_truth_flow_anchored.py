"""Flow-anchored consistency: its definition, its fixed point, its times."""

from dataclasses import replace
from math import pi

import pytest
import torch
from clocks import BOTH, gaussian, skewed
from oracle import context, features, loss_and_gradient
from refinements import N, along, taken, way
from torch import Tensor, nn

from methods.base import Batch
from methods.flow_anchored import FlowAnchored
from methods.tools.interpolant import Interpolant, Linear


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
