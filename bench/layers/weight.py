"""The learned loss weight w_{s,t} of self-distillation: each sample's loss is e^{-w} |r|^2 + w.

Positional embeddings of s and of t, summed with 1/sqrt(2), through one linear layer of unit norm without a gain
(Boffi et al., arXiv 2505.18825, eq. 19 and appendix G; the layer is EDM2's, Karras et al., arXiv 2312.02696).
"""

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers.blocks import frequencies


class Weight(nn.Module):
    """w(s, t) -> (B,), for s, t (B,); zero before training. As in the paper it is a sum f(s) + f(t) of one function.

    A layer of unit norm cannot be zero, so the layer as it was before training is kept and subtracted: w then starts
    at zero everywhere, and its gradient does not.
    """

    frequencies: Tensor
    origin: Tensor

    def __init__(self, channels: int = 128, time_scale: float = 4.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies(channels // 2, time_scale), persistent=False)
        self.layer = nn.Parameter(torch.randn(channels))
        self.register_buffer("origin", F.normalize(self.layer.detach().clone(), dim=0))

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        embedded = (self._embed(s) + self._embed(t)) * sqrt(0.5)
        return embedded @ (F.normalize(self.layer, dim=0) - self.origin)

    def _embed(self, t: Tensor) -> Tensor:
        """Sinusoids whose mean square over the channels is one."""
        angle = t[:, None] * self.frequencies
        return sqrt(2) * torch.cat([angle.sin(), angle.cos()], 1)
