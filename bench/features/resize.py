"""Batched resizing to Inception's 299 x 299, one function per protocol's rule.

All take uint8 or float32 (B, C, H, W) in 0..255 and give float32 (B, C, 299, 299) in 0..255, on the images' device.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from methods.tools import constant

SIDE = 299


def clean(x: Tensor) -> Tensor:
    """Pillow's bicubic resize of single-channel float images, which clean-fid uses: bit for bit.

    Like Pillow: horizontal before vertical, taps added one after the other in float64, float32 after each pass, clipped at the
    end. No fused multiply-add, whose rounding would differ. Pillow 13 begins with the vertical pass where an image is taller
    than both its width and 299; this rule does not follow it there (1e-4 apart), so that no number hangs on Pillow's version.
    """
    x = _weighted_taps(x.float(), -1)
    return _weighted_taps(x, -2).clamp(0, 255)


def clean_fast(x: Tensor) -> Tensor:
    """The same as two matrix products in float32: within 1e-3 on the scale 0..255."""
    rows, columns = (constant(_matrix, n, like=x, dtype=torch.float32) for n in x.shape[-2:])
    return (rows @ (x.float() @ columns.T)).clamp(0, 255)


def tensorflow(x: Tensor) -> Tensor:
    """TensorFlow 1's resize_bilinear: source = target * H / 299, no half-pixel shift, no antialiasing, edges repeated."""
    return _lerp(_lerp(x.float(), -1), -2)


def pytorch(x: Tensor) -> Tensor:
    """torch.nn.functional.interpolate, bilinear, half-pixel centres, no antialiasing."""
    return F.interpolate(x.float(), (SIDE, SIDE), mode="bilinear", align_corners=False).clamp(0, 255)


RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "clean": clean, "clean-fast": clean_fast, "tensorflow": tensorflow, "pytorch": pytorch,
}


def normalised(pixels: Tensor, rule: str) -> Tensor:
    """What the network sees: pixels resized by `rule` and scaled to about [-1, 1] as that rule's protocol does.

    (x - 128) / 128 as in TensorFlow's graph, 2 x / 255 - 1 for "pytorch". pixels: (B, C, H, W) in 0..255.
    """
    x = RULES[rule](pixels)
    return 2 * (x / 255) - 1 if rule == "pytorch" else (x - 128) / 128


@lru_cache(maxsize=8)
def coefficients(size: int) -> tuple[np.ndarray, np.ndarray]:
    """(source index, weight), both (299, taps), of Pillow's bicubic resize from `size` pixels, unused taps with weight zero.

    Keys' cubic with a = -1/2, stretched by the scale when shrinking (antialiasing); pixels outside are left out and the
    weights divided by their sum.
    """
    scale = size / SIDE
    stretch = max(scale, 1.0)
    support = 2.0 * stretch
    taps = int(np.ceil(support)) * 2 + 1
    centre = (np.arange(SIDE) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(int), 0)
    last = np.minimum((centre + support + 0.5).astype(int), size)
    index = first[:, None] + np.arange(taps)
    weight = np.where(index < last[:, None], _cubic((index - centre[:, None] + 0.5) * (1 / stretch)), 0.0)
    total = np.zeros(SIDE)
    for tap in range(taps):  # numpy's own sum adds in pairs, Pillow's one after the other
        total += weight[:, tap]
    used = np.flatnonzero((weight != 0).any(0)).max() + 1
    return np.minimum(index, size - 1)[:, :used], (weight / total[:, None])[:, :used]


def _cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _weighted_taps(x: Tensor, axis: int) -> Tensor:
    size, shape = x.shape[axis], (SIDE, 1) if axis == -2 else (SIDE,)
    index, weight = (constant(_taps, size, part, like=x, dtype=kind) for part, kind in enumerate((torch.int64, torch.float64)))
    x = x.double()
    total: Tensor | float = 0.0
    for i, w in zip(index, weight, strict=True):
        total = x.index_select(axis, i).mul_(w.view(shape)).add_(total)
    assert isinstance(total, Tensor)
    return total.float()


def _taps(size: int, part: int) -> Tensor:
    """One of `coefficients`, (taps, 299)."""
    return torch.from_numpy(np.ascontiguousarray(coefficients(size)[part].T))


def _matrix(size: int) -> Tensor:
    index, weight = coefficients(size)
    matrix = np.zeros((SIDE, size))
    np.add.at(matrix, (np.arange(SIDE)[:, None], index), weight)
    return torch.from_numpy(matrix)


def _lerp(x: Tensor, axis: int) -> Tensor:
    size = x.shape[axis]
    position = torch.arange(SIDE, dtype=torch.float32, device=x.device) * torch.tensor(size / SIDE, dtype=torch.float32)
    low = position.long()
    share = (position - low).view((SIDE, 1) if axis == -2 else (SIDE,))
    before, after = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=size - 1))
    return before + (after - before) * share
