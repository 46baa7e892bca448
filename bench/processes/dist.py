"""One training by several processes: each takes its rows of the global batch, and gradients are summed after backward.

Wrapping the networks would miss objectives that call them under forward mode or several times a step, so nothing is
wrapped: losses are divided by the global batch and gradients are added up before they are clipped. Every process then
takes the same step with the same numbers. The surroundings are those of torchrun and of submitit
(RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT).

Rank 0 decides and writes. What the ranks must agree on goes over a group of its own on the CPU, so that it neither waits
for a device nor ends with the time limit of a gradient's sum while rank 0 does something long.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from bench.config import ConfigError, unshared

BUCKET = 2**24  # elements that are summed at once: bounds the memory of the flat copies
PATIENCE = timedelta(days=7)  # of a rank that waits for rank 0's word
PULSE = 0.5  # seconds between two questions whether to stop


@dataclass(frozen=True)
class Ranks:
    """The processes of one training, seen by one of them. Alone, every verb answers with its argument."""

    rank: int = 0
    size: int = 1
    control: dist.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this process decides, writes files and computes scores."""
        return self.rank == 0

    def share(self, batch: int, group: int = 1) -> range:
        """This rank's rows of the global batch: groups of `group` neighbours stay whole, sizes differ by one group at most.

        Raises ConfigError when there is no group for every rank.
        """
        groups = batch // group
        if (fault := unshared(batch, group, self.size)) is not None:
            raise ConfigError(fault)
        begin, end = (groups * k // self.size * group for k in (self.rank, self.rank + 1))
        return range(begin, end)

    def piece(self, count: int) -> range:
        """This rank's of `count` things in a row: neighbours, as many as others or one more; rank 0 has one if there is one."""
        begin, end = (-(-count * k // self.size) for k in (self.rank, self.rank + 1))
        return range(begin, end)

    def gathered(self, part: Tensor) -> Tensor:
        """The ranks' parts one after another along their first axis, on every rank. They may differ in length.

        A rank that does something long before its part is done is waited for as long as it takes.
        """
        if self.size == 1:
            return part
        lengths = [0] * self.size
        dist.all_gather_object(lengths, len(part), group=self.control)
        padded = part.new_zeros((max(lengths), *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded)
        return torch.cat([found[:length] for found, length in zip(parts, lengths, strict=True)])

    def sums(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors added up over the ranks: the same bits on every rank, in new memory. Shapes are the same on all."""
        if self.size == 1:
            return list(tensors)
        summed: list[Tensor] = []
        for bucket in _buckets(tensors):
            flat = torch.cat([t.reshape(-1) for t in bucket])
            dist.all_reduce(flat)
            parts = torch.split(flat, [t.numel() for t in bucket])
            summed += [part.view(t.shape) for part, t in zip(parts, bucket, strict=True)]
        return summed

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace every `p.grad` by its sum over the ranks; no gradient counts as zero, as it may be missing on some only."""
        if self.size > 1:
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            for p, gradient in zip(parameters, self.sums(gradients), strict=True):
                p.grad = gradient

    def totals(self, numbers: Sequence[float]) -> list[float]:
        """Each number added up over the ranks, in float64."""
        return self._reduced(numbers, dist.ReduceOp.SUM)

    def largest(self, number: float) -> float:
        """The largest rank's."""
        return self._reduced([number], dist.ReduceOp.MAX)[0]

    def word(self, value: Any) -> Any:
        """Rank 0's value, on every rank. The others wait for it as long as it takes."""
        if self.size == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, group=self.control)
        return held[0]

    def _reduced(self, numbers: Sequence[float], how: Any) -> list[float]:
        if self.size == 1:
            return list(numbers)
        held = torch.tensor(list(numbers), dtype=torch.float64)
        dist.all_reduce(held, op=how, group=self.control)
        found: list[float] = held.tolist()
        return found


def size() -> int:
    """How many processes this one's surroundings name, itself included."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this process is rank 0 of its surroundings, or alone."""
    return size() == 1 or os.environ.get("RANK", "0") == "0"


def local_index() -> int:
    """The number of this process among those of this machine that take a device each: of workers, and of their ranks."""
    numbers = (int(os.environ.get(name, default)) for name, default in
               (("FEWSTEP_WORKER", "0"), ("LOCAL_WORLD_SIZE", "1"), ("LOCAL_RANK", "0")))
    worker, ranks, rank = numbers
    return worker * ranks + rank


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The ranks of this process's surroundings, connected inside the block; one alone where there are no others.

    Raises ConfigError where the surroundings name more than one process and not how to reach them.
    """
    if size() == 1:
        yield Ranks()
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ConfigError(f"WORLD_SIZE={size()} processes, but {', '.join(missing)} not set: start them with torchrun, or "
                          "on one machine with backend.processes")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    control = dist.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(control, dist.ProcessGroup), "every rank is a member"
    yield Ranks(dist.get_rank(), dist.get_world_size(), control)
    # After an error the connections stay until the process ends: what the others hear first is the error itself.
    dist.destroy_process_group()


class Pulse:
    """Asks rank 0 about twice a second whether to go on, so that all ranks stop after the same step.

    Ranks cannot look at their clocks: rank 0 says with each answer after how many steps it is asked next.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self._told = 0.0
        self._step, self._wait = -1, 1

    def stops(self, step: int, ask: Callable[[], bool]) -> bool:
        """Whether to stop after this step. `ask` is called on rank 0, when it is time."""
        if self.ranks.size > 1 and step < self._step + self._wait:
            return False
        now = time.monotonic()
        if self.ranks.size == 1 and now - self._told <= PULSE:
            return False
        stop = self.ranks.leads and ask()
        if self.ranks.size > 1:
            pace = (step - self._step) / max(now - self._told, 1e-6)
            wait = max(1, min(int(PULSE * pace), 2 * self._wait))  # grows slowly: the first steps tell little
            stop, self._wait = self.ranks.word((stop, wait))
        self._told, self._step = now, step
        return stop


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type, together at most BUCKET elements or a single tensor."""
    held: list[Tensor] = []
    size = 0
    for t in tensors:
        if held and (size + t.numel() > BUCKET or t.dtype != held[0].dtype):
            yield held
            held, size = [], 0
        held.append(t)
        size += t.numel()
    if held:
        yield held
