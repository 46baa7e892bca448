"""Curvature: without its encoder it is flow matching; of couplings of two Gaussians both of its terms have a closed form."""

from math import sqrt

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
from methods.tools import Interpolant, Linear, Solver, align

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


def gaussian_encoder(a: float) -> Encoder:
    """Whose x_0 is standard normal and has correlation a with x_1."""
    return Encoder(a, torch.log1p(torch.tensor(-(a**2), dtype=torch.float64)).item())


def taken(method: Curvature, net: nn.Module, encoder: nn.Module, step: int = 0) -> Loss:
    x_1 = MEAN + WIDTH * torch.randn((N, 1), generator=generator(CPU, "data", step), dtype=torch.float64)
    return method.losses({"net": net, "encoder": encoder}, Batch(x_1), context(method, N, step=step))["net"]


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
    method, net = Curvature(interpolant=path), Oracle(gaussian(path), 0.2)
    loss, at = taken(method, One(), Encoder(0.4, -0.5)), context(method, N)
    del net
    x_1 = MEAN + WIDTH * torch.randn((N, 1), generator=generator(CPU, "data", 0), dtype=torch.float64)
    x_0 = path.base_scale * (0.4 * (x_1 - MEAN) / WIDTH + torch.exp(torch.tensor(-0.25)) * at.noise(x_1))
    t = at.draws.uniform("t")
    wanted = (path.point(x_0, x_1, t) - path.velocity(x_0, x_1, t)).square().sum(1)
    torch.testing.assert_close(loss.parts["velocity"], wanted)


def test_the_divergence_is_that_of_two_normal_laws() -> None:
    mean, log_variance = torch.randn((2, 16, 3, 4), generator=generator(CPU, "normal"), dtype=torch.float64)
    found = divergence(mean, log_variance)
    each = kl_divergence(Normal(mean, torch.exp(log_variance / 2)), Normal(0.0, 1.0))
    torch.testing.assert_close(found, each.sum((1, 2)), rtol=1e-12, atol=0)
    assert not divergence(torch.zeros(2, 3), torch.zeros(2, 3)).any()
