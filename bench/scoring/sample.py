"""Sampling: whole chunks of one size, noise as a function of (evaluation seed, sample index), calls counted.

The chunk is fixed by the protocol, so a sample's bits do not depend on how many are asked for at once. Noise is drawn
on the CPU: the same on every device.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.training import generator
from methods.base import Method, Models
from methods.tools import everywhere


@dataclass(frozen=True)
class Sampler:
    """Draws samples of one model. chunk: rows per network call; shape: of one sample; seed: the evaluation seed.

    papers: two steps stop where the method's paper tuned it (`Method.sampling_times`).
    """

    method: Method
    models: Models
    shape: tuple[int, ...]
    seed: int
    chunk: int
    device: torch.device
    condition: int | None = None
    papers: bool = False

    def noise(self, index: int, purpose: str = "x_0") -> Tensor:
        """Standard normal (chunk, *shape) of chunk number `index`, on the device."""
        g = generator("cpu", "evaluation", self.seed, purpose, index)
        return torch.randn((self.chunk, *self.shape), generator=g).to(self.device)

    @torch.no_grad()
    def draw(self, index: int, steps: int) -> Tensor:
        """The samples of chunk number `index` after `steps` jumps, float (chunk, *shape)."""
        method, path = self.method, self.method.interpolant
        at = method.sampling_times(steps, self.papers).to(torch.float32)  # on the CPU: nothing is asked of the device
        c = None if self.condition is None else torch.full((self.chunk,), self.condition, device=self.device)
        # A clock that does not reach t = 0 starts from the noise part alone, as its papers do.
        x = path.alpha(at[0]).item() * path.base_scale * self.noise(index)
        for k in range(steps):
            if method.needs.rule == "hop":
                x = method.jump_together(self.models, x, at[k], at[k + 1], c)
                continue
            x = method.jump_together(self.models, x, at[k], at[-1], c)
            if k + 1 < steps:
                x = path.point(path.base_scale * self.noise(index, f"renoise {k}"), x, everywhere(at[k + 1], x))
        return x

    def batches(self, n: int, steps: int, batch: int) -> Iterator[Tensor]:
        """n samples in batches of `batch` (the last one shorter), on the device. Bits do not depend on `batch`."""
        held: list[Tensor] = []
        have = sent = index = 0
        while sent < n:
            want = min(batch, n - sent)
            while have < want:
                held.append(self.draw(index, steps))
                have, index = have + self.chunk, index + 1
            whole = torch.cat(held)
            yield whole[:want]
            held, have, sent = [whole[want:]], have - want, sent + want
