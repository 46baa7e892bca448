"""One experiment in one folder: load, train, evaluate, record. The same call continues an interrupted one.

Where several processes share a training (bench/training/dist.py), each makes this call; rank 0 writes the folder and
evaluates, and the others are done with the training.
"""

import copy
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import torch
from torch import nn

from bench.config.errors import ConfigError
from bench.planning import experiment
from bench.protocols import named as protocols
from bench.scoring import baselines
from bench.scoring import evaluation as evaluate
from bench.scoring.model import complete, load_teacher
from bench.scoring.proxy import Proxy
from bench.scoring.score import scorer
from bench.training import checkpoint, dist, launch, memory, trajectories
from bench.training.dist import Ranks
from bench.training.teacher import Velocity, exact_velocity
from bench.training.train import Outcome, Trainer
from results.records import RunRecord, StoreError, append_rows, read_rows, read_run, write_run
from sweeps.backends import sole_writer

Report = Callable[[dict[str, Any]], bool]


def execute(config: dict[str, Any], folder: str, report: Report) -> str:
    """Run what `config` describes in `folder`; returns "done", "diverged" or "interrupted".

    `report` receives small progress messages and answers True when the run should stop at the next step boundary. With
    backend.processes > 1 the training is shared by that many processes on this machine, unless the surroundings name
    some already; rank 0's report is the one that is heard.
    """
    if config["kind"] == "method" and dist.size() == 1 and (processes := int(config["backend"].get("processes", 1))) > 1:
        return launch.execute("bench.job:execute", config, folder, report, processes)
    torch.set_num_threads(max(1, int(config["backend"]["threads"])))
    if config["kind"] == "reference":
        return _references(config, Path(folder), report) if dist.leads() else "done"
    return _Run(config, Path(folder), report).execute()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Run:
    def __init__(self, config: dict[str, Any], folder: Path, report: Report) -> None:
        self.config, self.folder, self.report = config, folder, report
        self.device = experiment.device(config)
        self.method = experiment.method(config)
        self.recipe = experiment.recipe(config)
        self.data = experiment.dataset(config)
        self.protocol = protocols.protocol(config, self.data)
        self.teacher, self.weak_teacher = (
            load_teacher(folder.parent / run, self.device) if (run := config["teacher"].get(key)) else None
            for key in ("run", "weak_run")
        )

    def execute(self) -> str:
        self.record = self._opened()
        try:
            return self._executed()
        except Exception as error:
            self._write(status="failed", reason=f"{type(error).__name__}: {error}".split("\n")[0], finished=_now())
            raise

    def _executed(self) -> str:
        models = self.method.build(experiment.backbone(self.config, self.data))
        for module in models.values():
            module.to(self.device)
        self._write(params=sum(p.numel() for role in self.method.sampled(models) for p in models[role].parameters()))
        with dist.joined(self.device) as ranks:
            if (trained := self._trained(models, ranks)) is None:
                self._write(status="interrupted", reason="stopped on request", finished=_now())
                return "interrupted"
        trainer, outcome = trained
        if outcome.status == "done" and dist.leads() and not self.config.get("proxy"):
            begin = time.monotonic()
            self._evaluate(trainer, outcome.checkpoint)
            self._write(evaluation_seconds=round(time.monotonic() - begin, 3))
        self._write(status=outcome.status, finished=_now())
        return outcome.status

    def _trained(self, models: dict[str, nn.Module], ranks: Ranks) -> tuple[Trainer, Outcome] | None:
        """The training by all ranks, on the record; None if it was stopped before its first step."""
        teacher, weak, solved = self.teacher, self.weak_teacher, None
        if self.method.needs.trajectories is not None:
            if (solved := self._trajectories(ranks)) is None:
                return None
            self._write(teacher_seconds=self.record.teacher_seconds + solved.seconds, trajectory_seconds=solved.seconds,
                        trajectory_evaluations=solved.evaluations,
                        teacher_forward_rows=self.record.teacher_forward_rows + solved.evaluations)
        trainer = Trainer(
            self.method, models, self.data, self.recipe, int(self.config["seed"]), self.device, self.folder,
            self._velocity(), {"net": teacher.net} if teacher else {}, self.report,
            conditional=bool(self.config["backbone"].get("classes")), trajectories=solved.states if solved else None,
            weak_teacher=weak.velocity if weak else None, frozen=[t.net for t in (teacher, weak) if t], ranks=ranks,
        )
        trainer.rungs = self._rungs(trainer) if self.config.get("proxy") else {}
        memory.restart(self.device)
        outcome = trainer.run()
        peak = max(self.record.peak_memory, int(ranks.largest(memory.peak(self.device))))
        self._write(images_seen=outcome.steps * self.recipe.batch, optimizer_steps=outcome.steps,
                    train_seconds=round(outcome.seconds, 3), reason=outcome.reason, peak_memory=peak, **trainer.bill())
        return trainer, outcome

    def _rungs(self, trainer: Trainer) -> dict[int, Callable[[], None]]:
        """What a trial of a search does on its way: it scores itself on the proxy, and on nothing else."""
        proxy = Proxy(self.config, self.method, self.data, self.device) if dist.leads() else None

        def score(images: int) -> None:
            assert proxy is not None, "rank 0 scores"
            proxy.note(self.folder, images, {**trainer.models, "net": trainer.averaged(proxy.ema)})

        return {images // self.recipe.batch: partial(score, images) for images in self.config["proxy"]["rungs"]}

    def _opened(self) -> RunRecord:
        """The record to continue, or a new one. Raises ConfigError if the data are not those it was begun with."""
        attempts, peak = 1, 0
        try:
            old = read_run(self.folder)
            attempts, peak = old.attempts + 1, old.peak_memory
            if old.data_hash and old.data_hash != self.data.hash:
                raise ConfigError(
                    f"{self.folder} was begun on other data ({old.data_hash[:12]}, now {self.data.hash[:12]}); "
                    "restore the data, or remove the folder to begin again"
                )
        except StoreError:
            pass
        config = {**self.config, "shape": list(self.data.shape), "protocol": dataclasses.asdict(self.protocol)}
        paid = [t for t in (self.teacher, self.weak_teacher) if t]
        roles = {"teacher": self.teacher, "weak_teacher": self.weak_teacher,
                 "trajectories": self.teacher if self.method.needs.trajectories else None}
        return RunRecord(
            run_id=self.folder.name, label=config["label"], method=config["method"]["name"],
            data=config["data"]["name"], backbone=config["backbone"]["name"], seed=int(config["seed"]), config=config,
            images_budget=self.recipe.images, teacher=self.teacher.run_id if self.teacher else None,
            teacher_images=sum(t.images for t in paid), teacher_seconds=sum(t.seconds for t in paid),
            teacher_forward_rows=sum(t.forward_rows for t in paid), teacher_backward_rows=sum(t.backward_rows for t in paid),
            peak_memory=peak, gpus=dist.size() if self.device.type == "cuda" else 0, league=self.method.league,
            parents={role: t.run_id for role, t in roles.items() if t}, data_hash=self.data.hash,
            versions=experiment.versions(), device=_device_name(self.device), started=_now(), attempts=attempts,
        )

    def _velocity(self) -> Velocity | None:
        """What the method learns from: its teacher's velocity, or the exact one, or neither."""
        if self.teacher is not None or not self.method.needs.teacher:
            return self.teacher.velocity if self.teacher else None
        assert self.data.truth is not None, "planning lets only exact targets teach"
        return exact_velocity(self.data.truth, self.method.interpolant)

    def _trajectories(self, ranks: Ranks) -> trajectories.Solved | None:
        """What the method's teacher was run for, before or now; it lies in the teacher's folder. None if stopped.

        Rank 0 solves, and the others read what it left.
        """
        wanted, teacher = self.method.needs.trajectories, self.teacher
        if wanted is None or teacher is None:
            raise ConfigError(f"{self.config['label']}: needs.trajectories are a teacher's; set needs.teacher as well")
        message = {"images": 0, "budget": self.recipe.images, "stage": "trajectories"}
        obtain = partial(
            trajectories.obtain, self.folder.parent / teacher.run_id / "trajectories", teacher, wanted, self.data.shape,
            self.method.interpolant.base_scale, self.device,
        )
        solved = obtain(lambda: self.report(message)) if ranks.leads else None
        stopped = ranks.word(solved is None)
        return solved if ranks.leads or stopped else obtain()

    def _write(self, **changes: Any) -> None:
        self.record = dataclasses.replace(self.record, **changes)
        if dist.leads():
            write_run(self.folder, self.record)

    def _evaluate(self, trainer: Trainer, last: Path | None) -> None:
        """Append the rows that are not there yet: one append per evaluation, so a killed run leaves whole ones."""
        have = {(r.protocol, r.steps, r.evaluation_seed, r.sampler, r.images_seen) for r in read_rows(self.folder)}
        score = scorer(self.data, self.protocol, self.device, self.config["evaluation"], _told(self.report))
        for step, path, models in self._checkpoints(trainer, last):
            job = evaluate.Evaluation(
                self.method, models, self.data, self.protocol, score, self.config, self.folder.name,
                path.name if path else "", step * self.recipe.batch, self.device,
            )
            for rows in job.rows(skip=have):
                append_rows(self.folder, rows)

    def _checkpoints(self, trainer: Trainer, last: Path | None) -> Iterator[tuple[int, Path | None, dict[str, nn.Module]]]:
        """(step, file, networks) of the last checkpoint, and with evaluation.milestones of those before it.

        A milestone from before a network that is sampled from was made is no model, and is passed over.
        """
        decay = self.protocol.ema
        models = {**trainer.models, "net": trainer.averaged(decay)}
        yield self.recipe.steps, last, models
        if not self.config["evaluation"].get("milestones"):
            return
        for step, path, state in checkpoint.milestones(self.folder / "checkpoints"):
            if step < self.recipe.steps and complete(self.method, models, self.recipe.images, state["stage"]):
                earlier = copy.deepcopy(models)
                for role, weights in state["models"].items():
                    earlier[role].load_state_dict(weights)
                earlier["net"].load_state_dict({**earlier["net"].state_dict(), **state["ema"][repr(decay)]})
                yield step, path, earlier


def _told(report: Report) -> Callable[[int, int], None]:
    """Progress through the real images, where the display shows that of the training."""

    def progress(done: int, whole: int) -> None:
        report({"images": done, "budget": whole, "stage": "reference features"})

    return progress


def _references(config: Mapping[str, Any], folder: Path, report: Report) -> str:
    begin, device = time.monotonic(), experiment.device(config)
    dataset = experiment.dataset(config)
    protocol = protocols.protocol(config, dataset)
    record = RunRecord(
        run_id=folder.name, kind="reference", label="references", method="reference", data=dataset.name, backbone="",
        seed=0,
        config={**config, "protocol": dataclasses.asdict(protocol)}, data_hash=dataset.hash, versions=experiment.versions(),
        device=_device_name(device), started=_now(),
    )
    write_run(folder, record)
    (folder / "evals.jsonl").unlink(missing_ok=True)
    append_rows(folder, baselines.references(dataset, protocol, config, folder.name, device, _told(report)))
    write_run(folder, dataclasses.replace(record, status="done", finished=_now(),
                                          evaluation_seconds=round(time.monotonic() - begin, 3)))
    return "done"


def _device_name(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu x {torch.get_num_threads()}"
    return name if dist.size() == 1 else f"{dist.size()} x {name}"


def main(arguments: Sequence[str]) -> int:
    """`torchrun --nproc-per-node N -m bench.job FOLDER`: begin or continue the run of a folder; SIGTERM stops it politely.

    The config is the folder's config.json, or that of its record. Returns the exit status: 0 done, 1 failed, 130 stopped.
    """
    if len(arguments) != 1:
        print("error: expected one argument, the run's folder", file=sys.stderr)
        return 2
    folder, stopping = Path(arguments[0]), Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    given = folder / "config.json"
    config = json.loads(given.read_text()) if given.exists() else read_run(folder).config

    def report(message: Mapping[str, Any]) -> bool:
        return stopping.is_set()

    with sole_writer(folder, report) if dist.leads() else nullcontext(True) as alone:
        outcome = execute(config, str(folder), report) if alone else "interrupted"
    return 130 if outcome == "interrupted" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
