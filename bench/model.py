"""A finished run folder as a model: `load(folder).sample(n, steps, seed)`, `load(folder).export(path)`."""

from pathlib import Path

import torch

from bench import scoring
from bench.scoring import Model
from results.records import read_run

__all__ = ["Model", "load"]


def load(
    folder: Path | str, ema: float | None = None, device: str | torch.device = "cpu", last: bool = False,
    unfinished: bool = False,
) -> Model:  # fmt: skip
    """The model of a run folder with the given average (default: the first of train.ema), on the device.

    It is the checkpoint that the record names as final and no other one, or the milestone that was kept as the best
    (evaluation.checkpoint). last: the final one, whatever was kept. unfinished: of a run that has not ended well, the newest
    whole checkpoint. Raises ValueError naming the folder where a run is not finished and that was not asked for, where no
    usable checkpoint or no such average is there, or where a stage has not made all networks that samples are drawn from.
    """
    folder = Path(folder)
    record = read_run(folder)
    if record.status != "done" and not unfinished:
        raise ValueError(f"{folder.name} is not a finished run ({record.status}): its command goes on with it, and "
                         "load(..., unfinished=True) takes it as it is")
    return scoring.load(folder, ema, device, last)
