"""From a model's floats to pixels, by the rules that published numbers were made with: 8-bit ones but for FLOATS."""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.data import Dataset

LEVELS = "levels"
FLOATS = "floats"
# On floats in [-1, 1], before the cut to 0..255 that all share.
_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    FLOATS: lambda x: 127.5 * x + 127.5,  # as they are, where a JAX evaluation never made image files of them
    "round": lambda x: (127.5 * x + 127.5).round(),
    "edm": lambda x: (127.5 * x + 128).floor(),  # the truncation of EDM's code: to the nearest, halves up
    "floor": lambda x: (127.5 * x + 127.5).floor(),  # as Meta's and OpenAI's evaluations do it: half a level darker
}
RULES = (LEVELS, *_RULES)


def levels(data: Dataset, rule: str) -> int:
    """The largest pixel value under `rule`: the data's own ("levels"), else 255."""
    return data.levels if rule == LEVELS else 255


def to_pixels(x: Tensor, data: Dataset, rule: str) -> Tensor:
    """Of float images in [-1, 1] (clamped) by one of RULES: of the type `pixel_type`, in 0..levels."""
    return data.encode(x) if rule == LEVELS else _RULES[rule](x).clamp(0, 255).to(pixel_type(rule))


def pixel_type(rule: str) -> torch.dtype:
    """uint8, or float32 under FLOATS."""
    return torch.float32 if rule == FLOATS else torch.uint8


def stored(pixels: Tensor, data: Dataset, rule: str) -> Tensor:
    """The data's own pixels on the scale of `rule`; real 8-bit images are used as they are, whatever the rule."""
    if levels(data, rule) == data.levels:
        return pixels
    return (pixels.double() * (255 / data.levels)).round().to(torch.uint8)


def shown(pixels: Tensor, data: Dataset, rule: str) -> Tensor:
    """Pixels on the scale of `rule` as floats in [-1, 1]."""
    return pixels.float() * (2 / levels(data, rule)) - 1
