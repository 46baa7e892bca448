"""Exponential moving averages of a network's parameters, several decays in one call.

The decay warms up as min(decay, (1 + n) / (10 + n)) after n steps, so that short runs are not held by their start.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Averages:
    """The averages of one module, by decay."""

    def __init__(self, module: nn.Module, decays: Iterable[float], warm: bool = True) -> None:
        """warm False keeps the decay constant from the first step (the slow targets of the consistency papers)."""
        self._names = [name for name, _ in module.named_parameters()]
        self._live: list[Tensor] = [p for _, p in module.named_parameters()]
        self._n, self._warm = 0, warm
        self.weights = {d: [p.detach().clone() for p in self._live] for d in decays}

    @torch.no_grad()
    def restart(self) -> None:
        """Set every average to the live parameters (a new stage)."""
        self._n = 0
        for weights in self.weights.values():
            for average, live in zip(weights, self._live, strict=True):
                average.copy_(live)

    @torch.no_grad()
    def update(self, now: float | None = None) -> None:
        """Fold the live parameters in. now: this step's decay in place of every average's own (a changing one)."""
        self._n += 1
        averages, live, shares = [], [], []
        for decay, weights in self.weights.items():
            own = min(decay, (1 + self._n) / (10 + self._n)) if self._warm else decay
            averages += weights
            live += self._live
            shares += [1 - (own if now is None else now)] * len(weights)
        torch._foreach_lerp_(averages, live, shares)

    @torch.no_grad()
    def copy_to(self, module: nn.Module, decay: float) -> nn.Module:
        """Put one average into a module of the same architecture and return it."""
        for (_, parameter), average in zip(module.named_parameters(), self.weights[decay], strict=True):
            parameter.copy_(average)
        return module

    def state(self) -> dict[str, dict[str, Tensor]]:
        """{decay: {parameter name: tensor}}, decays as strings."""
        return {repr(d): dict(zip(self._names, w, strict=True)) for d, w in self.weights.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Mapping[str, Tensor]], n: int) -> None:
        """Continue from `state` after n updates."""
        self._n = n
        for decay, weights in self.weights.items():
            for name, average in zip(self._names, weights, strict=True):
                average.copy_(state[repr(decay)][name])
