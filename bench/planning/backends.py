"""From the settings under `backend` to what executes a plan: this process, worker processes, or a cluster."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.config.errors import ConfigError, nearest
from bench.planning.micro_batch import smaller
from sweeps.backends import Site, Slurm, local
from sweeps.clean import Quota
from sweeps.engine import Outcome, Progress, Rules, Source, reconcile, snapshot
from sweeps.plan import Plan

EXECUTE = "bench.job:execute"
PACKAGES = ("methods", "results", "sweeps", "bench")
UNITS = {"max_gpu_hours": "GPU-hours", "quota_gb": "GB", "patience_minutes": "minutes", "interval": "seconds"}
NAMES = ("local", "slurm", "debug")


def workers(backend: Mapping[str, Any]) -> int:
    """How many runs go on at a time, as far as it is known: 0 for one after another in this process; on a cluster what
    `backend.jobs` allows, else 1, and the site decides. Raises ConfigError for a value of the wrong kind."""
    if backend["name"] not in NAMES:
        raise nearest("backend.name", backend["name"], NAMES)
    _check_common(backend)
    if backend["name"] == "debug":
        return 0
    if backend["name"] == "slurm":
        return site(backend).jobs or 1
    if backend["workers"] is not None:
        _check("workers", backend["workers"], 0)
        return int(backend["workers"])
    import torch

    processes = max(1, int(backend.get("processes", 1)))
    if torch.cuda.is_available() and backend["device"] in ("auto", "cuda"):
        return max(1, torch.cuda.device_count() // processes)
    return max(1, (os.cpu_count() or 1) // (processes * max(1, int(backend["threads"]))))


def execute(plan: Plan, backend: Mapping[str, Any], out: Path, name: str, progress: Progress | None = None,
            detach: bool = False, source: Source | None = None) -> Outcome:
    """Executes what is left of the plan under `out` as the sweep `name`; see `sweeps.engine.loop.reconcile`.

    source: a search that lets the plan grow.

    A cluster's jobs run a copy of the code as it is now, kept under `<out>/sweeps/<name>/code`. Raises ConfigError or
    SweepError naming the key at fault.
    """
    _check_common(backend)
    if backend["quota_gb"] is not None:
        progress = Quota(Path(out), float(backend["quota_gb"]) * 1e9, progress or (lambda event: None))
    if backend["name"] != "slurm":
        if detach:
            raise ConfigError(f"detach=true needs a cluster, and backend={backend['name']} ends with this command; remove it")
        return local.run(plan, EXECUTE, out, workers(backend), progress, int(backend["attempts"]), int(backend["threads"]),
                           name=name, source=source, smaller=smaller,
                           hang=_hang(backend))
    folder = Path(out).resolve() / "sweeps" / name
    cluster = Slurm(EXECUTE, folder / "slurm", site(backend), snapshot.take(PACKAGES, folder / "code"),
                    int(backend["threads"]), f"fewstep-{name}", float(backend["interval"]))
    rules = Rules(attempts=int(backend["attempts"]), hang=_hang(backend))
    return reconcile(plan, cluster, Path(out).resolve(), name, progress, rules, source=source, detach=detach,
                     smaller=smaller)


def keep_plugins(experiments: Iterable[dict[str, Any]], folder: str, out: Path) -> None:
    """Lets a cluster's jobs import a copy of the user's method folder as it is now, kept under `<out>/plugins`.

    It is named in their configs, which a finished run is loaded by as well. Raises SweepError for a folder of more than code.
    """
    copy = str(snapshot.take_folder(Path(folder), Path(out).resolve() / "plugins"))
    for config in experiments:
        config["plugins"] = copy


def site(backend: Mapping[str, Any]) -> Site:
    """What jobs ask for. Raises ConfigError for a value of the wrong kind."""
    chosen = {each.name: backend[each.name] for each in fields(Site)}
    for key in ("time", "nodes", "tasks", "signal", "array"):
        _check(key, chosen[key], 1)
    for key in ("gpus", "cpus", "parallel", "jobs"):
        if chosen[key] is not None:
            _check(key, chosen[key], 0 if key == "gpus" else 1)
    for key in ("sbatch", "setup"):
        if not isinstance(chosen[key], list) or not all(isinstance(line, str) for line in chosen[key]):
            raise ConfigError(f"backend.{key}={chosen[key]!r} is not a list of texts, for example backend.{key}=['...']")
    for option in chosen["sbatch"]:
        if not option.startswith("-"):
            raise ConfigError(f"backend.sbatch: {option!r} is not an option of sbatch; write for example '--{option}'")
    return Site(**chosen)


def _hang(backend: Mapping[str, Any]) -> float | None:
    """backend.patience_minutes in seconds."""
    minutes = backend.get("patience_minutes")
    return None if minutes is None else float(minutes) * 60


def _check_common(backend: Mapping[str, Any]) -> None:
    """Raise ConfigError for a setting of no backend in particular that is of the wrong kind."""
    for key in ("attempts", "threads"):
        _check(key, backend[key], 1)
    for key, unit in UNITS.items():
        value, free = backend.get(key), key == "max_gpu_hours"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and (value > 0 or (free and value == 0))):
            least = "at least 0" if free else "more than 0"
            raise ConfigError(f"backend.{key}={value!r} must be a number of {unit}, {least}")


def _check(key: str, value: Any, least: int) -> None:
    unit = " minutes" if key == "time" else ""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"backend.{key}={value!r} must be a whole number{unit and f' of{unit}'}, at least {least}")
