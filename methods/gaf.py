"""GAF, generator-augmented flows: consistency training on ways that lead to the network's own samples.

    x^ = sg[ X'_{s,1}(I_s) ],   loss = w(s, r) d( X_{s,1}(I^_s), sg[ X_{r,1}(I^_r) ] ),   I^_u = alpha(u) x_0 + beta(u) x^

for a share `generated` of the batch, with the noise x_0 of I_s; for the rest x^ is the data x_1 and the loss is iCT's. X' is
a slow copy; the passes that are compared are the live network's. Noise and the sample that it is mapped to belong
together, so the conditional velocity of the pair is nearer to what a teacher's step would give, without a teacher.

At the exact map I^_s is distributed otherwise than I_s, and the mean of x^ - x_0 given I^_s is not b_s: with a share
above 0 the flow that is learned is another one. With share 0 it is iCT to the bit. The knob `method.generated` is also one
of ct, ict and ect; without a generator_ema they make the samples with the slow target that they have (ct), or with the
live network, an option of the authors' code.

The authors draw the replaced samples, each with probability .5; here they are a fixed share of the batch, and only they
are generated. Their code generates in sigma's clock, x_1 + sigma x_0, which is the same ray as this one.

Reference: Issenhuth et al., "Improving Consistency Models with Generator-Augmented Flows" (arXiv 2406.09570), Section 4.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from methods.base import Context, Models, Needs
from methods.consistency import ICT
from methods.knobs import Decay, Share
from methods.tools import Mask


@dataclass(frozen=True)
class GAF(ICT):
    """generator_ema: decay per step of the copy that makes the samples; 0: the live network makes them."""

    generated: Share = 0.5
    generator_ema: Decay = 0.9999
    paper: ClassVar[str] = "Issenhuth et al. 2024, arXiv 2406.09570"

    @property
    def needs(self) -> Needs:
        return replace(super().needs, target_ema=self.generator_ema or None)

    def target(
        self, models: Models, context: Context, x_r: Tensor, r: Tensor, condition: Tensor | None, dropout: Mask | None
    ) -> Tensor:
        return super().target(models, replace(context, target=None), x_r, r, condition, dropout)
