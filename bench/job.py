"""One experiment in one folder: load, train, evaluate, record. The same call continues an interrupted one.

Where several processes share a training and its evaluation (bench/processes/dist.py), each makes this call; rank 0 writes
the folder.
"""

import argparse
import dataclasses
import math
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import torch
from torch import nn

from bench import fitting
from bench.accounts import Curves, logbook
from bench.config import Experiment, References, recorded
from bench.data import compared, dataset
from bench.nets import factory
from bench.processes import Ranks, device, dist, launch, memory
from bench.protocols import protocol_of
from bench.scoring import Proxy, baselines, load_teacher, rows
from bench.teaching import Teacher, Teaching, imported
from bench.training import Outcome, Recipe, Trainer, held
from results import terminal
from results.records import RecordError, RunRecord, StoreError, read_json, read_rows, read_run, write_rows, write_run
from sweeps.backends import sole_writer

Report = Callable[[dict[str, Any]], bool]


def execute(config: dict[str, Any], folder: str, report: Report) -> str:
    """Run what `config` describes in `folder`; returns "done", "diverged" or "interrupted".

    `report` receives small progress messages and answers True when the run should stop at the next step boundary. With
    backend.processes > 1 the training is shared by that many processes on this machine, unless the surroundings name
    some already; rank 0's report is the one that is heard.
    """
    wanted = recorded(config)
    if isinstance(wanted, Experiment) and dist.size() == 1 and wanted.backend.sharing > 1:
        return launch.execute("bench.job:execute", config, folder, report, wanted.backend.sharing)
    torch.set_num_threads(wanted.backend.threads)
    if isinstance(wanted, References):
        return _references(wanted, Path(folder), report) if dist.leads() else "done"
    return _Run(wanted, Path(folder), report).execute()


class _Run:
    def __init__(self, experiment: Experiment, folder: Path, report: Report) -> None:
        self.experiment, self.folder, self.report = experiment, folder, report
        self.device = device.of(experiment.backend.device, experiment.backend.promised)
        self.data = dataset(experiment)
        self.compared = compared(experiment, self.data)
        self.protocol = protocol_of(experiment, self.compared)
        if experiment.teacher.imported:
            taught: list[Teacher | None] = [imported.load(experiment, self.data.shape, self.device), None]
        else:
            taught = [load_teacher(folder.parent / run, self.device) if run else None
                      for run in (experiment.teacher.run, experiment.teacher.weak_run)]
        self.teaching = Teaching(experiment, self.data, folder.parent, self.device, *taught)
        about = {"label": experiment.label, **experiment.record()}
        self.curves = Curves(folder, experiment.train.log, about) if dist.leads() else None
        self.log = logbook.opened(folder, experiment, dataclasses.asdict(self.protocol), self.data, self.device,
                                  self.teaching.paid, self.teaching.parents)

    def execute(self) -> str:
        try:
            with device.computing(self.experiment.precision):
                return self._executed()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            self.log.write(status="failed", reason=reason, finished=logbook.now())
            raise
        finally:
            if self.curves is not None:
                self.curves.close()

    def _executed(self) -> str:
        method = self.experiment.method
        models = method.build(factory(self.experiment, self.data.shape))
        for module in models.values():
            module.to(self.device)
        self.log.write(params=sum(p.numel() for role in method.sampled(models) for p in models[role].parameters()))
        with dist.joined(self.device) as ranks:
            if (trained := self._trained(models, ranks)) is None:
                self.log.write(status="interrupted", reason="stopped on request", finished=logbook.now())
                return "interrupted"
            trainer, outcome = trained
            if outcome.status == "done" and self.experiment.proxy is None:
                begin = time.monotonic()
                found = rows.append(self.experiment, self.compared, self.protocol, trainer, outcome.checkpoint, self.folder,
                                    self.device, self.report, ranks)
                self.log.write(evaluation_seconds=round(time.monotonic() - begin, 3), rows=found.rows, kept=found.kept)
                if self.curves is not None:
                    scored = [row for row in read_rows(self.folder) if row.protocol == self.protocol.id]
                    self.curves.score(scored, self.experiment.budget.batch)
        self.log.write(status=outcome.status, finished=logbook.now())
        return outcome.status

    def _trained(self, models: dict[str, nn.Module], ranks: Ranks) -> tuple[Trainer, Outcome] | None:
        """The training by all ranks, on the record; None if it was stopped before its first step."""
        states = None
        if self.experiment.method.needs.trajectories is not None:
            solved = self.teaching.trajectories(ranks, self._solving)
            if solved is None:
                return None
            states, record = solved.states, self.log.record
            self.log.write(teacher_seconds=record.teacher_seconds + solved.seconds, trajectory_seconds=solved.seconds,
                           trajectory_evaluations=solved.evaluations,
                           teacher_forward_rows=record.teacher_forward_rows + solved.evaluations)
        trainer = self._trainer(models, ranks, states)
        memory.restart(self.device)
        outcome = trainer.run()
        peak = max(self.log.record.peak_memory, int(ranks.largest(memory.peak(self.device))))
        self.log.write(images_seen=outcome.steps * trainer.recipe.batch, optimizer_steps=outcome.steps,
                       train_seconds=round(outcome.seconds, 3), reason=outcome.reason, peak_memory=peak,
                       final=outcome.checkpoint.name if outcome.status == "done" and outcome.checkpoint else "",
                       **trainer.bill())
        return trainer, outcome

    def _solving(self, share: float) -> bool:
        """Tells how far the teacher's trajectories are, as a stage, since no image is trained on; whether to stop."""
        return self.report({"images": 0, "budget": self.experiment.budget.images, "stage": f"trajectories {share:.0%}"})

    def _trainer(self, models: dict[str, nn.Module], ranks: Ranks, states: torch.Tensor | None) -> Trainer:
        experiment, teaching = self.experiment, self.teaching
        trainer = Trainer(
            experiment.method, models, self.data, Recipe.of(experiment.budget, experiment.train, self._rows()), experiment.seed,
            self.device,
            self.folder, teaching.velocity(), {"net": teaching.teacher.net} if teaching.teacher else {}, self.report,
            conditional=bool(getattr(experiment.backbone, "classes", 0)), trajectories=states,
            weak_teacher=teaching.weak.velocity if teaching.weak else None, frozen=teaching.networks, ranks=ranks,
            curves=self.curves,
        )
        trainer.rungs = self._rungs(trainer)
        return trainer

    def _rows(self) -> int:
        """Of a pass: as asked, or as many as fit a GPU."""
        card = self.experiment.backend.gpu_memory
        room = 1e9 * card if card else memory.free(self.device) if self.device.type == "cuda" else math.inf
        samples = held(self.data, self.device, self.experiment.budget.batch)
        rows = fitting.rows(self.experiment, self.data.shape, samples, room)
        self.log.write(micro_batch=rows)
        return rows

    def _rungs(self, trainer: Trainer) -> dict[int, Callable[[], None]]:
        """What a trial of a search does on its way: it scores itself on the proxy, and on nothing else."""
        if self.experiment.proxy is None:
            return {}
        proxy = Proxy.of_trial(self.experiment, self.data, self.device) if dist.leads() else None

        def score(images: int) -> None:
            assert proxy is not None, "rank 0 scores"
            proxy.note(self.folder, images, {**trainer.models, "net": trainer.averaged(proxy.ema)})

        return {images // trainer.recipe.batch: partial(score, images) for images in self.experiment.proxy.rungs}


def _references(wanted: References, folder: Path, report: Report) -> str:
    begin, data = time.monotonic(), compared(wanted, dataset(wanted))
    at = device.of(wanted.backend.device, wanted.backend.promised)
    protocol = protocol_of(wanted, data)
    record = RunRecord(
        run_id=folder.name, kind="reference", label="references", method="reference", data=data.name, backbone="", seed=0,
        config={**wanted.plain, "protocol": dataclasses.asdict(protocol)}, data_hash=data.hash, versions=logbook.versions(),
        device=device.name(at), started=logbook.now(),
    )
    write_run(folder, record)
    scored = baselines.references(data, protocol, wanted, folder.name, at, rows.told(report))
    write_rows(folder, scored)
    write_run(folder, dataclasses.replace(record, status="done", finished=logbook.now(), rows=len(scored),
                                          evaluation_seconds=round(time.monotonic() - begin, 3)))
    return "done"


def main(arguments: Sequence[str]) -> int:
    """`torchrun --nproc-per-node N -m bench.job FOLDER`: begin or continue the run of a folder; SIGTERM stops it politely.

    The config is the folder's config.json, or that of its record. Returns the exit status: 0 done, 1 failed, 2 no such run,
    130 stopped.
    """
    terminal.ready()
    parser = argparse.ArgumentParser(prog="python -m bench.job", description="Begin or continue one run in its folder.")
    parser.add_argument("folder", type=Path, help="the run's folder, with a config.json or the run.json of a run begun")
    folder, stopping = parser.parse_args(arguments).folder, Event()
    given = folder / "config.json"
    try:
        config = read_json(given) if given.exists() else read_run(folder).config
    except (StoreError, RecordError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())

    def report(message: Mapping[str, Any]) -> bool:
        return stopping.is_set()

    with sole_writer(folder, report) if dist.leads() else nullcontext(True) as alone:
        outcome = execute(config, str(folder), report) if alone else "interrupted"
    return 130 if outcome == "interrupted" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
