"""The record of a run while it is written: begun or continued, changed as things happen, kept by rank 0."""

import dataclasses
import importlib.metadata
import sys
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch

from bench.config import ConfigError, Experiment
from bench.data import Dataset
from bench.processes import device as devices
from bench.processes import dist
from results.records import PRESET, RUN_FILE, RecordError, RunRecord, SchemaError, StoreError, StoreWarning, read_run, write_run


class Paid(Protocol):
    """A teacher as the bill knows it."""

    @property
    def images(self) -> int | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def forward_rows(self) -> int: ...
    @property
    def backward_rows(self) -> int: ...


class Logbook:
    """The `record` of one run folder."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder, self.record = folder, record

    def write(self, **changes: Any) -> None:
        """Change the record, and on rank 0 the file."""
        self.record = dataclasses.replace(self.record, **changes)
        if dist.leads():
            write_run(self.folder, self.record)


def opened(folder: Path, experiment: Experiment, protocol: dict[str, Any], data: Dataset, device: torch.device,
           paid: Sequence[Paid], parents: Mapping[str, str]) -> Logbook:
    """The record to continue, or a new one. paid: the teachers on its bill; parents: role -> run.

    Raises ConfigError if the data are not those it was begun with.
    """
    attempts, peak = 1, 0
    try:
        old = read_run(folder)
        attempts, peak = old.attempts + 1, old.peak_memory
        if old.data_hash and old.data_hash != data.hash:
            raise ConfigError(
                f"{folder} was begun on other data ({old.data_hash[:12]}, now {data.hash[:12]}); "
                "restore the data, or remove the folder to begin again"
            )
    except SchemaError:
        raise
    except (StoreError, RecordError) as error:
        if (folder / RUN_FILE).exists():
            warnings.warn(f"{error}; its run is done again from its checkpoints", StoreWarning, stacklevel=2)
    record = RunRecord(
        run_id=folder.name, label=experiment.label, method=experiment.name, data=experiment.data.name,
        backbone=experiment.backbone.name, seed=experiment.seed,
        config={**experiment.record(), "shape": list(data.shape), "protocol": protocol, **_counts(experiment, data)},
        images_budget=experiment.budget.images, teacher=parents.get("teacher"),
        teacher_images=_total([t.images for t in paid]), teacher_seconds=sum(t.seconds for t in paid),
        teacher_forward_rows=sum(t.forward_rows for t in paid), teacher_backward_rows=sum(t.backward_rows for t in paid),
        peak_memory=peak, gpus=dist.size() if device.type == "cuda" else 0, league=league(experiment),
        precision=experiment.precision,
        parents=dict(parents), data_hash=data.hash, versions=versions(), device=devices.name(device), started=now(),
        attempts=attempts,
    )
    return Logbook(folder, record)


def _counts(experiment: Experiment, data: Dataset) -> dict[str, list[int]]:
    """How many samples of each class a conditional run is trained on: its model samples them as often."""
    return {"label_counts": data.frequencies.tolist()} if experiment.conditional else {}


def _total(images: Sequence[int | None]) -> int | None:
    """The sum; None where one of them is not known."""
    known = [each for each in images if each is not None]
    return sum(known) if len(known) == len(images) else None


def league(experiment: Experiment) -> str:
    """With whom the run is ranked: methods of its kind, but a paper's whole setting with nobody else."""
    return experiment.method.league if experiment.preset is None else f"{PRESET} {experiment.preset}"


def now() -> str:
    """The time, as records say it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """What a number may depend on besides its experiment."""
    found = {}
    for name in ("fewstep", "torch", "numpy", "scipy", "pandas"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "source tree"
    return found | {"python": sys.version.split()[0]}
