"""Dropout masks by a hash: a pure function of the step, the layer, the sample and the place in it.

A pass needs a number for every activation, too many to draw the whole batch's: they are hashed where they are used, by
integer arithmetic that is the same on every device and that a compiler can follow.
"""

from math import prod

import torch
from torch import Tensor

from methods.tools import Mask

GOLDEN, FIRST, SECOND = (c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # as int64
PLACES = 2**40  # where the numbers of places begin in a stream: behind those of all rows


def folded(name: str) -> int:
    """A 63-bit number of a name (FNV-1a), by arithmetic that a compiler can follow, as it cannot `key`."""
    number = 0xCBF29CE484222325
    for byte in name.encode():
        number = (number ^ byte) * 0x100000001B3 % 2**63
    return number


def splitmix(seed: Tensor, n: Tensor) -> Tensor:
    """The n-th numbers, uniform over int64, of the SplitMix64 stream of `seed`.

    Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. All are int64, which wraps around.
    """
    z = seed + n * GOLDEN
    z = (z ^ _shifted(z, 30)) * FIRST
    z = (z ^ _shifted(z, 27)) * SECOND
    return z ^ _shifted(z, 31)


def hashed(seed: Tensor, rows: Tensor, places: int) -> Tensor:
    """(len(rows), places) numbers, uniform over int64, as a pure function of the seed, the row and the place.

    Multiply-shift hashing (Dietzfelbinger, STACS 1996; Thorup, arXiv 1504.06804): a_i h_e + b_i with random a and b for each
    row and h for each place. In the high bits, entries are independent in pairs and rows altogether. It is one pass over the
    result; a mixer of every entry would be a dozen.
    """
    place = torch.arange(PLACES, PLACES + places, device=rows.device)
    numbers = splitmix(seed, torch.cat([2 * rows, 2 * rows + 1, place]))
    a, b, h = torch.split(numbers, [len(rows), len(rows), places])
    return torch.addcmul(b[:, None], a[:, None], h)


def _shifted(z: Tensor, by: int) -> Tensor:
    """z >> by as of an unsigned number."""
    shifted: Tensor = (z >> by) & (2 ** (64 - by) - 1)
    return shifted


def masks(step: Tensor, rows: Tensor) -> Mask:
    """Those of a pass over some samples. step: its key, a number int64; rows: indices of the samples in the global batch."""

    def mask(name: str, shape: tuple[int, ...]) -> Tensor:
        return hashed(step + folded(name), rows, prod(shape[1:])).view(shape)

    return mask
