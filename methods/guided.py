"""Methods whose targets are guided from class to class, at one scale or at all of a range.

The velocity that they learn at s = t is b_w = w b(class) + (1 - w) b(null) (methods/tools/guidance.py); off the diagonal
they teach the map of that velocity themselves, so that a call takes one row. Over a range w is drawn with a density
proportional to 1/w, and is an input of the network; the null class learns its own velocity at every scale.

Reference: the law of w is Geng et al.'s (arXiv 2512.02012), here of all; the others' papers guide too and have laws of theirs.
"""

from dataclasses import dataclass, field, replace

from torch import nn

from methods.base import Batch, Context, Method, Needs
from methods.knobs import Positive
from methods.tools import Guide


@dataclass(frozen=True)
class GuidedMethod(Method):
    """scale: the least and the largest w. Alike they are the one scale, which is no input; both 1: no guidance."""

    scale: tuple[Positive, Positive] = field(default=(1.0, 1.0), kw_only=True)

    def __post_init__(self) -> None:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"method.scale={list(self.scale)} must be the least and the largest scale, in this order")

    @property
    def guided(self) -> bool:
        """Whether its targets are."""
        return self.scale != (1, 1)

    def asking(self, needs: Needs, share: float = 1.0) -> Needs:
        """What it needs, with what guidance adds: a forward pass, a third of flow matching's step, on a share of the batch."""
        if not self.guided:
            return needs
        told = self.scale if self.scale[0] < self.scale[1] else None
        return replace(needs, labels=True, scale=told, cost=needs.cost + share / 3)

    def guide(self, net: nn.Module, batch: Batch, context: Context) -> Guide:
        """What leads the targets of a batch away from the null class of `net`. Raises ValueError where it has no classes."""
        if not self.guided:
            return Guide(net, batch.condition)
        of_class, of_none, has = batch.guidable()
        low, high = self.scale
        if low == high:
            return Guide(net, of_class, of_none, has, batch.x_1.new_full((len(has),), low))
        return Guide(net, of_class, of_none, has, low * (high / low) ** context.draws.uniform("scale"), tells=True)
