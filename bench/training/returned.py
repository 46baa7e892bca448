"""What a method's losses returned, looked at before it is trained on: names, types and shapes, without waiting for a device;
and what is said of one that is not finite, by those who check it beforehand."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bench.training.rng import StepDraws
from methods.base import Loss, Method, Stage

READ = 4  # numbers of one sample that a line has room for


def check(method: Method, found: Any, stage: Stage, rows: int) -> None:
    """Raise TypeError, in a line that says where, unless `found` holds one number per sample for each loss of the stage."""
    wanted = sorted({*stage.trained, *stage.balanced})
    said = ""
    if not isinstance(found, Mapping) or sorted(map(str, found)) != wanted:
        came = sorted(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        said = f"{came}, not a dictionary of {wanted}"
    for name, loss in found.items() if not said else ():
        value = loss.per_sample if isinstance(loss, Loss) else None
        if not isinstance(value, Tensor):
            said = f"{name}: {type(loss).__name__}, not a Loss of a tensor"
        elif tuple(value.shape) != (rows,) or not value.is_floating_point():
            said = f"{name}: {value.dtype} of shape {tuple(value.shape)}, not one number for each of the {rows} samples"
    if said:
        cls = type(method)
        raise TypeError(f"{cls.__name__}.losses ({inspect.getsourcefile(cls)}) returned {said}")


class Noted(StepDraws):
    """Draws that remember the uniform numbers which they were asked for: times are made of them. What `later` returns, of the
    same step too, does not."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._noted: dict[str, Tensor] = {}

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        self._noted[purpose] = super().uniform(purpose, *shape)
        return self._noted[purpose]

    def of(self, sample: int) -> str:
        """ "times=0.31 and 0.77, u=0.5": what that sample drew; "" where it drew nothing, or more than can be read."""
        drawn = {purpose: values[sample].flatten().tolist() for purpose, values in self._noted.items()}
        read = {purpose: [f"{value:.3g}" for value in values] for purpose, values in drawn.items() if len(values) <= READ}
        return ", ".join(f"{purpose}={' and '.join(values)}" for purpose, values in read.items())


def unfinite(name: str, loss: Loss, draws: Noted, group: int) -> str:
    """A line about a loss, or "" where all of it is finite. Of samples in groups it does not say what they drew, which is
    their group's."""
    wrong = (~loss.per_sample.isfinite()).nonzero().flatten().tolist()
    parts = [part for part, values in loss.parts.items() if not bool(values.isfinite().all())]
    listed = f"part{'s' * (len(parts) > 1)} {', '.join(parts)}"
    if not wrong:
        return f"the {listed} of {name}: not finite, where {name} itself is" if parts else ""
    by = f", by its {listed}" if parts else ", though all its parts are" if loss.parts else ""
    drew = draws.of(wrong[0]) if group == 1 else ""
    first = f"; the first of them, sample {wrong[0]}, drew {drew}" if drew else ""
    return f"{name} is not finite in {len(wrong):,} of {len(loss.per_sample):,} samples{by}{first}"
