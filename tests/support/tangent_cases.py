"""What the tests of sCM and of Align Your Flow share: knobs that hide nothing, a step's gradient, a step of given times."""

from typing import Any

import torch
from oracle import Oracle, one_loss
from torch import Tensor

from bench.truth import Truth
from methods.base import Draws, Method

N, THETA = 512, 0.2
PLAIN: dict[str, Any] = {"normalise": False}
OPEN: dict[str, Any] = {"warmup": 0.0, "learned_weight": False}  # of sCT and sCD: r = 1 from the start, w = 0
EXACT: dict[str, Any] = {"warmup": 0.0, "warmup_end": 1.0}  # of Align Your Flow


def taken(method: Method, truth: Truth, **more: Any) -> tuple[Tensor, Tensor, Oracle]:
    """Per-sample loss and the gradient of its mean at THETA."""
    loss, net = one_loss(method, truth, N, THETA, **more)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    net.requires_grad_(False)
    return loss.per_sample.detach(), gradient, net


def gradient_of(per_sample: Tensor, net: Oracle) -> Tensor:
    return torch.autograd.grad(per_sample.mean(), net.theta, retain_graph=True)[0]


class Given:
    """Draws whose uniform numbers of the purpose "times" are given; all others are a step's own."""

    def __init__(self, draws: Draws, times: Tensor) -> None:
        self.draws, self.rows, self.times = draws, draws.rows, times

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return self.times if purpose == "times" else self.draws.uniform(purpose, *shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draws, name)
