"""Transition models: MeanFlow by a central difference, their fixed point, their times."""

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure
from oracle import context, features
from refinements import UNIFORM, N, taken, way

from methods.meanflow import MeanFlow
from methods.times import Uniform
from methods.tools.flow_map import Derivative
from methods.tools.interpolant import Interpolant, Linear
from methods.transition import Transition


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
