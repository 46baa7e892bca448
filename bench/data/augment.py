"""EDM's geometric augmentation: training images are moved, and the network is told how, so that samples are not.

Karras et al. (arXiv 2206.00364, appendix F.2 and Table 6): each change with its own probability (mirrored left to right: a fair
coin always), in this order: mirrored in x, in y, scaled, turned, stretched along a turned axis, shifted. "mild" leaves out what
changes up and down (mirrored in y, turned), as py-meanflow does. Theirs filters with wavelets; ours interpolates bicubically,
and reflects at the edges alike. Theirs tells the axis of a stretch by its angle, and so two unlike stretches alike; ours by
twice the angle. An image that nothing but mirrors changes is mirrored to the bit.
"""

from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Draws

STRETCH = 0.2  # standard deviations: of log2 of a scale, and
SHIFT = 0.125  # of a shift, in sides of the image


@dataclass(frozen=True)
class Augment:
    """Call it with images (B, C, H, W) and the step's draws: the images it makes of them, and what the network is told."""

    kind: str
    share: float

    def __call__(self, x: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Images of the same shape, and (B, 6 or 9): mirrored in x, [in y,] log-scale, [cos - 1 and sin of the turn,] the
        stretch times cos and sin of twice its axis' angle, the shift in both; all zero for an image that is left as it is."""
        chance, normal = draws.uniform("augment", 9), draws.normal("augment", 4)
        on = (chance[:, :5] < self.share).to(normal)  # mirrored in y, scaled, turned, stretched, shifted
        upright = float(self.kind == "mild")
        across = (chance[:, 5] < 0.5).to(normal)
        down = (1 - upright) * on[:, 0] * (chance[:, 6] < 0.5)
        size, stretch = on[:, 1] * normal[:, 0], on[:, 3] * normal[:, 1]
        turn = (1 - upright) * on[:, 2] * (2 * chance[:, 7] - 1) * pi
        axis = torch.where(on[:, 3] * chance[:, 8] > 0.5, (4 * chance[:, 8] - 3) * pi, 0.0)  # turned for one in two
        shift = on[:, 4:] * normal[:, 2:]
        told = [across, size, stretch * (2 * axis).cos(), stretch * (2 * axis).sin(), shift[:, 0], shift[:, 1]]
        if not upright:
            told[1:1] = [down]
            told[3:3] = [turn.cos() - 1, turn.sin()]
        x = torch.where(across[:, None, None, None] > 0, x.flip(-1), x)
        x = torch.where(down[:, None, None, None] > 0, x.flip(-2), x)
        moved = on[:, 1:].any(1)[:, None, None, None]
        return torch.where(moved, _warped(x, size, turn, stretch, axis, shift), x), torch.stack(told, 1)


def _warped(x: Tensor, size: Tensor, turn: Tensor, stretch: Tensor, axis: Tensor, shift: Tensor) -> Tensor:
    """The image read where the inverse of its change takes each pixel; coordinates run over [-1, 1], a side is 2 long."""
    inverse = _scale(-size, -size) @ _turned(-turn) @ _turned(axis) @ _scale(-stretch, stretch) @ _turned(-axis)
    height, width = x.shape[-2:]
    (a, b), (c, d) = (row.unbind(1) for row in inverse.unbind(1))  # a turn is one of pixels, not of the square of coordinates
    inverse = torch.stack([a, b * (height / width), c * (width / height), d], 1).reshape(-1, 2, 2)
    theta = torch.cat([inverse, -(inverse @ (2 * SHIFT * shift)[:, :, None])], 2).to(x.dtype)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


def _scale(across: Tensor, down: Tensor) -> Tensor:
    """Powers of two of the standard deviation along both axes (B, 2, 2)."""
    return torch.diag_embed(torch.stack([across, down], 1).mul(STRETCH).exp2())


def _turned(angle: Tensor) -> Tensor:
    """Rotations (B, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], 1).reshape(-1, 2, 2)
