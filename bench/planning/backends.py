"""From the settings under `backend` to what executes a plan: this process, worker processes, or a cluster."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import config
from bench.config import Backend, ConfigError, Experiment, smaller
from sweeps.clean import Quota
from sweeps.engine import Outcome, Progress, Rules, Source, reconcile, snapshot
from sweeps.plan import Plan

if TYPE_CHECKING:
    from sweeps.backends import Site

EXECUTE = "bench.job:execute"
PACKAGES = ("methods", "results", "sweeps", "bench")


def workers(backend: Backend) -> int:
    """How many runs go on at a time, as far as it is known: 0 for one after another in this process; on a cluster what
    `backend.jobs` and `backend.parallel` allow, else 1, and the site decides."""
    if isinstance(backend, config.Slurm):
        return min(filter(None, (backend.jobs, backend.parallel)), default=1)
    if not isinstance(backend, config.Local):
        return 0
    if backend.workers is not None:
        return backend.workers
    import torch

    if torch.cuda.is_available() and backend.device in ("auto", "cuda"):
        return max(1, torch.cuda.device_count() // backend.processes)
    # Of a batch job, a container or under taskset not all cores of the machine are ours.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // (backend.processes * backend.threads))


def unbound(backend: Backend) -> bool:
    """Whether the site alone decides how many runs go on at a time."""
    return isinstance(backend, config.Slurm) and backend.jobs is None and backend.parallel is None


def execute(plan: Plan, backend: Backend, out: Path, name: str, progress: Progress | None = None,
            detach: bool = False, source: Source | None = None) -> Outcome:
    """Executes what is left of the plan under `out` as the sweep `name`; see `sweeps.engine.reconcile`.

    source: a search that lets the plan grow.

    A cluster's jobs run a copy of the code as it is now, kept under `<out>/sweeps/<name>/code`. Raises ConfigError or
    SweepError naming the key at fault.
    """
    from sweeps.backends import Slurm, local

    if backend.quota_gb is not None:
        progress = Quota(out, backend.quota_gb * 1e9, progress or (lambda event: None))
    hang = None if backend.patience_minutes is None else backend.patience_minutes * 60
    if not isinstance(backend, config.Slurm):
        if detach:
            raise ConfigError(f"detach=true needs a cluster, and backend={backend.name} ends with this command; remove it")
        return local.run(plan, EXECUTE, out, workers(backend), progress, backend.attempts, backend.threads,
                         name=name, source=source, smaller=smaller, hang=hang)
    folder = out.resolve() / "sweeps" / name
    cluster = Slurm(EXECUTE, folder / "slurm", site(backend), snapshot.take(PACKAGES, folder / "code"),
                    backend.threads, f"fewstep-{name}", backend.interval)
    rules = Rules(attempts=backend.attempts, hang=hang)
    return reconcile(plan, cluster, out.resolve(), name, progress, rules, source=source, detach=detach, smaller=smaller)


def site(backend: config.Slurm) -> "Site":
    """What jobs ask for."""
    from sweeps.backends import Site

    chosen = ((each.name, getattr(backend, each.name)) for each in dataclasses.fields(Site))
    asked: dict[str, Any] = {key: list(value) if isinstance(value, tuple) else value for key, value in chosen}
    return Site(**asked)


def keep_plugins(experiments: Sequence[Experiment], folder: str, out: Path) -> list[Experiment]:
    """The experiments with a copy of the user's method folder as it is now, kept under `<out>/plugins`, for a cluster's jobs.

    It is named in their dictionary forms, which a finished run is loaded by as well. Raises SweepError for a folder of more
    than code.
    """
    copy = str(snapshot.take_folder(Path(folder).expanduser(), out.resolve() / "plugins"))
    plain = {id(each.plain): {**each.plain, "plugins": copy} for each in experiments}
    return [dataclasses.replace(each, plain=plain[id(each.plain)], plugins=copy) for each in experiments]
