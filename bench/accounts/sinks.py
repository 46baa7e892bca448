"""Where people watch a training: TensorBoard and Weights & Biases. Their packages are loaded where they were asked for."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from bench.accounts import offline


class Sink(Protocol):
    """Made for (the run's folder, the step after which its training goes on, what the run is).

    told: the last step that it has kept from before, -1 without one; what is later it has never seen, or has taken back.
    """

    told: int

    def __call__(self, step: int, images: int, values: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """Event files in `tensorboard` of the run's folder, a tag for each value, against steps; on the disk after each look."""

    def __init__(self, folder: Path, step: int, about: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        place = folder / "tensorboard"
        begun = [int(file.name.split(".")[3]) for file in place.glob("events.out.tfevents.*")]
        self.told = step if begun else -1
        if begun:  # files are read in the order of the seconds in their names: this one has to be the last
            time.sleep(min(max(max(begun) + 1 - time.time(), 0.0), 2.0))
        self._writer: Any = SummaryWriter(str(place), purge_step=step + 1)  # who reads them drops what is later

    def __call__(self, step: int, images: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandB:
    """A run of the same id, resumed where there is one, its curves against images; WANDB_PROJECT (fewstep) and WANDB_MODE hold.

    It takes nothing back, and a process that is killed has lost what its service had not written: what it has it is asked.
    """

    def __init__(self, folder: Path, step: int, about: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "fewstep"), id=folder.name, name=folder.name, dir=str(folder),
            group=str(about.get("label", "")) or None, config=dict(about), resume="allow",
            settings=wandb.Settings(console="off", silent=True),
        )  # fmt: skip
        self._run.define_metric("*", step_metric="images")
        # Asked last: the service of a process that was killed writes on for a moment.
        kept = max((offline.last_step(file) for file in folder.glob("wandb/offline-run-*/*.wandb")), default=-1)
        self.told = self._last = max(kept, self._run.step - 1)

    def __call__(self, step: int, images: int, values: Mapping[str, float]) -> None:
        self._last = max(step, self._last + 1)  # its own steps only rise, and milestones are scored at the end
        self._run.log({**values, "images": images}, step=self._last, commit=True)

    def close(self) -> None:
        self._run.finish()


SINKS: Mapping[str, Callable[[Path, int, Mapping[str, Any]], Sink]] = {"tensorboard": TensorBoard, "wandb": WandB}
