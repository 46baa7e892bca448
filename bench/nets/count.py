"""Counting network evaluations where they happen, so that a bill can be drawn up and a declared NFE checked.

A call's rows count as backward rows where a gradient can pass: its output carries a graph. Under `torch.func.jvp` the
output is wrapped and hides that, so there the network's parameters answer.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual


@dataclass
class Count:
    """Forward calls of networks, and the rows (samples) that they carried.

    backward_rows: those of calls that a backward pass can go through. jvp_calls, jvp_rows: of calls under forward mode,
    which count in calls and rows as well. With `whole` False rows are counted and calls are not: a further slice of the
    same batch.
    """

    calls: int = 0
    rows: int = 0
    backward_rows: int = 0
    jvp_calls: int = 0
    jvp_rows: int = 0
    whole: bool = True

    @property
    def numbers(self) -> tuple[int, ...]:
        """The five counts, in order."""
        return self.calls, self.rows, self.backward_rows, self.jvp_calls, self.jvp_rows

    def restore(self, numbers: Iterable[int]) -> None:
        """Go on from earlier `numbers`."""
        self.calls, self.rows, self.backward_rows, self.jvp_calls, self.jvp_rows = numbers


@contextmanager
def counting(*nets: nn.Module, into: Count | None = None) -> Iterator[Count]:
    """Count the calls of `nets` inside the block, on top of `into`; the result stays readable after it.

    Exactly these objects are counted, each once, be they copies of another network or not; a copy made of one inside the
    block is another network. A call under forward mode is one call. Outside the block the networks carry no hook.
    """
    count = Count() if into is None else into
    counted = {id(net): net for net in nets}

    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        if id(module) not in counted or torch.compiler.is_compiling():  # a graph that counted would be another one each time
            return
        rows = output.shape[0]
        forward_mode = unpack_dual(output).tangent is not None
        count.rows += rows
        count.calls += count.whole
        if forward_mode:
            count.jvp_rows += rows
            count.jvp_calls += count.whole
        if torch.is_grad_enabled() and (output.requires_grad or (forward_mode and _trains(module))):
            count.backward_rows += rows

    handles = [net.register_forward_hook(hook) for net in counted.values()]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()
        counted.clear()  # copies made inside the block keep the hook: let it hold on to nothing


def _trains(module: nn.Module) -> bool:
    return any(p.requires_grad for p in module.parameters())
