"""What the truth tests of MeanFlow's and LSD's refinements share: a perturbed map, a sample's way, derivatives along it."""

from dataclasses import replace

import torch
from clocks import gaussian
from oracle import Oracle, context, data, one_loss
from torch import Tensor

from methods.base import Method
from methods.times import Uniform
from methods.tools.interpolant import Interpolant

N, THETA = 512, 0.2
UNIFORM = Uniform()


def taken(method: Method, theta: float = THETA, path: Interpolant | None = None) -> tuple[Tensor, Tensor, Oracle]:
    """Per-sample loss, the gradient of its mean, and the network without gradient."""
    path = path or method.interpolant
    loss, net = one_loss(replace(method, interpolant=path), gaussian(path), N, theta)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    net.requires_grad_(False)
    return loss.per_sample.detach(), gradient, net


def way(path: Interpolant, method: Method, s: Tensor) -> tuple[Tensor, Tensor]:
    """The point of each sample at s and its conditional velocity there."""
    x_1 = data(gaussian(path), N)
    x_0 = path.base_scale * context(method, N).noise(x_1)
    return path.point(x_0, x_1, s), path.velocity(x_0, x_1, s)


def along(net: Oracle, x: Tensor, s: Tensor, t: Tensor, tangent: Tensor) -> Tensor:
    """d/ds v_{s,t}(x) along (tangent, 1), by a fine difference."""
    h = 1e-5
    return (net(x + h * tangent, s + h, t) - net(x - h * tangent, s - h, t)) / (2 * h)
