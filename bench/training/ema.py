"""Exponential moving averages of a network's parameters, several in one call, by one of three rules.

    decay      v is the decay of one update; it rises as min(v, (1 + n) / (10 + n)) after n updates
    half_life  v is a number of images; it rises as min(v, images / 20)   (Karras et al., arXiv 2206.00364, appendix F.2)
    power      v is the width of the average relative to the training, which grows with it: decay (1 - 1/n)^(gamma + 1),
               v^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3))            (Karras et al., arXiv 2312.02696, section 3.1)

What rises does so that short runs are not held by their start; a power-function average forgets its start by itself.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Rule(NamedTuple):
    """How averages follow. name: see the module; rise: whether decays and half-lives do; every: steps between two updates;
    batch: images of a step."""

    name: str = "decay"
    rise: bool = True
    every: int = 1
    batch: int = 1

    def decay(self, value: float, n: int) -> float:
        """Of the n-th update, n >= 1, by the average's own value."""
        if self.name == "power":
            return float((1 - 1 / n) ** (gamma(value) + 1))
        if self.name == "half_life":
            each = self.every * self.batch
            return float(0.5 ** (each / (min(value, n * each / 20) if self.rise else value)))
        return min(value, (1 + n) / (10 + n)) if self.rise else value


COMMON = Rule()


@lru_cache
def gamma(width: float) -> float:
    """The exponent of a power-function average of that relative width, in (0, 12^-1/2], the width of the average of
    all weights so far: the only real root of
    (gamma + 2)^2 (gamma + 3) width^2 = gamma + 1 that is not negative."""
    roots = np.roots([1, 7, 16 - width**-2, 12 - width**-2])
    return float(roots.real.max())


class Averages:
    """The averages of one module, by their values."""

    def __init__(self, module: nn.Module, values: Iterable[float], rule: Rule = COMMON) -> None:
        self._names = [name for name, _ in module.named_parameters()]
        self._live: list[Tensor] = [p for _, p in module.named_parameters()]
        self._steps, self._rule = 0, rule
        self.weights = {value: [p.detach().clone() for p in self._live] for value in values}

    @torch.no_grad()
    def restart(self) -> None:
        """Set every average to the live parameters (a new stage)."""
        self._steps = 0
        for weights in self.weights.values():
            for average, live in zip(weights, self._live, strict=True):
                average.copy_(live)

    @torch.no_grad()
    def update(self, now: float | None = None) -> None:
        """Fold the live parameters in, if it is time. now: its decay in place of every average's own (a changing one)."""
        self._steps += 1
        n, between = divmod(self._steps, self._rule.every)
        if between:
            return
        averages, live, shares = [], [], []
        for value, weights in self.weights.items():
            averages += weights
            live += self._live
            shares += [1 - (self._rule.decay(value, n) if now is None else now)] * len(weights)
        torch._foreach_lerp_(averages, live, shares)

    @torch.no_grad()
    def copy_to(self, module: nn.Module, value: float) -> nn.Module:
        """Put one average into a module of the same architecture and return it."""
        for (_, parameter), average in zip(module.named_parameters(), self.weights[value], strict=True):
            parameter.copy_(average)
        return module

    def state(self) -> dict[str, dict[str, Tensor]]:
        """{value: {parameter name: tensor}}, values as strings."""
        return {repr(value): dict(zip(self._names, w, strict=True)) for value, w in self.weights.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Mapping[str, Tensor]], steps: int) -> None:
        """Continue from `state` after so many steps."""
        self._steps = steps
        for value, weights in self.weights.items():
            for name, average in zip(self._names, weights, strict=True):
                average.copy_(state[repr(value)][name])
