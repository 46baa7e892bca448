"""Half and twice the resolution of (B, C, H, W), by separable filters.

The filter of [1, 1] averages four pixels and repeats one; that of [1, 3, 3, 1] is its third power, which does not alias as
much (Zhang, arXiv 1904.11486; NCSN++ of Song et al., arXiv 2011.13456). What lies outside of the image is zero.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers.affine import affine

TAPS = {"box": (1.0, 1.0), "binomial": (1.0, 3.0, 3.0, 1.0)}


def doubled(h: Tensor) -> Tensor:
    """Nearest upsampling of (B, C, H, W) to twice the resolution."""
    return F.interpolate(h, scale_factor=2.0, mode="nearest")


class _Resampling(nn.Module):
    """The filter's kernel, of sum one, and the margin at which the size is exactly halved or doubled."""

    kernel: Tensor

    def __init__(self, filter: str) -> None:
        super().__init__()
        taps = torch.tensor(TAPS[filter])
        self.box, self.margin = filter == "box", len(taps) // 2 - 1
        self.register_buffer("kernel", torch.outer(taps, taps)[None, None] / taps.sum().square(), persistent=False)

    def _of(self, h: Tensor) -> Tensor:
        return self.kernel.to(h.dtype).expand(h.shape[1], -1, -1, -1)


class Down(_Resampling):
    """Half the resolution. margin: another one than the filter's, of an input that comes with more or less around it."""

    def forward(self, h: Tensor, margin: int | None = None) -> Tensor:
        if self.box:
            return F.avg_pool2d(h, 2)
        padding = self.margin if margin is None else margin

        def halved(h: Tensor) -> Tensor:
            return F.conv2d(h, self._of(h), stride=2, padding=padding, groups=h.shape[1])

        return affine(halved, halved, h)


class Up(_Resampling):
    """Twice the resolution."""

    def forward(self, h: Tensor) -> Tensor:
        def twice(h: Tensor) -> Tensor:
            return F.conv_transpose2d(h, 4 * self._of(h), stride=2, padding=self.margin, groups=h.shape[1])

        return affine(doubled, doubled, h) if self.box else affine(twice, twice, h)
