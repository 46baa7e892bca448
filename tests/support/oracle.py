"""What the truth tests share: a network that *is* the exact flow map, plus a perturbation with few parameters.

    v_theta(x, s, t) = v*_{s,t}(x) + phi(s, t, x) @ theta,     phi bounded random sine features

At theta = 0 the network is the truth, and the gradient with respect to theta tests the objective in K x d directions.
Everything is float64, and every number is a function of the seeds.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import pi
from typing import Any

import torch
from torch import Tensor, nn

from bench.training.rng import StepDraws, generator
from bench.truth import Gaussian, Truth
from methods.base import Batch, Context, Loss, Method, Models, Stage
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.tools.shapes import align, squared

torch.set_num_threads(1)  # the tensors here are small: a second thread only waits
FEATURES = 8
CPU = torch.device("cpu")


def perturbation(size: float, dim: int = 2) -> Tensor:
    """A fixed direction in parameter space of root-mean-square `size`."""
    g = generator(CPU, "theta")
    return size * torch.randn((FEATURES, dim), generator=g, dtype=torch.float64)


def features(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """phi (B, FEATURES): sines of random directions in (s, t, x), smooth and bounded."""
    g = generator(CPU, "features")
    in_x = torch.randn((x.shape[1], FEATURES), generator=g, dtype=torch.float64).to(x.dtype)
    in_s, in_t, phase = torch.randn((3, FEATURES), generator=g, dtype=torch.float64).to(x.dtype)
    return torch.sin(x @ in_x + 2 * in_s * s[:, None] + 2 * in_t * t[:, None] + 3 * phase)


class Oracle(nn.Module):
    """net(x, s, t) -> v_theta; `calls` records (s, t, gradient mode) of every forward pass."""

    def __init__(self, truth: Truth, theta: Tensor | float = 0.0) -> None:
        super().__init__()
        self.truth = truth
        start = perturbation(theta) if isinstance(theta, float) else theta.clone()
        self.theta = nn.Parameter(start)
        self.calls: list[tuple[Tensor, Tensor, bool]] = []

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None
    ) -> Tensor:
        self.calls.append((s.detach(), t.detach(), torch.is_grad_enabled()))
        v = self.truth.velocity(x, t) if s is t else self.truth.average_velocity(x, s, t)
        return v + features(x, s, t) @ self.theta.to(x.dtype)


class Weight(nn.Module):
    """w(s, t) = a (1 + s + t), zero at a = 0."""

    def __init__(self, a: float = 0.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        return self.a * (1 + s + t)


@dataclass(frozen=True)
class TrigonometricGaussian(Gaussian):
    """The same Gaussian target on alpha = cos(pi t/2), beta = sin(pi t/2), written out without division by t - s."""

    def average_velocity(self, x: Tensor, s: Tensor, t: Tensor, steps: int | None = None) -> Tensor:
        m, c2, q = self._eigen
        y, s, t = x.double(), align(s.double(), x), align(t.double(), x)
        s02, middle, sinc = self.base_scale**2, (s + t) / 2, torch.sinc((t - s) / 4)
        d_beta = pi / 2 * torch.cos(pi / 2 * middle) * sinc  # (beta(t) - beta(s)) / (t - s)
        d_sig2 = (c2 - s02) * torch.sin(pi * middle) * pi / 2 * torch.sinc((t - s) / 2)
        sig_s, sig_t = self._width(s, c2), self._width(t, c2)
        rate = d_sig2 / ((sig_s + sig_t) * sig_s)
        return (d_beta * m + (rate * ((y - torch.sin(pi / 2 * s) * m) @ q)) @ q.T).to(x.dtype)

    def _width(self, t: Tensor, c2: Tensor) -> Tensor:
        return torch.sqrt(self.base_scale**2 * torch.cos(pi / 2 * t) ** 2 + torch.sin(pi / 2 * t) ** 2 * c2)


def on_clock(truth: Gaussian, path: Interpolant) -> Gaussian:
    """The Gaussian's exact map on the clock of `path`."""
    if isinstance(path, Linear):
        return truth
    assert isinstance(path, Trigonometric)
    return TrigonometricGaussian(truth.mean, truth.covariance, truth.base_scale)


def teacher_of(truth: Truth) -> Any:
    """b_t(x), frozen."""

    def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        return truth.velocity(x, t)

    return b


def context(
    method: Method, n: int, seed: int = 0, step: int = 0, progress: float = 0.0, stage: Stage | None = None,
    teacher: Any = None, target: Models | None = None, rows: range | None = None,
) -> Context:
    """The context of one float64 training step with a global batch of n. stage None: the method's last."""
    draws = StepDraws(seed, step, rows or range(n), n, CPU, dtype=torch.float64)
    return Context(draws, progress, stage or method.stages(2**20)[-1], teacher, target=target)


def data(truth: Truth, n: int, seed: int = 0, step: int = 0) -> Tensor:
    """x_1 (n, d) of one step."""
    return truth.sample(n, generator(CPU, seed, "data", step))


def networks(method: Method, truth: Truth, theta: Tensor | float = 0.0, w: float = 0.0) -> dict[str, nn.Module]:
    """Every role a method may ask for: "net" perturbed, all others exact."""
    exact = {role: Oracle(truth) for role in ("teacher", "first", "fake")}
    return {"net": Oracle(truth, theta), **exact, "weight": Weight(w)}


def one_loss(
    method: Method, truth: Truth, n: int, theta: Tensor | float = 0.0, step: int = 0, w: float = 0.0,
    models: Mapping[str, nn.Module] | None = None, name: str = "net", **of_context: Any,
) -> tuple[Loss, Oracle]:
    """The loss `name` of one step and the network it was taken of."""
    models = models or networks(method, truth, theta, w)
    at = context(method, n, step=step, teacher=teacher_of(truth), **of_context)
    loss = method.losses(models, Batch(data(truth, n, step=step)), at)[name]
    net = models["net"]
    assert isinstance(net, Oracle)
    return loss, net


@dataclass(frozen=True)
class Measured:
    """Mean loss and mean gradient (FEATURES, d), each with its standard error."""

    loss: float
    loss_error: float
    gradient: Tensor
    gradient_error: Tensor

    @property
    def size(self) -> float:
        """Norm of the mean gradient."""
        return self.gradient.norm().item()

    @property
    def excess(self) -> float:
        """Mean square of gradient / standard error: about 1 when the gradient vanishes, far above when it does not."""
        return (self.gradient / self.gradient_error).square().mean().item()


def loss_and_gradient(
    method: Method, truth: Truth, theta: Tensor | float = 0.0, n: int = 1024, chunks: int = 1, part: str | None = None,
    **of_context: Any,
) -> Measured:
    """Over `chunks` training steps of n samples each. part: the loss's logged part instead of the loss, for its value."""
    values, gradients = [], []
    for step in range(chunks):
        loss, net = one_loss(method, truth, n, theta, step, **of_context)
        gradients.append(torch.autograd.grad(loss.per_sample.mean(), net.theta)[0])
        values.append(loss.per_sample.detach() if part is None else loss.parts[part])
    value, gradient = torch.cat(values), torch.stack(gradients)
    spread = gradient.std(0) / chunks**0.5 if chunks > 1 else torch.full_like(gradient[0], float("nan"))
    return Measured(value.mean().item(), value.std().item() / len(value) ** 0.5, gradient.mean(0), spread)


def orders(losses: Mapping[int, float]) -> Iterator[float]:
    """Observed orders between successive n (each twice the one before)."""
    sizes = sorted(losses)
    for coarse, fine in itertools.pairwise(sizes):
        yield torch.log2(torch.tensor(losses[coarse] / losses[fine], dtype=torch.float64)).item()


def triangle(n: int, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes s < t and weights of a quadrature over the upper triangle with total weight 1."""
    u = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    s, t = torch.meshgrid(u, u, indexing="ij")
    return (s * t).reshape(-1), t.reshape(-1), (2 * t / cells**2).reshape(-1)


__all__ = [
    "Measured", "Oracle", "TrigonometricGaussian", "Weight", "context", "data", "features", "loss_and_gradient",
    "networks", "on_clock", "one_loss", "orders", "perturbation", "squared", "teacher_of", "triangle",
]  # fmt: skip
