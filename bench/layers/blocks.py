"""Building blocks that survive forward-mode AD, backward through it, `torch.compile`, float64 and bfloat16.

Three habits of ordinary networks break in that list and are avoided here: affine parameters inside `F.group_norm`
(compiled forward mode), fused attention (no forward-mode formula) and dropout from a global generator (two passes of
one objective could not share a mask).
"""

from collections.abc import Callable
from math import log, sqrt
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from bench.layers.affine import Linear, affine
from bench.layers.precision import at_least_float32
from methods.tools import softmax

Mask = Callable[[str, tuple[int, ...]], Tensor]
Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
Layer = TypeVar("Layer", bound=nn.Module)

OCTAVES = 5  # frequencies run from the scale down to scale / 32; slower ones are constants on the unit interval


def frequencies(count: int, scale: float) -> Tensor:
    """`count` angular frequencies in geometric progression, the largest equal to `scale` (radians per unit time)."""
    return scale * torch.exp(-log(2.0) * OCTAVES * torch.arange(count) / max(count - 1, 1))


def angles(time: Tensor, frequencies: Tensor) -> Tensor:
    """Each time by each frequency: (B,), (n,) -> (B, n)."""

    def turn(time: Tensor) -> Tensor:
        return time[:, None] * frequencies

    return affine(turn, turn, time)


class TimeEmbedding(nn.Module):
    """silu of a linear map of e(s) and of e(t-s) - e(0), plus a class vector: (B,), (B,) -> (B, width).

    e is sinusoidal with angular frequencies up to `scale`. Keep `scale` below about 10: objectives differentiate the
    network in s and t, and the derivative grows with it. On the diagonal the gap's features are exactly zero, and so is
    its weight before training: a network trained at s = t only does not depend on t at all, whatever the optimizer.
    The last class vector is that of the null class, and of `condition` None.
    """

    frequencies: Tensor

    def __init__(self, width: int, scale: float, classes: int = 0) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"backbone.embedding must be an even number of at least 2, got {width}")
        self.register_buffer("frequencies", frequencies(width // 2, scale), persistent=False)
        self.start = linear(width, width)
        self.gap = zeroed(Linear(width, width, bias=False))
        self.label = nn.Embedding(classes + 1, width) if classes else None

    def forward(self, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        angle, turn = angles(s, self.frequencies), angles(t - s, self.frequencies)
        turned = affine(lambda c: c - 1, lambda dc: dc, turn.cos())
        h = self.start(torch.cat([angle.sin(), angle.cos()], 1)) + self.gap(torch.cat([turn.sin(), turned], 1))
        if self.label is not None:
            h = h + (self.label.weight[-1] if condition is None else self.label(condition))
        elif condition is not None:
            raise ValueError("the network was built without classes (backbone.classes=0) and got class labels")
        return F.silu(h)


def linear(inputs: int, outputs: int, bias: bool = True) -> Linear:
    """A linear layer that keeps the variance of a white input; zero bias."""
    layer = Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=1 / sqrt(inputs))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def zeroed(layer: Layer) -> Layer:
    """The same layer with all parameters zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def modulation(inputs: int, widths: list[int]) -> Linear:
    """One linear map to the (scale, shift) pairs of all blocks, concatenated as scale_0, shift_0, scale_1, ...

    Scales are 1 and shifts 0 before training, plus a random function of the input. One large product is cheaper than
    one per block, above all under forward mode, where every operation counts twice.
    """
    layer = linear(inputs, 2 * sum(widths))
    scales = torch.cat([torch.cat([torch.ones(w), torch.zeros(w)]) for w in widths])
    with torch.no_grad():
        layer.bias.copy_(scales)
    return layer


def keyed_dropout(x: Tensor, rate: float, name: str, dropout: Mask | None) -> Tensor:
    """Zero the entries whose number under `name` is among the lowest `rate` of all, and rescale. None or rate 0: x itself."""
    if dropout is None or rate == 0:
        return x
    keep = dropout(name, tuple(x.shape)) >= int(rate * 2**64) - 2**63

    def kept(x: Tensor) -> Tensor:  # the backward pass holds `keep`, a byte an entry; the result is laid out as x is
        return x * (1 / (1 - rate)) * keep

    return affine(kept, kept, x)


def normalized(x: Tensor, groups: int) -> Tensor:
    """Group normalisation without parameters, computed in float32 at least and returned in the dtype of x."""
    return F.group_norm(at_least_float32(x), groups).to(x.dtype)


def groups_of(channels: int) -> int:
    """The largest divisor of `channels` up to 32 that leaves at least four channels in a group (1 if none does)."""
    return max(g for g in range(1, 33) if channels % g == 0 and (g == 1 or channels // g >= 4))


class GroupNorm(nn.Module):
    """Equal to nn.GroupNorm with affine parameters; these are applied outside F.group_norm (see the module)."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups, self.eps = groups_of(channels), eps
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, white = self.weight, self.bias, F.group_norm(at_least_float32(x), self.groups, eps=self.eps)
        h = affine(lambda h: torch.addcmul(bias, h, weight), lambda dh: dh * weight, white, weight, bias)
        return h.to(x.dtype)


def exact_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for (..., tokens, d), written out: differentiable in every mode on every device."""
    scores = q @ (k * k.shape[-1] ** -0.5).transpose(-2, -1)
    return softmax(at_least_float32(scores), dim=-1).to(v.dtype) @ v


def fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same by PyTorch's fused kernels, which keep no (tokens, tokens) matrix; they have no forward mode."""
    if unpack_dual(q).tangent is not None:
        return exact_attention(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


KERNELS: dict[str, Kernel] = {"exact": exact_attention, "fused": fused_attention}


class Attention(nn.Module):
    """Self-attention over the pixels of (B, C, H, W), without the residual; zero before training."""

    def __init__(self, channels: int, kernel: Kernel, heads: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        self.kernel, self.heads = kernel, heads
        self.norm = GroupNorm(channels, eps)
        self.qkv = linear(channels, 3 * channels)
        self.project = zeroed(Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        mixed = self.kernel(*(self._apart(part) for part in self.qkv(tokens).chunk(3, dim=-1)))
        out: Tensor = self.project(mixed if self.heads == 1 else mixed.transpose(1, 2).flatten(2))
        return out.transpose(1, 2).reshape(x.shape)

    def _apart(self, tokens: Tensor) -> Tensor:
        """(B, tokens, C) -> (B, heads, tokens, C / heads); one head as it is."""
        return tokens if self.heads == 1 else tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)
