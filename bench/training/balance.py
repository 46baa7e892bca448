"""Further losses whose gradients are made as long as the first's at the last layer of the networks (`Stage.balanced`).

All gradients are those of the whole batch, so that ranks and micro-batches agree on the scale: the loop sums them
apart and joins them here, before clipping.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from bench.config import ConfigError
from methods.base import Models

LARGEST = 1e4  # scale: a loss that has converged is not blown up


class Aside:
    """The gradients of the balanced losses of one step, by loss."""

    def __init__(self) -> None:
        self.gradients: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor, parameters: Sequence[Tensor], retain_graph: bool) -> None:
        """Add the gradient of `value` with respect to the parameters."""
        more = torch.autograd.grad(value, parameters, retain_graph=retain_graph, materialize_grads=True)
        if name in self.gradients:
            more = torch._foreach_add(self.gradients[name], more)  # not in place: autograd may hand out views of one number
        self.gradients[name] = list(more)

    @torch.no_grad()
    def scale(self, name: str, parameters: Sequence[Tensor], last: Iterable[Tensor]) -> Tensor:
        """What makes the loss's gradient as long as `p.grad` on the parameters in `last`. Of several losses that are balanced
        with one, ask for every scale before any is joined."""
        gradients, chosen = self.gradients[name], {id(p) for p in last}
        pairs = [(p.grad, g) for p, g in zip(parameters, gradients, strict=True) if id(p) in chosen and p.grad is not None]
        length, own = (torch.stack([g.norm() for g in side]).norm() for side in zip(*pairs, strict=True))
        scale: Tensor = (length / own.clamp(min=torch.finfo(own.dtype).tiny)).clamp(max=LARGEST)
        return scale

    @torch.no_grad()
    def join(self, name: str, parameters: Sequence[Tensor], scale: Tensor) -> None:
        """Add the loss's gradient times `scale` to `p.grad`, and forget it."""
        for p, g in zip(parameters, self.gradients.pop(name), strict=True):
            p.grad = g * scale if p.grad is None else p.grad.addcmul_(g, scale)


def last_layers(models: Models, roles: Iterable[str]) -> list[Tensor]:
    """The parameters of each network's last layer, its module `head`. Raises ConfigError where there is none."""
    found: list[Tensor] = []
    for role in roles:
        heads = [module for name, module in models[role].named_modules() if name.split(".")[-1] == "head"]
        if not heads:
            raise ConfigError(f"method.balance=true compares gradients at the last layer, and the network of {role!r} "
                              "has no module `head`; method.balance=false gives its loss a fixed weight")
        found += [p for head in heads for p in head.parameters()]
    return found
