"""ADM: the U-Net of Dhariwal & Nichol (arXiv 2105.05233), as Karras et al. (arXiv 2206.00364) train it on ImageNet-64.

Times scale and shift each block behind its second norm, sums are not rescaled, heads of 64 channels attend in every block of
the levels that do, and the class enters behind the layers of time. Written from the papers; the layout is checked against the
published counts. Weights begin as PyTorch's own, uniform up to 1/sqrt(inputs), and zero where a residual ends.
"""

from collections.abc import Sequence

from torch import nn

from bench.layers import Conv2d, Linear, Times, half, positional, zeroed
from bench.nets.plan import planned
from bench.nets.published import PublishedUNet
from bench.nets.residual import Fill, Style


def own(layer: Linear | Conv2d) -> None:
    """PyTorch's own initial weights."""


STYLE = Style(1e-5, 1.0, True, False, 64, "box", Fill(own, zeroed, own))


class ADM(PublishedUNet):
    """See `PublishedUNet`, and `SongUNet` for the options."""

    def __init__(
        self, shape: tuple[int, ...], *, channels: int = 192, multipliers: Sequence[int] = (1, 2, 3, 4), blocks: int = 3,
        attention: Sequence[int] = (32, 16, 8), attention_kernel: str = "exact", dropout: float = 0.1,
        time_scale: float = 1.0, classes: int = 0, augment: int = 0, checkpoint: str = "none",
    ) -> None:
        widths = [channels * m for m in multipliers]
        plan = planned("adm", shape, widths[0], widths, blocks, attention, sparing=False)
        frequencies = positional(half(channels), endpoint=False)
        time = Times(time_scale * frequencies, 4 * channels, classes, augment, late=True)
        if time.label is not None:
            nn.init.normal_(time.label.weight)
        if time.augment is not None:
            zeroed(time.augment)
        super().__init__(shape[0], plan, STYLE, time, dropout, attention_kernel, checkpoint)
