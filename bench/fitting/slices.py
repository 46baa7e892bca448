"""The largest slice of a batch whose step fits a device's memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from bench.fitting.live import ROWS, Live, held
from bench.fitting.paper import on_paper
from bench.nets import Backbone
from bench.training import Recipe, Trainer
from methods.base import Method

GB = 10**9
USABLE, RESERVED = 0.92, 1.5 * GB
"""Of a card's memory: what the allocator's gaps leave, and what CUDA's context and its libraries take for themselves."""
MOMENTS = 2  # of every optimizer, each as large as the parameters


@dataclass(frozen=True)
class Fit:
    """`rows` of the batch in a pass hold `memory` bytes with all that stays. rows 0: not even the smallest slice fits, which
    would hold `memory`."""

    rows: int
    memory: int


def fit(
    method: Method, backbone: Backbone, recipe: Recipe, card: float, data: int = 0, sizes: list[int] | None = None
) -> Fit:
    """The largest of equal slices of the batch (or of `sizes`) that fits a card of so many bytes, with `data` bytes on it."""
    sizes = sizes or list(_sizes(recipe.batch, method.needs.group))
    counted = count(method, backbone, recipe, sizes)
    for rows in sizes:
        if counted[rows] + data <= usable(card):
            return Fit(rows, counted[rows] + data)
    return Fit(0, counted[sizes[-1]] + data)


def usable(card: float) -> float:
    """The bytes of a card that tensors can take."""
    return USABLE * card - RESERVED


def count(method: Method, backbone: Backbone, recipe: Recipe, sizes: list[int]) -> dict[int, int]:
    """Slice -> the most bytes that a step holds at once, over all stages. The backbone's networks are on "meta"."""
    rows = ROWS // method.needs.group * method.needs.group
    trainer = on_paper(method, backbone, replace(recipe, images=rows * recipe.steps, batch=rows, micro_batch=None))
    progress, found = trainer.progress, dict.fromkeys(sizes, 0)
    for index in sorted({0, len(progress.stages) - 1}):
        begin = progress.ends[index - 1] if index else 0
        progress.step = begin
        trainer.begin_stage(index)
        for step in progress.stage.different:
            progress.step = begin + step
            with Live(sizes) as live:
                trainer.step.gradients(progress)
            stays, peaks = state(trainer), live.peaks
            trainer.state.zero_grad()
            found = {size: max(found[size], stays + round(peaks[size])) for size in sizes}
    return found


def state(trainer: Trainer) -> int:
    """The bytes that stay from step to step: networks, moments, averages, slow copies, teachers."""
    trained = [p for name in trainer.state.optimizers for p in trainer.state.parameters(name)]
    return held(*_kept(trainer)) + MOMENTS * held(*trained)


def _kept(trainer: Trainer) -> Iterator[Tensor]:
    slow = trainer.state.slow
    for net in [*trainer.models.values(), *trainer.frozen, *([slow.net] if slow else [])]:
        yield from net.parameters()
        yield from net.buffers()
    for average in [trainer.state.average, *([slow.average] if slow else [])]:
        for weights in average.weights.values():
            yield from weights


def _sizes(batch: int, group: int) -> Iterator[int]:
    """Equal slices of a batch, the largest first; each a multiple of `group`."""
    last = 0
    for parts in range(1, batch // group + 1):
        rows = -(-batch // (parts * group)) * group
        if rows != last:
            yield (last := rows)
