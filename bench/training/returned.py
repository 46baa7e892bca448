"""What a method's losses returned, looked at before it is trained on: names, types and shapes, without waiting for a device."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from methods.base import Loss, Method, Stage


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
