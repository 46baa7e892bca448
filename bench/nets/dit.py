"""The diffusion transformer (DiT, SiT) with two times: tokens of an image or of a latent, modulated by time and class.

    h <- h + g_1 attention( a_1 * norm(h) + b_1 ),      h <- h + g_2 mlp( a_2 * norm(h) + b_2 )

Patches of p x p pixels are tokens, with a fixed table of sines and cosines for their places. (a - 1, b, g) of all blocks come
from one product of the embedded time, and are zero before training (adaLN-zero). The residual stream stays in float32.

Counted are the parameters that are trained, those of SiT without the second half of its output (a variance, which no velocity
has): 32,858,896 (S/2), 130,303,504 (B/2), 457,824,272 (L/2) and 674,816,272 (XL/2) on 4 x 32 x 32 latents of 1000 classes, and
the gap's layer, 256 x width, besides.

Reference: Peebles & Xie (arXiv 2212.09748); Ma et al. (arXiv 2401.08740).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.layers import (
    KERNELS,
    Kernel,
    Linear,
    Mask,
    Modulated,
    affine,
    angles,
    at_least_float32,
    keyed_dropout,
    mixed,
    positional,
    zeroed,
)
from bench.nets.unet import CHECKPOINTS, Checkpoint

FEATURES = 256  # sines and cosines of a time
RATIO = 4  # of the MLP's hidden layer to the tokens' width


class DiT(Modulated):
    """net(x, s, t, condition=None, dropout=None) -> v, shape and dtype of x (B, C, H, W); s, t (B,), in any order.

    The output is zero before training. Dropout acts on each block's hidden layer, under the names "block0", "block1", ...
    With classes, `condition` None is a class of its own. Raises ValueError for sides that `patch` does not divide, and for
    a width that is no multiple of 4 and of `heads`.
    """

    def __init__(
        self, shape: tuple[int, ...], *, patch: int = 2, width: int = 384, depth: int = 12, heads: int = 6,
        attention_kernel: str = "exact", dropout: float = 0.0, time_scale: float = 1.0, classes: int = 0,
        checkpoint: str = "none",
    ) -> None:
        super().__init__()
        _check(shape, patch, width, heads)
        features = shape[0] * patch**2
        self.patch = patch
        self.stem = _linear(features, width)
        self.register_buffer("places", places(shape[1] // patch, shape[2] // patch, width), persistent=False)
        keep, kernel = CHECKPOINTS[checkpoint], KERNELS[attention_kernel]
        self.blocks = nn.ModuleList(Block(width, heads, dropout, f"block{i}", kernel, keep) for i in range(depth))
        self.head = zeroed(Linear(width, features))
        self.time = GapEmbedding(width, time_scale, classes)
        self.modulation = zeroed(Linear(width, (6 * depth + 2) * width))
        self.widths = [width] * depth
        self.early = 6 * width * max(1, 2 * depth // 3)
        self.mixing = nn.ModuleList()

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        changes = self.changes(s, t, condition).reshape(len(x), -1, 1, self.widths[0])
        small = F.pixel_unshuffle(x, self.patch)
        h = _shifted(at_least_float32(self.stem(small.flatten(2).transpose(1, 2))), self.get_buffer("places"))
        for i, block in enumerate(self.blocks):
            h = block(h, changes[:, 6 * i : 6 * i + 6], dropout)
            h = mixed(self.mixing, i, h.transpose(1, 2)).transpose(1, 2)
        out: Tensor = self.head(modulated(h, changes[:, -2], changes[:, -1]))
        return F.pixel_shuffle(out.transpose(1, 2).reshape(small.shape), self.patch).to(x.dtype)


class Block(nn.Module):
    """(B, tokens, width), (B, 6, 1, width) -> the tokens after attention and after an MLP, each scaled, shifted and gated."""

    def __init__(self, width: int, heads: int, rate: float, name: str, kernel: Kernel, keep: Checkpoint) -> None:
        super().__init__()
        self.heads, self.rate, self.name, self.kernel, self.keep = heads, rate, name, kernel, keep
        self.qkv, self.project = _linear(width, 3 * width), _linear(width, width)
        self.up, self.down = _linear(width, RATIO * width), _linear(RATIO * width, width)

    def forward(self, h: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        return self.keep.block(lambda h, change: self._moved(h, change, dropout), h, change)

    def _moved(self, h: Tensor, change: Tensor, dropout: Mask | None) -> Tensor:
        def hidden(h: Tensor) -> Tensor:
            return keyed_dropout(F.gelu(h, approximate="tanh"), self.rate, self.name, dropout)

        scale, shift, gate, then_scale, then_shift, then_gate = change.unbind(1)
        attended = self._attention(self.keep.norm(modulated, h, scale, shift))
        h = torch.addcmul(h, at_least_float32(attended), gate)
        wide = self.keep.norm(hidden, self.up(self.keep.norm(modulated, h, then_scale, then_shift)))
        return torch.addcmul(h, at_least_float32(self.down(wide)), then_gate)

    def _attention(self, h: Tensor) -> Tensor:
        q, k, v = self.qkv(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, tokens, width / heads)
        out: Tensor = self.project(self.kernel(q, k, v).transpose(1, 2).flatten(2))
        return out


class GapEmbedding(nn.Module):
    """silu( W_2 silu( W_1 e(s) + W (e(t-s) - e(0)) ) + class ): (B,), (B,) -> (B, width).

    e is sinusoidal with angular frequencies from `scale` down to scale / 10000. On the diagonal the gap's features are
    exactly zero, and so is W before training, as in `TimeEmbedding`.
    """

    frequencies: Tensor

    def __init__(self, width: int, scale: float, classes: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * positional(FEATURES // 2, endpoint=False), persistent=False)
        self.start, self.second = _linear(FEATURES, width), _linear(width, width)
        self.gap = zeroed(Linear(FEATURES, width, bias=False))
        self.label = nn.Embedding(classes + 1, width) if classes else None  # the last one is the null class
        for weight in (self.start.weight, self.second.weight, *(self.label.parameters() if self.label else ())):
            nn.init.normal_(weight, std=0.02)

    def forward(self, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        angle, turn = angles(s, self.frequencies), angles(t - s, self.frequencies)
        turned = affine(lambda c: c - 1, lambda dc: dc, turn.cos())
        h = self.start(torch.cat([angle.cos(), angle.sin()], 1)) + self.gap(torch.cat([turned, turn.sin()], 1))
        h = self.second(F.silu(h))
        if self.label is None:
            if condition is not None:
                raise ValueError("the network was built without classes (backbone.classes=0) and got class labels")
            return F.silu(h)
        label = self.label.weight[-1] if condition is None else self.label(condition)
        return F.silu(_shifted(h, label))


def modulated(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(1 + scale) * norm(h) + shift, with the layer norm of tokens without parameters.

    It is computed as a group norm: the gradient through the tangent of F.layer_norm is wrong (PyTorch 2.14).
    """
    white = F.group_norm(h.flatten(0, 1), 1, eps=1e-6).view(h.shape)
    return torch.addcmul(shift, white, 1 + scale)


def places(rows: int, columns: int, width: int) -> Tensor:
    """(rows * columns, width): sines and cosines of each token's column, then those of its row."""
    turn = positional(width // 4, endpoint=False)
    column, row = (angles(torch.arange(n).float(), turn) for n in (columns, rows))
    column, row = (torch.cat([angle.sin(), angle.cos()], 1) for angle in (column, row))
    table = torch.cat([column.expand(rows, -1, -1), row[:, None].expand(-1, columns, -1)], 2)
    return table.flatten(0, 1)


def _linear(inputs: int, outputs: int) -> Linear:
    layer = Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _shifted(h: Tensor, by: Tensor) -> Tensor:
    return affine(lambda h: h + by, lambda dh: dh, h, by)


def _check(shape: tuple[int, ...], patch: int, width: int, heads: int) -> None:
    if len(shape) != 3:
        raise ValueError(f"backbone.name=dit needs images (C, H, W), and this data has shape {shape}: use mlp")
    if shape[1] % patch or shape[2] % patch:
        raise ValueError(f"backbone.patch={patch} does not divide the sides of this data, {shape[1]} x {shape[2]}")
    if width % heads or width % 4:
        raise ValueError(f"backbone.width={width} must be a multiple of 4 and of backbone.heads={heads}")
