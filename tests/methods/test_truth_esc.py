"""ESC: what it is without its three parts, and what each is: the group's mean velocity, early jumps to data, a weight."""

from dataclasses import replace
from math import acos, pi

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure
from oracle import Oracle, context, data, features, one_loss, squared
from torch import Tensor

from methods.base import Method
from methods.esc import ESC, plugged_in
from methods.meanflow import MeanFlow
from methods.times import LogitNormal, Uniform
from methods.tools.flow_map import Derivative
from methods.tools.interpolant import Interpolant, Linear

N, THETA, GROUP = 512, 0.2, 4
BARE = ESC(plug_in=0.0, curriculum=0.0, learned_weight=False)
PLAIN = ESC(power=0.0, learned_weight=False, curriculum=0.0, plug_in=1.0, time_law=Uniform())
SHARED = ("eta", "power", "floor", "time_law", "derivative", "interpolant")


def meanflow(method: ESC) -> MeanFlow:
    """With the knobs that they share."""
    return MeanFlow(**{name: getattr(method, name) for name in SHARED})


def taken(method: Method, w: float = 0.0, progress: float = 0.0) -> tuple[Tensor, Tensor, Oracle]:
    """Per-sample loss, the gradient of its mean, and the network."""
    loss, net = one_loss(method, gaussian(method.interpolant), N, THETA, w=w, progress=progress)
    return loss.per_sample, torch.autograd.grad(loss.per_sample.mean(), net.theta)[0], net


# Without its parts it is MeanFlow.


@BOTH
@pytest.mark.parametrize("how", [Derivative.SPLIT, Derivative.FINITE])
@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("off", [{"plug_in": 0.0}, {"plug_in": 1.0, "group": 1}], ids=["no mean", "a mean of one"])
def test_without_its_parts_it_is_meanflow_to_the_bit(
    off: dict[str, float], power: float, how: Derivative, path: Interpolant
) -> None:
    method = replace(BARE, power=power, derivative=how, interpolant=path, **off)  # type: ignore[arg-type]
    (loss, gradient, _), (expected, expected_gradient, _) = taken(method), taken(meanflow(method))
    assert torch.equal(loss, expected) and torch.equal(gradient, expected_gradient)
    assert method.needs.group == 1 and method.stages(N)[0].trained == {"net": ("net",)}


# The group's mean velocity.


def drawn(path: Interpolant, n: int, step: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """I_s, x_1, s and dI_s/ds of n rows."""
    truth, at = gaussian(path), context(MeanFlow(), n, step=step)
    x_1, s = data(truth, n, step=step), at.draws.uniform("s")
    x_0 = path.base_scale * at.noise(x_1)
    return path.point(x_0, x_1, s), x_1, s, path.velocity(x_0, x_1, s)


@BOTH
@pytest.mark.parametrize("told", [
    None, torch.arange(32) // 2 % 3, torch.stack([torch.arange(32) // 2 % 2, torch.arange(32) // 4], 1)],
                         ids=["one class", "classes", "classes and more"])
def test_the_plug_in_velocity_is_the_mean_over_the_data_of_the_group(told: Tensor | None, path: Interpolant) -> None:
    """A sum over each row's group, written out with the law of its noise."""
    x_s, x_1, s, speed = drawn(path, 32)
    found = plugged_in(path, x_s, x_1, s, speed, GROUP, told)
    noise = torch.distributions.Normal(0.0, path.base_scale)
    for i in range(len(x_s)):
        begin = i // GROUP * GROUP
        total, mass = torch.zeros_like(x_s[i]), torch.zeros((), dtype=x_s.dtype)
        for j in range(begin, begin + GROUP):
            if told is None or torch.equal(told[i], told[j]):
                x_0 = (x_s[i] - path.beta(s[i]) * x_1[j]) / path.alpha(s[i])
                p = noise.log_prob(x_0).sum().exp()
                total, mass = total + p * (path.d_alpha(s[i]) * x_0 + path.d_beta(s[i]) * x_1[j]), mass + p
        torch.testing.assert_close(found[i], total / mass, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("s", [0.0, 1 - 1e-7, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_finite_at_both_ends_and_the_rows_own_at_data(s: float, dtype: torch.dtype) -> None:
    path, (_, x_1, _, _) = Linear(), drawn(Linear(), 32)
    x_1, x_0, t = x_1.to(dtype), torch.ones_like(x_1, dtype=dtype), torch.full((32,), s, dtype=dtype)
    speed = path.velocity(x_0, x_1, t)
    found = plugged_in(path, path.point(x_0, x_1, t), x_1, t, speed, GROUP)
    assert found.isfinite().all()
    if s > 0:
        assert torch.equal(found, speed)
    else:
        mean = x_1.unflatten(0, (-1, GROUP)).mean(1, keepdim=True).expand(-1, GROUP, -1).flatten(0, 1)
        torch.testing.assert_close(found, mean - x_0)


def scattered(path: Interpolant, group: int) -> tuple[float, float]:
    """How far from zero the mean of (b^ - b) phi(I_s) is, as Measured.excess, and the mean square of b^ - b."""
    means, squares = [], []
    for step in range(16):
        x_s, x_1, s, speed = drawn(path, 4096, step)
        off = plugged_in(path, x_s, x_1, s, speed, group) - gaussian(path).velocity(x_s, s)
        means.append(features(x_s, s, s).T @ off / len(x_s))
        squares.append(squared(off).mean())
    found = torch.stack(means)
    return (found.mean(0) / (found.std(0) / 4)).square().mean().item(), torch.stack(squares).mean().item()


@BOTH
def test_it_is_the_mean_velocity_on_average_and_scatters_the_less_the_larger_the_group(path: Interpolant) -> None:
    found = {group: scattered(path, group) for group in (1, 2, 8, 64)}
    assert all(excess < ZERO for excess, _ in found.values()), found
    scatter = [square for _, square in found.values()]
    assert scatter[1] < 0.75 * scatter[0] and scatter[2] < 0.6 * scatter[1] and scatter[3] < 0.4 * scatter[2], found


def test_of_two_classes_it_is_the_mean_velocity_of_the_rows_own() -> None:
    """On the line, at one time, where the velocity of each class is known; without the classes it is another."""
    n, s, g = 2**16, 0.6, torch.Generator().manual_seed(0)
    label = torch.randint(0, 2, (n,), generator=g)
    mean, path, t = 3.0 * label - 1.5, Linear(), torch.full((n,), s, dtype=torch.float64)
    x_0, z = torch.randn((2, n, 1), generator=g, dtype=torch.float64)
    x_1 = mean[:, None] + 0.5 * z
    x_s, speed = path.point(x_0, x_1, t), path.velocity(x_0, x_1, t)
    variance = (1 - s) ** 2 + 0.25 * s**2
    b = mean[:, None] + (0.25 * s - (1 - s)) / variance * (x_s - s * mean[:, None])
    own, mixed = (plugged_in(path, x_s, x_1, t, speed, 8, told) - b for told in (label, None))
    errors = [(off * x_s).mean() / ((off * x_s).std() / (n / 8) ** 0.5) for off in (own, mixed)]  # rows of a group are alike
    assert abs(errors[0]) < 3 and own.square().mean() < 0.5 * (speed - b).square().mean()
    assert (mixed[label == 0].mean() - own[label == 0].mean()).abs() > 0.05


@BOTH
def test_the_semigradient_vanishes_at_the_exact_map_only(path: Interpolant) -> None:
    method = replace(PLAIN, interpolant=path)
    assert measure(method, gaussian(path), n=1024).excess < ZERO
    assert measure(method, gaussian(path), 0.2, n=1024).excess > CLEAR


def test_it_makes_the_gradient_less_noisy_than_meanflows() -> None:
    ours, theirs = (measure(method, gaussian(), n=1024) for method in (PLAIN, meanflow(PLAIN)))
    assert ours.gradient_error.norm() < 0.75 * theirs.gradient_error.norm()
    assert ours.loss < 0.75 * theirs.loss


# The whole loss.


@BOTH
def test_loss_and_gradient_are_their_definition(path: Interpolant) -> None:
    """A row's velocity is the group's with probability plug_in, in the target and as the direction of d/ds."""
    method = ESC(interpolant=path, group=GROUP, curriculum=0.5)
    loss, gradient, net = taken(method, w=0.3, progress=0.25)
    s, t, _ = net.calls[-1]
    net.requires_grad_(False)
    at, truth = context(method, N), gaussian(path)
    x_1 = data(truth, N)
    x_0 = path.base_scale * at.noise(x_1)
    x_s, speed = path.point(x_0, x_1, s), path.velocity(x_0, x_1, s)
    chosen = at.draws.uniform("plug-in") < 0.5
    assert 0.4 < chosen.double().mean() < 0.6 and len(chosen.reshape(-1, GROUP).unique(dim=0)) > 8, "by rows, not by groups"
    speed = torch.where(chosen[:, None], plugged_in(path, x_s, x_1, s, speed, GROUP), speed)
    h = 1e-5
    dv = (net(x_s + h * speed, s + h, t) - net(x_s - h * speed, s - h, t)) / (2 * h)
    r = net(x_s, s, t) - speed - (t - s)[:, None] * dv
    S, w = squared(r), 0.3 * (1 + s + t)
    torch.testing.assert_close(loss, torch.exp(-w) * S / (S + 1e-3) + w, rtol=1e-6, atol=1e-8)
    expected = 2 * (features(x_s, s, t) * (torch.exp(-w) / (S + 1e-3))[:, None]).T @ r / N
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


# Its times.


@pytest.mark.parametrize("progress", [0.0, 0.02, 0.1, 0.19, 0.2, 0.9])
def test_jumps_to_data_come_first_and_cease(progress: float) -> None:
    method, n = ESC(curriculum=0.2), 2**15
    s, t = method.times(context(method, n, progress=progress))
    on_device = method.times(replace(context(method, n), progress=torch.tensor(progress, dtype=torch.float64)))
    assert torch.equal(on_device[0], s) and torch.equal(on_device[1], t), "in a compiled step progress is a tensor"
    share = (t == 1).double().mean().item()
    expected = 2 / pi * acos(min(1.0, progress / 0.2))
    if progress in (0.0, 0.2, 0.9):
        assert share == expected
    else:
        assert abs(share - expected) < 4 * (expected * (1 - expected) / n) ** 0.5
    plain_s, plain_t = meanflow(method).times(context(method, n))
    assert torch.equal(s, plain_s) and torch.equal(t[t < 1], plain_t[t < 1])


def test_its_times_are_the_papers_with_the_clock_turned_around() -> None:
    _, _, net = taken(ESC(), progress=0.5)
    s, t, _ = net.calls[-1]
    u = context(ESC(), N).draws.uniform("times", 2)
    torch.testing.assert_close(s, LogitNormal(0.4, 1.0)(u).min(1).values)
    assert (s == t).sum() == 3 * N // 4 and (s <= t).all()
