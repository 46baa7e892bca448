"""Mixing over time slots: what turns a network of single times into an operator from noise to whole trajectories.

    h <- h + LeakyReLU(K h),     K h = irFFT( R_k rFFT(h)_k ),   k = 0 ... modes - 1,   over the slots

One complex matrix R_k (channels x channels) per kept frequency, the same at every pixel: nothing is mixed in space. The
slots are few, so the transforms are small constant matrices, and the arithmetic is real: it has every derivative, any
precision and deterministic sums on every device. It runs in the precision of its matrices, float32 or more.

Reference: Zheng et al. (arXiv 2211.13449), Section 3.2. R starts at zero instead of at random numbers of the size
1 / channels^2: the operator then starts as the network that it is made from.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mixing(nn.Module):
    """(rows, channels, ...) -> the same shape and dtype; rows are groups of `slots` neighbours. The identity before training.

    modes counts frequencies from 0; there are slots // 2 + 1. Frequencies 0 and slots / 2 of a real signal are real, and
    have no imaginary part of R. Raises ValueError for a number of rows that is not a multiple of `slots`.
    """

    basis: Tensor
    inverse: Tensor

    def __init__(self, channels: int, slots: int, modes: int) -> None:
        super().__init__()
        if not 1 <= modes <= slots // 2 + 1:
            raise ValueError(f"{slots} time slots have 1 to {slots // 2 + 1} frequencies, got modes={modes}")
        waves = [k for k in range(modes) if 2 * k not in (0, slots)]  # those with a sine, 1, 2, ...
        self.slots, self.modes, self.waves = slots, modes, slice(1, 1 + len(waves))
        self.real = nn.Parameter(torch.zeros(modes, channels, channels))  # [k, in, out]
        self.imaginary = nn.Parameter(torch.zeros(len(waves), channels, channels)) if waves else None
        n = torch.arange(slots, dtype=torch.float64)
        angles = 2 * math.pi / slots * n * torch.arange(modes)[:, None]
        basis = torch.cat([angles.cos(), -angles[self.waves].sin()])  # (q, slots): real parts, then imaginary ones
        twice = torch.tensor([2.0 if k in waves else 1.0 for k in [*range(modes), *waves]], dtype=torch.float64)
        self.register_buffer("basis", basis, persistent=False)
        self.register_buffer("inverse", basis * twice[:, None] / slots, persistent=False)  # float64 until cast

    def forward(self, h: Tensor) -> Tensor:
        if h.shape[0] % self.slots:
            raise ValueError(f"{h.shape[0]} rows are not groups of {self.slots} time slots")
        dtype = self.real.dtype
        wide = h.to(dtype).reshape(-1, self.slots, h.shape[1], h[0, 0].numel())
        found = torch.einsum("qn,bncp->qbcp", self.basis.to(dtype), wide)
        product = _times(found, torch.cat([self.real, self.real[self.waves]]))
        if self.imaginary is not None:
            real, imaginary = found[self.waves], found[self.modes :]
            turned = _times(torch.cat([-imaginary, real]), self.imaginary.repeat(2, 1, 1))
            zero = torch.zeros_like(product[: self.modes - len(real) - 1])  # at frequency slots / 2, if it is kept
            product = product + torch.cat([torch.zeros_like(product[:1]), turned[: len(real)], zero, turned[len(real) :]])
        change = torch.einsum("qn,qbcp->bncp", self.inverse.to(dtype), product)
        return h + F.leaky_relu(change).reshape(h.shape).to(h.dtype)


def mixed(mixing: nn.ModuleList, i: int, h: Tensor) -> Tensor:
    """The i-th mixing applied to h; h itself where the network has none."""
    return mixing[i](h) if len(mixing) else h


def _times(x: Tensor, matrices: Tensor) -> Tensor:
    """(q, B, C, P) by (q, C, C'), at every pixel."""
    return torch.einsum("qbip,qio->qbop", x, matrices)
