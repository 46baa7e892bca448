"""From experiments to jobs: identities, teachers as parents, reference rows, costs. Builds no network, reads no images."""

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import config as composition
from bench import data, experiment, features
from bench.identity import reference_id, run_id
from methods.base import Method
from results.record import RecordError
from results.store import StoreError, read_run, write_run
from sweeps.plan import Job

Config = dict[str, Any]
TEACHER = "flow_matching"
# A guess for a machine on which nothing of the kind has run yet: what one worker sustains, in GFLOP/s.
SUSTAINED = {"cpu": 40.0, "cuda": 30_000.0}


def jobs(experiments: Sequence[Config]) -> list[Job]:
    """Every experiment's job, its teacher's before it, and one reference job per data set and evaluation."""
    made: list[Job] = []
    teachers: dict[str, Job] = {}
    checked: set[str] = set()
    for config in experiments:
        if (alike := repr({k: v for k, v in config.items() if k != "seed"})) not in checked:
            experiment.check(config)
            checked.add(alike)
        method = experiment.method(config)
        parents: tuple[str, ...] = ()
        config = copy.deepcopy(config)
        if method.needs.teacher:
            teacher = _teacher(config)
            teachers.setdefault(teacher.id, teacher)
            parents = (teacher.id,)
        made.append(_job(config, method, parents))
    return [*_references(experiments), *teachers.values(), *made]


def _teacher(config: Config) -> Job:
    other = composition.with_method(config, TEACHER, config["plugins"])
    if config["teacher"]["seed"] is not None:
        other["seed"] = config["teacher"]["seed"]
    return _job(other, experiment.method(other), (), listed=False)


def _job(config: Config, method: Method, parents: tuple[str, ...], listed: bool = True) -> Job:
    plain = {k: v for k, v in config.items() if k not in ("sweep", "plan", "out", "knobs")}
    plain["kind"] = "method"
    plain["evaluation"] = _evaluation(config)
    plain["teacher"] = {**config["teacher"], "run": parents[0] if parents else None}
    name = run_id(config, method.version, data.fingerprint(config["data"]), parents)
    plain["cost"] = gflops(config, method)
    return Job(name, config["label"], plain, parents, cost=plain["cost"], listed=listed)


def reopen(out: Path, plan: Iterable[Job]) -> int:
    """Mark finished runs that were scored under another evaluation as interrupted, so that they are scored again.

    Training is not repeated: the run goes on at its last checkpoint. Returns how many there were.
    """
    count = 0
    for job in plan:
        folder = out / "runs" / job.id
        try:
            record = read_run(folder)
        except (StoreError, RecordError):
            continue
        if record.status == "done" and _scoring(record.config) != _scoring(job.config):
            write_run(folder, dataclasses.replace(record, status="interrupted", reason="scored under another protocol"))
            count += 1
    return count


def _scoring(config: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in config["evaluation"].items() if k != "batch"}


def _evaluation(config: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation settings with the hash of the feature weights: new weights are a new protocol."""
    name, evaluation = config["data"].get("features"), config["evaluation"]
    return {
        **evaluation,
        "features": f"{name}:{features.digest(name)[:12]}" if name else "none",
        "ema": float(evaluation["ema"] or config["train"]["ema"][0]),
    }


def _references(experiments: Sequence[Config]) -> Iterator[Job]:
    seen = set()
    for config in experiments:
        plain = {k: config[k] for k in ("data", "interpolant", "train", "backend", "seed")}
        plain["evaluation"] = _evaluation(config)
        name = reference_id(plain, data.fingerprint(config["data"]))
        if name not in seen:
            seen.add(name)
            yield Job(name, "references", {**plain, "kind": "reference"}, kind="reference", cost=0.0, listed=False)


def gflops(config: Mapping[str, Any], method: Method) -> float:
    """Estimated work: images x 3 forward passes x the method's relative cost, and the teacher's trajectories."""
    needs = method.needs
    passes = float(config["budget"]["images"]) * 3 * needs.cost
    solved = needs.trajectories.evaluations if needs.trajectories else 0
    return float(config["backbone"]["gflops"]) * (passes + solved)


def seconds_per_gflop(out: Path, jobs: Sequence[Job], config: Mapping[str, Any]) -> tuple[float, str]:
    """The rate of this machine and where it comes from: earlier runs with the same backbone, else a rough guess."""
    rates = []
    for folder in sorted((out / "runs").glob("*-*")):
        try:
            record = read_run(folder)
        except (StoreError, RecordError):
            continue
        if record.status == "done" and record.config.get("backbone") == config["backbone"] and record.config.get("cost"):
            seconds = record.train_seconds + record.evaluation_seconds + record.trajectory_seconds
            rates.append(seconds / record.config["cost"])
    if rates:
        return sorted(rates)[len(rates) // 2], f"from {len(rates)} finished runs of this backbone in {out}"
    device = experiment.device(config).type
    return 1 / SUSTAINED[device], f"a rough guess for this {device}: no run of this backbone has finished in {out} yet"
