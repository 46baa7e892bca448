"""What the times change in a network's blocks, and a network whose first part is told one time and whose rest the other."""

import torch
from torch import Tensor, nn


class Modulated(nn.Module):
    """A network whose times enter through one product alone: `modulation` of `time`, a part of its columns for each block.

    early: how many columns belong to the blocks of its first part. decoupled: these are told s alone, and the others t alone;
    at s = t the network is the same function, bit for bit. No weight is another one; the layer of the gap has no effect.
    """

    time: nn.Module
    modulation: nn.Module
    early: int
    decoupled = False

    def changes(self, s: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """(B, columns)."""
        if not self.decoupled:
            return self._told(s, t, condition)
        return torch.cat([self._told(s, s, condition)[:, : self.early], self._told(t, t, condition)[:, self.early :]], 1)

    def _told(self, s: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        out: Tensor = self.modulation(self.time(s, t, condition))
        return out
