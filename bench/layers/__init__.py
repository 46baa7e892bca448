"""What networks are built of, in every mode of differentiation and precision. Nothing that is a network of its own."""

from bench.layers.affine import Conv2d, Linear, affine, scaled
from bench.layers.blocks import (
    KERNELS,
    Attention,
    GroupNorm,
    Kernel,
    Mask,
    TimeEmbedding,
    angles,
    exact_attention,
    frequencies,
    fused_attention,
    groups_of,
    keyed_dropout,
    linear,
    modulation,
    normalized,
    zeroed,
)
from bench.layers.labels import one_hot, parted, told
from bench.layers.magnitude import FLOOR, MPConv, MPLinear, added_norm, mp_cat, mp_silu, mp_sum, pixel_norm, project
from bench.layers.masks import hashed, masks, splitmix
from bench.layers.modulated import Modulated
from bench.layers.precision import at_least_float32, lowered
from bench.layers.recompute import recomputed, recomputed_in_forward_mode
from bench.layers.resample import Down, Up, doubled
from bench.layers.scaling import Scaling
from bench.layers.temporal import Mixing, mixed
from bench.layers.times import Times, fourier, half, positional
from bench.layers.weight import Weight

__all__ = [
    "FLOOR", "KERNELS", "Attention", "Conv2d", "Down", "GroupNorm", "Kernel", "Linear", "MPConv", "MPLinear", "Mask",
    "Mixing", "Modulated", "Scaling", "TimeEmbedding", "Times", "Up", "Weight", "added_norm", "affine", "angles",
    "at_least_float32", "doubled", "exact_attention", "fourier", "frequencies", "fused_attention", "groups_of", "half",
    "hashed", "keyed_dropout", "linear", "lowered", "masks", "mixed", "modulation", "mp_cat", "mp_silu", "mp_sum",
    "normalized", "one_hot", "parted", "pixel_norm", "positional", "project", "recomputed", "recomputed_in_forward_mode",
    "scaled", "splitmix", "told", "zeroed",
]  # fmt: skip
