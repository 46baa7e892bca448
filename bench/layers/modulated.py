"""What the times change in a network's blocks, and a network whose first part is told one time and whose rest the other."""

import torch
from torch import Tensor, nn

from bench.layers.labels import parted


class Modulated(nn.Module):
    """A network whose times enter through one product alone: `modulation` of `time`, a part of its columns for each block.

    early: how many columns belong to the blocks of its first part. decoupled: these are told s alone, and the others t alone;
    at s = t the network is the same function, bit for bit. No weight is another one; the layer of the gap has no effect.
    scaling: the `Scaling` of a network that is told a scale of guidance; empty in all others.
    """

    time: nn.Module
    modulation: nn.Module
    early: int
    decoupled = False

    def __init__(self) -> None:
        super().__init__()
        self.scaling = nn.ModuleList()

    def changes(self, s: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """(B, columns)."""
        if not self.decoupled:
            return self._told(s, t, condition)
        return torch.cat([self._told(s, s, condition)[:, : self.early], self._told(t, t, condition)[:, self.early :]], 1)

    def _told(self, s: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        condition, scale = parted(condition) if self.scaling else (condition, None)
        embedded = self.time(s, t, condition)
        if scale is not None:
            embedded = self.scaling[0](embedded, scale)
        out: Tensor = self.modulation(embedded)
        return out
