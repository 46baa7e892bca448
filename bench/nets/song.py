"""DDPM++ and NCSN++: the U-Nets of Song et al. (arXiv 2011.13456) as Karras et al. (arXiv 2206.00364) train them.

Times shift each block before its second norm, residual sums are rescaled by 1/sqrt(2), one head attends, on the way up in a
level's last block only. NCSN++ has random frequencies, smoother resampling, and a residual encoder that hands the image down
beside the blocks. Written from the papers; layout and initial weights are checked against the published counts.
"""

from collections.abc import Sequence
from functools import partial
from math import sqrt

from torch import Tensor, nn

from bench.layers import Conv2d, Down, Linear, Times, fourier, half, positional
from bench.nets.plan import planned
from bench.nets.published import PublishedUNet
from bench.nets.residual import Fill, Style, filled


def xavier(layer: Linear | Conv2d, gain: float = 1.0) -> None:
    """Uniform weights of the variance 2 gain^2 / (inputs + outputs) of Glorot & Bengio, AISTATS 2010; zero bias."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


FILL = Fill(xavier, partial(xavier, gain=1e-5), partial(xavier, gain=sqrt(0.2)))


class SongUNet(PublishedUNet):
    """DDPM++ by default; `ncsnpp` is NCSN++. See `PublishedUNet`.

    Level i has channels * multipliers[i] channels at the resolution H / 2^i, with `blocks` residual blocks down and
    blocks + 1 up. `attention` lists resolutions (heights); those that no level has are ignored, and with an empty list the
    lowest level does not attend in its middle either. Frequencies of time are at most `time_scale` times 1 (radians per unit
    time), or, with `random_times`, normal with the deviation 2 pi fourier_scale: objectives differentiate the network in s and
    t, and at the published 16 a derivative is in the hundreds.

    Raises ValueError for what is not an image, cannot be halved that often, or for an odd number of channels.
    """

    def __init__(
        self, shape: tuple[int, ...], *, channels: int = 128, multipliers: Sequence[int] = (2, 2, 2), blocks: int = 4,
        attention: Sequence[int] = (16,), attention_kernel: str = "exact", dropout: float = 0.13, time_scale: float = 1.0,
        random_times: bool = False, fourier_scale: float = 16.0, resampling: str = "box", residual: bool = False,
        classes: int = 0, augment: int = 0, checkpoint: str = "none",
    ) -> None:
        widths = [channels * m for m in multipliers]
        plan = planned("ncsnpp" if residual else "ddpmpp", shape, channels, widths, blocks, attention, sparing=True)
        frequencies = fourier(channels, fourier_scale) if random_times else positional(half(channels), endpoint=True)
        time = Times(time_scale * frequencies, 4 * channels, classes, augment)
        for layer in (time.first, time.second, time.label, time.augment):
            if layer is not None:
                xavier(layer)
        style = Style(1e-6, sqrt(0.5), False, True, None, resampling, FILL)
        super().__init__(shape[0], plan, style, time, dropout, attention_kernel, checkpoint)
        if residual:
            above = widths[:-1]  # a block that halves the resolution has the width of the level above it
            self.sides.extend(Side(a, b, resampling) for a, b in zip([shape[0], *above], above, strict=False))


class Side(nn.Module):
    """A convolution to half the resolution, the filter behind it. What is outside of the image is zero before both."""

    def __init__(self, inputs: int, outputs: int, filter: str) -> None:
        super().__init__()
        self.down = Down(filter)
        self.conv = filled(Conv2d(inputs, outputs, 3, padding=1 + self.down.margin), xavier)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(self.conv(x), 0)
        return out


ncsnpp = partial(SongUNet, random_times=True, resampling="binomial", residual=True)
