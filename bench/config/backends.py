"""What executes a plan: the keys of each backend."""

import re
from typing import Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import Strict

from bench.config.types import Count, Minutes, Says, Seconds, Section, Text, Texts, Unit, Whole, checked

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_MEMORY = re.compile(r"\d+[KMGT]?")


def _is_device(value: str) -> bool:
    return _DEVICE.fullmatch(value) is not None


def _is_memory(value: str) -> bool:
    return _MEMORY.fullmatch(value) is not None


def _are_options(values: tuple[str, ...]) -> bool:
    return all(value.startswith("-") for value in values)


class Common(Section):
    """What every backend has. quota_gb and patience_minutes: null is without."""

    threads: Count = 1
    device: Annotated[str, checked(_is_device), Says("auto, cpu, cuda or cuda:N")] = "auto"
    attempts: Count = 1
    max_gpu_hours: Annotated[float, Ge(0), Unit("GPU-hours")] | None = None
    quota_gb: Annotated[float, Gt(0), Unit("GB")] | None = None
    patience_minutes: Annotated[float, Gt(0), Unit("minutes")] | None = None

    @property
    def sharing(self) -> int:
        """Processes of this machine that share one training."""
        return 1


class Debug(Common):
    """Runs one after another in this process."""

    name: Literal["debug"]


class Local(Common):
    """Worker processes on this machine."""

    name: Literal["local"]
    workers: Whole | None = None
    processes: Count = 1

    @property
    def sharing(self) -> int:
        return self.processes


class Slurm(Common):
    """Job arrays on a Slurm cluster; null leaves a choice to the site."""

    name: Literal["slurm"]
    partition: Text | None = None
    account: Text | None = None
    constraint: Text | None = None
    qos: Text | None = None
    time: Minutes = 240
    memory: Annotated[str, checked(_is_memory), Says("memory as sbatch writes it, for example 16G")] | None = None
    gpus: Whole | None = None
    nodes: Count = 1
    tasks: Count = 1
    cpus: Count | None = None
    signal: Annotated[int, Ge(1), Unit("seconds")] = 120
    sbatch: Annotated[tuple[Text, ...], Strict(False), checked(_are_options),
                      Says("a list of options of sbatch, each with its dashes: ['--exclusive']")] = ()
    setup: Texts = ()
    array: Count = 1000
    parallel: Count | None = None
    jobs: Count | None = None
    requeue: bool = True
    interval: Seconds = 5.0


Backend = Debug | Local | Slurm
BACKENDS: dict[str, type[Backend]] = {"local": Local, "slurm": Slurm, "debug": Debug}
