"""CTM against a critic: beside its two losses, where its longer jump comes to at data is to pass for data.

    x = X'_{t,1}( X_{s,t}(x_s) )                     the first end of methods/ctm.py, with X' the slow copy, frozen
    adversarial    softplus(-logit(x)),              the gradient through X' to X_{s,t}
    critic         softplus(-logit(x_1)) + softplus(logit(x)),   x cut

The paper scales the adversarial loss, as it does the denoising one, to the length of the trajectories' gradient at the last
layer (`Stage.balanced`); neither scale sees the other's loss. Until the share `onset` of the budget the critic trains alone,
and the network is CTM's to the bit. At the exact map the law of x is that of the data, and the best critic, 0 everywhere, has
no gradient.

Ours is the critic: light and on the samples themselves (methods/tools/critic.py), where the paper's sees the features of
two large networks, of images that are augmented. It is moved in each step, where the authors take turns; and x is of the
same s and t as the other losses'.

Reference: Kim et al., "Consistency Trajectory Models" (arXiv 2310.02279), eqs. 11 and 12.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Models, Needs, Stage
from methods.ctm import CTM
from methods.knobs import Positive, Rest
from methods.tools import conditioned, deceived, told_apart


@dataclass(frozen=True)
class CTMGAN(CTM):
    """onset: share of the budget from which on the critic counts. critic: weight of the loss against it where balance=false;
    the rest as in CTM."""

    onset: Rest = 0.5
    critic: Positive = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balance and self.critic != 1:
            raise ValueError(f"method.critic={self.critic} is a fixed weight, and method.balance=true sets its own; set "
                             "method.balance=false")

    @property
    def needs(self) -> Needs:
        return replace(super().needs, cost=super().needs.cost + 1)

    @property
    def league(self) -> str:
        return "perceptual"

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        return super().build(backbone) | {"critic": backbone.critic()}

    def stages(self, images: int) -> Sequence[Stage]:
        (stage,) = super().stages(images)
        more = {"adversarial": "net"} if self.balance else {}
        return [replace(stage, trained={"net": ("net",), "critic": ("critic",)}, balanced={**stage.balanced, **more})]

    def terms(self, models: Models, batch: Batch, context: Context, estimate: Tensor, target: Tensor) -> dict[str, Loss]:
        found = super().terms(models, batch, context, estimate, target)
        critic, one = conditioned(models["critic"], batch.condition), torch.ones_like(estimate.flatten(1)[:, 0])
        adversarial = deceived(critic, estimate, one) * (context.progress >= self.onset)
        if self.balance:
            found["adversarial"] = Loss(adversarial)
        else:
            found["net"] = replace(found["net"], per_sample=found["net"].per_sample + self.critic * adversarial)
        return found | {"critic": Loss(told_apart(critic, batch.x_1, estimate.detach(), one))}
