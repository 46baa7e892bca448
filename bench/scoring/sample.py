"""Sampling: whole chunks of one size, noise as a function of (evaluation seed, sample index), calls counted.

The chunk is fixed by the protocol, so a sample's bits do not depend on how many are asked for at once. Noise is drawn
on the CPU: the same on every device.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.processes import Ranks
from bench.scoring.labels import Guidance, Labels
from bench.training import generator
from methods.base import Method, Models
from methods.tools import Guided, everywhere, with_scale

ALONE = Ranks()


@dataclass(frozen=True)
class Sampler:
    """Draws samples of one model. chunk: rows per network call; shape: of one sample; seed: the evaluation seed.

    labels: which classes, of a conditional model. papers: two steps stop where the method's paper tuned it
    (`Method.sampling_times`). guidance: of a conditional velocity model, or of a network that is told
    its scale.
    """

    method: Method
    models: Models
    shape: tuple[int, ...]
    seed: int
    chunk: int
    device: torch.device
    labels: Labels | None = None
    papers: bool = False
    guidance: Guidance | None = None

    def noise(self, index: int, purpose: str = "x_0") -> Tensor:
        """Standard normal (chunk, *shape) of chunk number `index`, on the device."""
        g = generator("cpu", "evaluation", self.seed, purpose, index)
        pinned = self.device.type == "cuda" and torch.cuda.is_available()
        # In pinned memory the host need not wait for the copy: it draws the next chunk's while a GPU is busy with this one.
        drawn = torch.randn((self.chunk, *self.shape), generator=g, pin_memory=pinned)
        return drawn.to(self.device, non_blocking=True)

    def classes(self, n: int) -> Tensor | None:
        """Those of the first n samples, int64 (n,) on the CPU; None of a model that is told none."""
        if self.labels is None:
            return None
        return torch.cat([self.labels.drawn(self.seed, i, self.chunk) for i in range(-(-n // self.chunk))])[:n]

    @torch.no_grad()
    def draw(self, index: int, steps: int) -> Tensor:
        """The samples of chunk number `index` after `steps` jumps, float (chunk, *shape)."""
        method, path = self.method, self.method.interpolant
        at = method.sampling_times(steps, self.papers).to(torch.float32)  # on the CPU: nothing is asked of the device
        c = None if self.labels is None else self.labels.drawn(self.seed, index, self.chunk).to(self.device)
        # A clock that does not reach t = 0 starts from the noise part alone, as its papers do.
        x = path.alpha(at[0]).item() * path.base_scale * self.noise(index)
        for k in range(steps):
            models, told = self._models(float(at[k])), self._told(c, float(at[k]))
            if method.needs.rule == "hop":
                x = method.jump_together(models, x, at[k], at[k + 1], told)
                continue
            x = method.jump_together(models, x, at[k], at[-1], told)
            if k + 1 < steps:
                x = path.point(path.base_scale * self.noise(index, f"renoise {k}"), x, everywhere(at[k + 1], x))
        return x

    def _models(self, time: float) -> Models:
        """The networks of a step that begins at this time: without guidance those that there are, and nothing around them."""
        if self.guidance is None or self.labels is None or self.method.needs.scale or not self.guidance.holds(time):
            return self.models
        return {**self.models, "net": Guided(self.models["net"], self.guidance.scale, self.labels.null)}

    def _told(self, classes: Tensor | None, time: float) -> Tensor | None:
        """What the network is told in a step that begins at this time: classes, and the scale where that is an input of it.

        Where the step is not guided that is 1, or what it was trained for that is nearest.
        """
        if classes is None or (trained := self.method.needs.scale) is None:
            return classes
        guided = self.guidance is not None and self.guidance.holds(time)
        scale = self.guidance.scale if guided else min(max(1.0, trained[0]), trained[1])  # type: ignore[union-attr]
        return with_scale(classes, torch.full((len(classes),), scale, device=classes.device))

    def batches(self, n: int, steps: int, batch: int, ranks: Ranks = ALONE) -> Iterator[Tensor]:
        """n samples in batches of `batch` (the last one shorter), on the device. Bits do not depend on `batch`.

        Of several ranks each draws its chunks: their batches in the order of the ranks are the n samples.
        """
        chunks = ranks.piece(-(-n // self.chunk))
        left = max(0, min(n, chunks.stop * self.chunk) - chunks.start * self.chunk)
        held: list[Tensor] = []
        have, index = 0, chunks.start
        while left:
            want = min(batch, left)
            while have < want:
                held.append(self.draw(index, steps))
                have, index = have + self.chunk, index + 1
            whole = torch.cat(held)
            yield whole[:want]
            held, have, left = [whole[want:]], have - want, left - want
