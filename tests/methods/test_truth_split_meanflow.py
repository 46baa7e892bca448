"""SplitMeanFlow: progressive self-distillation off the diagonal, a teacher's velocity on it."""

import pytest
import torch
from clocks import BOTH, gaussian
from oracle import features, one_loss, squared
from refinements import THETA, N, taken, way

from methods.self_distillation import PSD
from methods.split_meanflow import SplitMeanFlow
from methods.tools.interpolant import Interpolant


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
