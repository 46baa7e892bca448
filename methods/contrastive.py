"""Contrastive flow matching: the velocity is drawn to its own sample's and pushed away from another's.

    loss = | v_{t,t}(I_t) - I'_t |^2 - weight | v_{t,t}(I_t) - I~'_t |^2

I' is dI_t/dt of the sample and I~' that of another, with noise and data of its own, at the same t. As the other has nothing
to do with I_t, the minimum is known,

    v = (b_t - weight E[I'_t]) / (1 - weight),

which is the velocity that is sampled: away from the mean one by design, and no velocity model to learn from. At weight=0 it
is flow matching; at 1 and above there is no minimum. The paper draws the other from the whole batch, classes aside; here the
two samples of a pair are each other's, so that a slice of the batch has the losses of the whole.

Reference: Stoica et al., "Contrastive Flow Matching" (arXiv 2506.05350).
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from methods.base import Batch, Context, Loss, Models, Needs
from methods.flow_matching import FlowMatching
from methods.knobs import Decay
from methods.tools import conditioned, squared


@dataclass(frozen=True)
class Contrastive(FlowMatching):
    """weight: of the other sample's term. solver: of sampling; time_law: of the training times."""

    weight: Decay = 0.05
    velocity_model: ClassVar[bool] = False
    paper: ClassVar[str] = "Stoica et al. 2025, arXiv 2506.05350"

    @property
    def needs(self) -> Needs:
        return Needs(group=2, truth="C at weight=0")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        t = self.time_law(context.draws.uniform("t"))
        value = v(path.point(x_0, x_1, t), t, t)
        own = squared(value - path.velocity(x_0, x_1, t))
        other = squared(value - path.velocity(swapped(x_0), swapped(x_1), t))
        return {"net": Loss(own - self.weight * other, {"velocity": own.detach()})}


def swapped(x: Tensor) -> Tensor:
    """(B, ...) with the two rows of each pair exchanged."""
    return x.reshape(-1, 2, *x.shape[1:]).flip(1).reshape(x.shape)
