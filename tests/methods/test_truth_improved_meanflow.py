"""Improved MeanFlow: its definition, MeanFlow as a limit of it, its fixed point, its times."""

from dataclasses import replace

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure
from oracle import context, features, squared
from refinements import UNIFORM, N, along, taken, way

from methods.improved_meanflow import ImprovedMeanFlow, Tangent
from methods.meanflow import MeanFlow
from methods.tools.flow_map import Derivative
from methods.tools.interpolant import Interpolant

PLAIN = ImprovedMeanFlow(power=0.0, time_law=UNIFORM)


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
