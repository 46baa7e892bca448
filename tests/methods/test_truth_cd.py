"""Consistency distillation (CD): what it tends to as its grid is refined."""

import torch
from clocks import BOTH, gaussian
from oracle import context, data, features, one_loss, orders

from methods.consistency import CD
from methods.pairs import UniformPairs
from methods.tools.flow_map import eulerian
from methods.tools.interpolant import Interpolant

N = 512


@BOTH
def test_consistency_distillation_tends_to_the_detached_eulerian_equation(path: Interpolant) -> None:
    """Divided by the gap, CD's semigradient is that of (1-s) | v - sg[ b + (1-s) (d_s v + grad v b) ] |^2.

    In the residual e of EMD at t = 1 that is -2 (1-s) phi e: everything but -v detached. EMD's own cut, at grad X . b
    alone, would leave (1-s) d_s phi in.
    """
    truth, errors = gaussian(path), {}
    for n in (32, 64, 128, 256):
        method = CD(pairs=UniformPairs(n), interpolant=path)
        loss, net = one_loss(method, truth, N, 0.2)
        found = n * torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
        at, x_1, one = context(method, N), data(truth, N), torch.ones(N).double()
        s = (at.draws.uniform("times") * n).floor() / n
        x = path.point(path.base_scale * at.noise(x_1), x_1, s)
        e = eulerian(net, x, s, one, truth.velocity(x, s), cut=False).detach()
        limit = -2 * ((1 - s)[:, None] * features(x, s, one)).T @ e / N
        errors[n] = ((found - limit).norm() / limit.norm()).item()
        assert limit.norm() > 1e-2
    assert errors[256] < 0.05
    assert all(0.8 < order < 2.2 for order in list(orders(errors))[-2:])
