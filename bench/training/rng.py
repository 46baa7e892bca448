"""Randomness as a pure function: every draw is keyed by (seed, purpose, step), and a sample's share of it by its index.

One generator is seeded per draw and fills the whole global batch; a rank or micro-batch takes its rows. No generator
state outlives a draw, which is why a restart is exact. Numbers differ between device types (each has its own
generator algorithm), never between slicings of the batch.

Dropout has too many numbers for that: a draw is the key of a step, and its masks are hashed from it (bench/layers/masks.py).
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from bench.nets import masks
from bench.processes import Place
from methods.tools import Mask, for_real


def key(*parts: object) -> int:
    """A 63-bit seed from any printable parts."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(device: torch.device | str, *parts: object) -> torch.Generator:
    """A fresh generator on `device` keyed by `parts`."""
    return torch.Generator(device=device).manual_seed(key(*parts))


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

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Mask | None:
        if (step := self.key(purpose)) is None:
            return None
        rows = self.indices()
        return masks(step, rows if positions is None else rows[positions])

    def split(self, share: float) -> tuple[Tensor, Tensor]:
        return _split(self.rows, share, self.device)

    def key(self, purpose: str) -> Tensor | None:
        """Of this step's masks, int64; None where dropout is off."""
        if not self._training:
            return None
        return torch.full((), key(self._seed, "dropout", purpose, self._step), dtype=torch.int64, device=self.device)

    def indices(self) -> Tensor:
        """`rows` on the device."""
        return torch.arange(self.rows.start, self.rows.stop, device=self.device)

    def slice(self, rows: range) -> "StepDraws":
        """The same step seen by another slice of the batch; whole-batch tensors already drawn are shared."""
        other = StepDraws(self._seed, self._step, rows, self._batch, self.device, self._dtype, self._training)
        other._whole = self._whole
        return other

    @property
    def place(self) -> Place:
        """Where in a training this is."""
        return Place(self._seed, self._step, self.rows.start, self.rows.stop)

    def later(self, steps: int) -> "StepDraws":
        """The same slice of the step that comes so many later."""
        return StepDraws(self._seed, self._step + steps, self.rows, self._batch, self.device, self._dtype, self._training)

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


@lru_cache(maxsize=256)
def _split(rows: range, share: float, device: torch.device) -> tuple[Tensor, Tensor]:
    if device.type == "meta":  # as many as there would be
        count = int(rows.stop * share + 1e-9) - int(rows.start * share + 1e-9)
        like = torch.empty(0, dtype=torch.int64, device=device)
        return like.new_empty(count), like.new_empty(len(rows) - count)
    inside, outside = for_real(_positions, rows, share)
    return inside.to(device), outside.to(device)


def _positions(rows: range, share: float) -> tuple[Tensor, Tensor]:
    i = torch.arange(rows.start, rows.stop, dtype=torch.float64)
    inside = torch.floor((i + 1) * share + 1e-9) > torch.floor(i * share + 1e-9)
    return inside.nonzero()[:, 0], (~inside).nonzero()[:, 0]
