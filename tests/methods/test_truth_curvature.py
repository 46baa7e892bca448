"""Curvature: without its encoder it is flow matching; of couplings of two Gaussians both of its terms have a closed form."""

from math import exp, log1p, sqrt

import pytest
import torch
from clocks import BOTH, gaussian
from contract import made
from oracle import CPU, Oracle, context, data
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from trainings import trained

from bench.training.rng import generator
from bench.truth import target
from methods.base import Batch, Loss
from methods.curvature import Curvature, divergence
from methods.flow_matching import FlowMatching
from methods.tools import Interpolant, Solver, Velocity, align, step

N, MEAN, WIDTH = 4096, 0.7, 1.6  # of a Gaussian x_1 in one dimension


class Encoder(nn.Module):
    """mu = slope (x - MEAN) / WIDTH at s = t = 1, the logarithm of the variance at s = t = 0."""

    def __init__(self, slope: float, log_variance: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))
        self.log_variance = nn.Parameter(torch.tensor(log_variance, dtype=torch.float64))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
        assert torch.equal(s, t) and (t == t[0]).all()
        return self.slope * (x - MEAN) / WIDTH if t[0] == 1 else self.log_variance.expand_as(x)


class Coupled(nn.Module):
    """E[dI_t/dt | I_t] where x_0 and x_1 are normal with correlation a, in one dimension on the linear path."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = a

    def variance(self, t: Tensor) -> Tensor:
        return (1 - t) ** 2 + 2 * t * (1 - t) * self.a * WIDTH + t**2 * WIDTH**2

    def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
        t = align(t, x)
        covariance = t * WIDTH**2 - (1 - t) + (1 - 2 * t) * self.a * WIDTH
        return MEAN + covariance / self.variance(t) * (x - t * MEAN)


def samples(step: int = 0) -> Tensor:
    return MEAN + WIDTH * torch.randn((N, 1), generator=generator(CPU, "data", step), dtype=torch.float64)


def gaussian_encoder(a: float) -> Encoder:
    """Whose x_0 is standard normal and has correlation a with x_1."""
    return Encoder(a, log1p(-(a**2)))


def taken(method: Curvature, net: nn.Module, encoder: nn.Module, step: int = 0) -> Loss:
    return method.losses({"net": net, "encoder": encoder}, Batch(samples(step)), context(method, N, step=step))["net"]


def spread(a: float) -> float:
    """E | dI_t/dt - v |^2 = WIDTH^2 (1 - a^2) / Var I_t, the mean over t by the midpoint rule."""
    t = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096
    return (WIDTH**2 * (1 - a**2) / Coupled(a).variance(t)).mean().item()


@BOTH
def test_with_a_constant_encoder_it_is_flow_matching_to_the_bit(path: Interpolant) -> None:
    values, gradients = [], []
    for method in (Curvature(interpolant=path), FlowMatching(interpolant=path)):
        models = {"net": Oracle(gaussian(path), 0.2), "encoder": Encoder(0.0, 0.0)}
        loss = method.losses(models, Batch(data(gaussian(path), N)), context(method, N))["net"].per_sample
        values.append(loss)
        gradients += torch.autograd.grad(loss.mean(), models["net"].theta)
    assert torch.equal(*values) and torch.equal(*gradients)


@BOTH
def test_its_noise_is_the_encoders_in_units_of_the_base(path: Interpolant) -> None:
    """Of a network that says nothing the first term is |dI_t/dt|^2."""

    class Silent(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
            return torch.zeros_like(x)

    method = Curvature(interpolant=path)
    x_1, at = samples(), context(method, N)
    x_0 = path.base_scale * (0.4 * (x_1 - MEAN) / WIDTH + exp(-0.25) * at.noise(x_1))
    wanted = path.velocity(x_0, x_1, at.draws.uniform("t")).square().sum(1)
    torch.testing.assert_close(taken(method, Silent(), Encoder(0.4, -0.5)).parts["velocity"], wanted, rtol=1e-12, atol=1e-12)


def test_the_divergence_is_that_of_two_normal_laws() -> None:
    mean, log_variance = torch.randn((2, 16, 3, 4), generator=generator(CPU, "normal"), dtype=torch.float64)
    found = divergence(mean, log_variance)
    each = kl_divergence(Normal(mean, torch.exp(log_variance / 2)), Normal(0.0, 1.0))
    torch.testing.assert_close(found, each.sum((1, 2)), rtol=1e-12, atol=0)
    assert not divergence(torch.zeros(2, 3), torch.zeros(2, 3)).any()


@pytest.mark.parametrize("a", [-0.5, 0.0, 0.6, 0.95])
def test_of_a_gaussian_coupling_the_loss_and_its_gradient_are_their_closed_forms(a: float) -> None:
    """At the best v, where that of the encoder is what is left: d/da of both terms at a fixed v, and the rule of the chain."""
    method, e, encoder = Curvature(), 1e-4, gaussian_encoder(a)
    found, slopes = [], []
    for k in range(8):
        loss = taken(method, Coupled(a), encoder, k)
        mu, log_variance = torch.autograd.grad(loss.per_sample.mean(), [encoder.slope, encoder.log_variance])
        found.append(loss.parts["velocity"])
        slopes.append(mu - 2 * a / (1 - a**2) * log_variance)
        assert loss.parts["divergence"].mean().item() == pytest.approx(-log1p(-(a**2)) / 2, abs=0.05 * a**2 + 1e-12)
    values, slope = torch.cat(found), torch.stack(slopes)
    assert abs(values.mean() - spread(a)) < 3 * values.std() / sqrt(len(values))
    wanted = (spread(a + e) - spread(a - e)) / (2 * e) + method.beta * a / (1 - a**2)
    assert abs(slope.mean() - wanted) < 3 * slope.std() / sqrt(len(slope))
    assert slope.std() / sqrt(len(slope)) < 0.1 + 0.02 * abs(wanted)


def test_the_monotone_coupling_is_the_best_and_its_paths_are_straight() -> None:
    """At every sample, where the encoder has no noise left; the price is the divergence, which has no bound."""
    a = torch.linspace(0, 0.99, 100, dtype=torch.float64)
    assert (torch.tensor([spread(each) for each in a.tolist()]).diff() < 0).all()
    assert taken(Curvature(), Coupled(1.0), Encoder(1.0, -80.0)).parts["velocity"].max() < 1e-20
    x, zero = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None], torch.zeros(9, dtype=torch.float64)
    for a_, straight in ((1.0, True), (0.0, False)):
        v = Coupled(a_)
        middle = x + v(x, zero, zero) / 2
        assert torch.allclose(v(middle, zero + 0.5, zero + 0.5), v(x, zero, zero)) == straight


def test_the_gradient_of_the_encoder_is_the_difference_quotient_of_the_loss() -> None:
    """Of a network that bends, with both terms at once."""
    method, e = Curvature(beta=0.7), 1e-5
    net = Oracle(gaussian(), 0.2)

    def loss(slope: float, log_variance: float) -> tuple[Tensor, Encoder]:
        encoder = Encoder(slope, log_variance)
        batch = Batch(data(net.truth, 64))
        return method.losses({"net": net, "encoder": encoder}, batch, context(method, 64))["net"].per_sample.mean(), encoder

    value, encoder = loss(0.4, -0.6)
    found = torch.autograd.grad(value, [encoder.slope, encoder.log_variance])
    for gradient, (a, b) in zip(found, ((e, 0.0), (0.0, e)), strict=True):
        quotient = (loss(0.4 + a, -0.6 + b)[0] - loss(0.4 - a, -0.6 - b)[0]) / (2 * e)
        torch.testing.assert_close(gradient, quotient.detach(), rtol=1e-6, atol=1e-6)


def test_it_is_no_teacher_and_in_the_league_of_those_that_train_more_networks() -> None:
    assert not Curvature.velocity_model and made("curvature").league == "extra networks"


def test_at_any_beta_the_encoder_begins_to_narrow_its_noise() -> None:
    """Of the divergence the constant encoder is the minimum, and not of the first term: its slope is closed, for Gaussians."""
    t, slopes = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096, []
    for k in range(8):
        encoder = Encoder(0.0, 0.0)
        loss = taken(Curvature(beta=100.0), Coupled(0.0), encoder, k).per_sample.mean()
        slopes += torch.autograd.grad(loss, [encoder.log_variance])
    found, wanted = torch.stack(slopes), (WIDTH**4 * t**2 / Coupled(0.0).variance(t) ** 2).mean()
    assert abs(found.mean() - wanted) < 3 * found.std() / sqrt(len(found)) < 0.1 * wanted


def test_a_short_training_straightens_the_flow() -> None:
    """E | dx/dt - (x_1 - x_0) |^2 of its trajectories falls, and those from the noise that it chose end as the data."""
    trainer = trained(Curvature(beta=1.0), "gaussian", 250)
    truth, x_1, one = target("gaussian"), trainer.data.train[:2000], torch.ones(2000)
    encoder, noise = trainer.models["encoder"], torch.randn((2000, 2), generator=generator(CPU, "noise"))

    def bent(v: Velocity, x_0: Tensor) -> tuple[float, Tensor]:
        x, velocities = x_0, []
        for k in range(8):
            t = one * k / 8
            end = step(Solver.HEUN, lambda y, u: v(y, u, u), x, t, t + 1 / 8)
            velocities.append(8 * (end - x))
            x = end
        return sum((each - (x - x_0)).square().sum(1).mean().item() for each in velocities) / 8, x

    with torch.no_grad():
        x_0 = encoder(x_1, one, one) + torch.exp(encoder(x_1, 0 * one, 0 * one) / 2) * noise
        (before, _), (after, ends) = bent(lambda x, s, t: truth.velocity(x, t), noise), bent(trainer.averaged(), x_0)
    assert after < 0.5 * before
    torch.testing.assert_close(ends.mean(0), x_1.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(ends.T.cov(), x_1.T.cov(), rtol=0.15, atol=0.1)
