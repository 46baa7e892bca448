"""Classifier-free guidance: the velocity of a class led away from that of none.

    b_w = b_null + w (b_class - b_null),     w = 1: the class alone, w = 0: no class

While sampling that takes two rows a call (`Guided`). In a target it takes none afterwards: the conditional velocity I' of a
sample is replaced by the first line, whose fixed point is b_w (`led`),

    omega I' + kappa v_{s,s}(class) + (1 - omega - kappa) v_{s,s}(null),     w = omega / (1 - kappa)

for samples that have a class. A network that is told w (`with_scale`) learns all its values at once; with omega = 1 and
kappa = 1 - 1/w the noise of the target is that of I', with omega = w and kappa = 0 it is w times that (`Guide`).

Reference: Ho & Salimans (arXiv 2207.12598); of flow matching Zheng et al. (arXiv 2311.13433); on an interval of times alone
Kynkäänniemi et al. (arXiv 2404.07724); in a target Geng et al. (arXiv 2505.13447), section 4.2; with w as an input
Geng et al. (arXiv 2512.02012), Zhou et al. (arXiv 2511.19797), Boffi et al. (arXiv 2505.18825).
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from methods.tools.network import Mask
from methods.tools.shapes import align


class Guided(nn.Module):
    """A conditional network as its guided velocity: a call is one of `net` on twice the rows. null: the null class' index."""

    def __init__(self, net: nn.Module, scale: float, null: int) -> None:
        super().__init__()
        self.net, self.scale, self.null = net, scale, null

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None) -> Tensor:
        """See `net`. Raises ValueError without a class to guide to."""
        if condition is None:
            raise ValueError("guidance needs class labels")
        told = torch.cat([condition, torch.full_like(condition, self.null)])
        both: Tensor = self.net(torch.cat([x, x]), torch.cat([s, s]), torch.cat([t, t]), condition=told, dropout=dropout)
        of_class, of_none = both.chunk(2)
        return of_none + self.scale * (of_class - of_none)


@torch.no_grad()
def guided_velocity(
    net: nn.Module, told: tuple[Tensor, Tensor, Tensor], x: Tensor, s: Tensor, speed: Tensor, omega: float, kappa: float
) -> Tensor:
    """The target velocity in place of `speed` = I' at x = I_s, shape of x. told: class, null class, and which samples have one
    (`Batch.guidable`); the others, whose class was dropped, keep I'."""
    of_class, of_none = (net(x, s, s, condition=condition) for condition in told[:2])
    return led(speed, of_class, of_none, told[2], omega, kappa)


def led(
    speed: Tensor, of_class: Tensor, of_none: Tensor, has: Tensor, omega: float | Tensor, kappa: float | Tensor
) -> Tensor:
    """The second line of this file for samples that have a class (B,), `speed` = I' for others; omega, kappa as of `align`."""
    guided = omega * speed + kappa * of_class + (1 - omega - kappa) * of_none
    return torch.where(align(has, speed), guided, speed)


def with_scale(condition: Tensor, w: Tensor) -> Tensor:
    """What a network is told that takes a scale: its condition, labels (B,) or numbers (B, K), and behind it w (B,)."""
    of_class = condition if condition.is_floating_point() else condition[:, None]
    return torch.cat([of_class.to(w.dtype), w[:, None]], 1)


@dataclass(frozen=True)
class Guide:
    """What leads the targets of some samples.

    net: the network, whose velocity of no class is led away from; of_class, of_none: the conditions of a class and of none;
    has (B,): which samples have a class; w (B,): their scales, None without guidance; tells: whether w is an input of `net`.
    """

    net: nn.Module
    of_class: Tensor | None
    of_none: Tensor | None = None
    has: Tensor | None = None
    w: Tensor | None = None
    tells: bool = False

    @property
    def told(self) -> Tensor | None:
        """What `net` is told of the samples, the scale included where that is an input; `null` of no class."""
        return self._with_scale(self.of_class)

    @property
    def null(self) -> Tensor | None:
        return self._with_scale(self.of_none)

    def _with_scale(self, condition: Tensor | None) -> Tensor | None:
        return with_scale(condition, self.w) if self.tells and condition is not None and self.w is not None else condition

    def at(self, rows: Tensor) -> Self:
        """Of some of the samples."""
        def some(each: Tensor | None) -> Tensor | None:
            return None if each is None else each[rows]

        of_class, of_none = some(self.of_class), some(self.of_none)
        return replace(self, of_class=of_class, of_none=of_none, has=some(self.has), w=some(self.w))

    def velocity(self, x: Tensor, s: Tensor, speed: Tensor, own: Tensor | None = None) -> Tensor:
        """The target velocity in place of `speed` = I' at x = I_s, shape of x, detached; without guidance `speed`.

        own: v_{s,s}(x) of the class and the scale, which spares the target its noise: omega = 1. None: omega = w.
        """
        if self.w is None or self.has is None:
            return speed
        with torch.no_grad():
            of_none, w = self.net(x, s, s, condition=self.null), align(self.w, x)
            if own is None:
                return led(speed, of_none, of_none, self.has, w, 0.0)
            return led(speed, own, of_none, self.has, 1.0, 1 - 1 / w)

    def weighed(self, loss: Tensor) -> Tensor:
        """loss / w^2, (B,): with omega = w its noise is then alike at all scales."""
        return loss if self.w is None else loss / self.w.square()
