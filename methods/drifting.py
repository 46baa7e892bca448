"""Drifting: a generator of one step, whose samples the data attract and the other samples repel.

    x = X_{0,1}(x_0),    G of them, beside G data y; all distances and V are in units of their scale

    F_i = n_i sum_j a_ij y_j - p_i sum_j b_ij x_j,    p_i = sum_j a_ij,   n_i = sum_j b_ij
    (b, a) = sqrt( softmax_j(-d / R) softmax_i(-d / R) ),    d = ( |x_i - x_j|, |x_i - y_j| ),   b_ii = 0
    V = sum_R F / rms(F),    loss = <|x - sg[x + V]|^2>

softmax_j is over the 2 G samples and data that act on x_i, softmax_i over the G samples that one of them acts on, and <.> the
mean over a sample's entries. Distances are divided by S, the mean of all d, and coordinates by S / sqrt(D). The weights of F_i
sum to zero, so that no place is preferred; swap data and samples and it changes its sign. Where both have one law little is
left of its mean; if x_i repelled itself it would be drawn inwards, by O(1/G), at G = 8 forty times as far. The flow map is one
of many generators of that law. The value of the loss says nothing, as V is a sum of forces of unit size; the part `force` is
the size of F before that.

In a run with classes only samples and data of the same condition act on each other. The paper's further negatives, which
guide away from the data of no class, are left out. Its distances are those of a strong encoder's features; here they are those
of the samples themselves, which sees no more of an image than its pixels do. A softmax of far-off samples would leave no force
at all, so that the authors' product of two has a floor.

Reference: Deng et al., "Generative Modeling via Drifting" (arXiv 2602.04770).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import NotNegative, Several, Widths
from methods.tools import align, conditioned, jump, mean_square

LEAST = 1e-4
"""Size of a force below which it is not brought to unit size, as the authors'."""


@dataclass(frozen=True)
class Drifting(Method):
    """particles: G. temperatures: R, in units of the mean distance. floor: least product of the two softmaxes."""

    particles: Several = 64
    temperatures: Widths = (0.02, 0.05, 0.2)
    floor: NotNegative = 1e-6
    paper: ClassVar[str] = "Deng et al. 2026, arXiv 2602.04770"

    @property
    def needs(self) -> Needs:
        return Needs(group=self.particles, reaches="data", rule="renoise", truth="C up to its group")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        x_1 = batch.x_1
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        zero, one = x_1.new_zeros(len(x_1)), x_1.new_ones(len(x_1))
        x = jump(v, self.interpolant.base_scale * context.noise(x_1), zero, one)
        with torch.no_grad():
            condition = zero if batch.condition is None else batch.condition
            samples, data, conditions = (self._groups(each) for each in (x, x_1, condition))
            drift, unit, size = drifts(samples, data, conditions, self.temperatures, self.floor)
        moved = (x - x.detach()) / align(unit, x) - drift.reshape(x.shape)
        return {"net": Loss(mean_square(moved), {"force": size})}

    def _groups(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B / G, G, D)."""
        return x.reshape(-1, self.particles, x[0].numel())

    def supports(self, steps: int) -> bool:
        return steps == 1


def drifts(
    x: Tensor, y: Tensor, condition: Tensor, temperatures: Sequence[float], floor: float
) -> tuple[Tensor, Tensor, Tensor]:
    """V of groups of samples x and data y, (g, G, D) each, with the conditions (g, G, K) of both, in units (g G,) of the data;
    and the size (g G,) of the forces that it is the sum of."""
    acting, itself = torch.cat([x, y], 1), torch.eye(x.shape[1], x.shape[1] * 2, dtype=torch.bool, device=x.device)
    d = torch.cdist(x, acting, compute_mode="donot_use_mm_for_euclid_dist")
    scale = d.mean((1, 2), keepdim=True).clamp(min=torch.finfo(d.dtype).tiny)
    unit = scale / x.shape[2] ** 0.5
    alike = (condition[:, :, None] == condition[:, None]).all(-1).repeat(1, 1, 2) & ~itself
    forces = [force(x / unit, y / unit, weights(d / scale, alike, r, floor)) for r in temperatures]
    sizes = [f.square().mean((1, 2), keepdim=True).sqrt() for f in forces]
    drift = torch.stack([f / size.clamp(min=LEAST) for f, size in zip(forces, sizes, strict=True)]).sum(0)
    unit, size = (each.expand(*x.shape[:2], 1).reshape(-1) for each in (unit, torch.stack(sizes).mean(0)))
    return drift, unit, size


def weights(d: Tensor, alike: Tensor, r: float, floor: float) -> Tensor:
    """(b, a) from distances (g, G, 2 G), and 0 for pairs that are not `alike`."""
    logits = torch.where(alike, -d / r, torch.finfo(d.dtype).min)
    return torch.where(alike, (logits.softmax(2) * logits.softmax(1)).clamp(min=floor).sqrt(), 0)


def force(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """F, (g, G, D)."""
    b, a = weight[:, :, : x.shape[1]], weight[:, :, x.shape[1] :]
    return b.sum(2, keepdim=True) * (a @ y) - a.sum(2, keepdim=True) * (b @ x)
