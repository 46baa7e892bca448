"""Contrastive flow matching: its minimum is known in closed form, and without its second term it is flow matching."""

import pytest
import torch
from clocks import BOTH, gaussian
from oracle import Oracle, context, data, one_loss, squared
from torch import Tensor

from methods.base import Batch
from methods.contrastive import Contrastive
from methods.flow_matching import FlowMatching
from methods.tools.interpolant import Interpolant

N, WEIGHT = 64, 0.4


@BOTH
def test_without_its_second_term_it_is_flow_matching_to_the_bit(path: Interpolant) -> None:
    ours, theirs = (one_loss(method, gaussian(path), N, 0.2)[0].per_sample
                    for method in (Contrastive(weight=0.0, interpolant=path), FlowMatching(interpolant=path)))
    assert torch.equal(ours, theirs)


@BOTH
def test_the_other_sample_is_the_pairs(path: Interpolant) -> None:
    method, truth = Contrastive(weight=WEIGHT, interpolant=path), gaussian(path)
    loss, net = one_loss(method, truth, N, 0.2)
    at, x_1 = context(method, N), data(truth, N)
    t, x_0 = at.draws.uniform("t"), path.base_scale * at.noise(x_1)
    order = torch.arange(N) ^ 1
    value = net(path.point(x_0, x_1, t), t, t)
    wanted = squared(value - path.velocity(x_0, x_1, t)) - WEIGHT * squared(value - path.velocity(x_0[order], x_1[order], t))
    torch.testing.assert_close(loss.per_sample, wanted, rtol=1e-12, atol=1e-12)


class Pushed(Oracle):
    """(b_t - weight E[I'_t]) / (1 - weight), and what theta adds."""

    def __init__(self, path: Interpolant, weight: float) -> None:
        super().__init__(gaussian(path))
        self.path, self.weight = path, weight

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
        b = super().forward(x, s, t)
        mean = self.path.d_beta(t)[:, None] * x.new_tensor(self.truth.mean)  # type: ignore[attr-defined]
        return b + self.weight / (1 - self.weight) * (b.detach() - mean)


@pytest.mark.parametrize(("pushed", "vanishes"), [(WEIGHT, True), (0.0, False)])
@BOTH
def test_the_gradient_vanishes_at_the_closed_optimum_and_not_at_the_velocity(
    path: Interpolant, pushed: float, vanishes: bool
) -> None:
    method, gradients = Contrastive(weight=WEIGHT, interpolant=path), []
    for step in range(32):
        net = Pushed(path, pushed)
        loss = method.losses({"net": net}, Batch(data(net.truth, 1024, step=step)), context(method, 1024, step=step))["net"]
        gradients.append(torch.autograd.grad(loss.per_sample.mean(), net.theta)[0])
    found = torch.stack(gradients)
    excess = (found.mean(0) / (found.std(0) / len(found) ** 0.5)).square().mean()
    assert (excess < 2.5) == vanishes, excess


def test_it_is_no_teacher() -> None:
    assert FlowMatching.velocity_model and not Contrastive.velocity_model
