"""Classifier-free guidance: the velocity of a class led away from that of none.

    b_w = b_null + w (b_class - b_null),     w = 1: the class alone, w = 0: no class

While sampling that takes two rows a call (`Guided`). In a target it takes none afterwards: the conditional velocity I' of a
sample is replaced by the first line, whose fixed point is b_w (`guided_velocity`),

    omega I' + kappa v_{s,s}(class) + (1 - omega - kappa) v_{s,s}(null),     w = omega / (1 - kappa)

Reference: Ho & Salimans (arXiv 2207.12598); of flow matching Zheng et al. (arXiv 2311.13433); on an interval of times alone
Kynkäänniemi et al. (arXiv 2404.07724); in a target Geng et al. (arXiv 2505.13447), section 4.2.
"""

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
    guided = omega * speed + kappa * of_class + (1 - omega - kappa) * of_none
    return torch.where(align(told[2], x), guided, speed)
