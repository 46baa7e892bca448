"""Randomness as a pure function: every draw is keyed by (seed, purpose, step), and a sample's share of it by its index.

One generator is seeded per draw and fills the whole global batch; a rank or micro-batch takes its rows. No generator
state outlives a draw, which is why a restart is exact. Numbers differ between device types (each has its own
generator algorithm), never between slicings of the batch.

Dropout needs a number for every activation, too many to draw the whole batch's: they are hashed where they are used, by
integer arithmetic that is the same on every device.
"""

import hashlib
from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

GOLDEN, FIRST, SECOND = (c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # as int64
PLACES = 2**40  # where the numbers of places begin in a stream: behind those of all rows


def key(*parts: object) -> int:
    """A 63-bit seed from any printable parts."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(device: torch.device | str, *parts: object) -> torch.Generator:
    """A fresh generator on `device` keyed by `parts`."""
    return torch.Generator(device=device).manual_seed(key(*parts))


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


class StepDraws:
    """The `methods.base.Draws` of one training step and one slice of its batch."""

    def __init__(
        self, seed: int, step: int, rows: range, batch: int, device: torch.device,
        dtype: torch.dtype = torch.float32, training: bool = True,
    ) -> None:
        """rows: the slice's global sample indices, within range(batch). training False switches dropout off."""
        self.rows, self._seed, self._step, self._batch = rows, seed, step, batch
        self.device, self._dtype, self._training = device, dtype, training
        self._whole: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return self._rows("uniform", torch.rand, purpose, shape)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        return self._rows("normal", torch.randn, purpose, shape)

    def common(self, purpose: str) -> float:
        return torch.rand((), generator=generator("cpu", self._seed, purpose, self._step)).item()

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Callable[[str, tuple[int, ...]], Tensor] | None:
        if not self._training:
            return None
        step = torch.full((), key(self._seed, "dropout", purpose, self._step), dtype=torch.int64, device=self.device)
        rows = torch.arange(self.rows.start, self.rows.stop, device=self.device)
        seen = rows if positions is None else rows[positions]

        def mask(name: str, shape: tuple[int, ...]) -> Tensor:
            return hashed(step + folded(name), seen, prod(shape[1:])).view(shape)

        return mask

    def slice(self, rows: range) -> "StepDraws":
        """The same step seen by another slice of the batch; whole-batch tensors already drawn are shared."""
        other = StepDraws(self._seed, self._step, rows, self._batch, self.device, self._dtype, self._training)
        other._whole = self._whole
        return other

    def _rows(self, kind: str, draw: Callable[..., Tensor], purpose: str, shape: tuple[int, ...]) -> Tensor:
        name = (kind, purpose, shape)
        if name not in self._whole:
            meta = self.device.type == "meta"  # it has shapes and no numbers
            g = None if meta else generator(self.device, self._seed, kind, purpose, self._step)
            whole = draw((self._batch, *shape), generator=g, device=self.device, dtype=self._dtype)
            if len(self.rows) == self._batch:
                return whole
            self._whole[name] = whole  # kept only where several slices share it
        return self._whole[name][self.rows.start : self.rows.stop]
