"""From experiments to jobs: identities, teachers as parents, reference rows, costs. Reads no images."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.accounts import due
from bench.config import TRUTH, Data, Experiment, records, with_method
from bench.data import fingerprint, inspect
from bench.planning.classes import with_classes
from bench.planning.identity import reference_id, run_ids
from bench.planning.work import gflops, scoring, shape
from bench.protocols import SHIPPED, Protocol, lacking, planned, samples
from results.records import RecordError, RunRecord, StoreError, read_run, whole_rows, write_rows, write_run
from sweeps.plan import FINAL, Job, count

if TYPE_CHECKING:
    from bench.teaching import Imported

Config = dict[str, Any]
Content = Callable[[Data], str | None]
REFERENCE = ("data", "interpolant", "train", "backend", "evaluation", "conditional")


def jobs(experiments: Sequence[Experiment]) -> list[Job]:
    """Every experiment's job, its teacher's before it, and one reference job per data set and evaluation.

    Experiments that differ in their seed alone share everything else as the same objects (`Experiment.with_seed`): what
    they have in common is hashed once, so ten thousand of them are planned in seconds.
    """
    made: list[Job] = []
    teachers: dict[str, Job] = {}
    shapes: dict[int, tuple[Experiment, _Shape]] = {}
    content = cache(fingerprint)  # of a folder it is looked up file by file
    for experiment in experiments:
        alike = id(experiment.plain)
        if alike not in shapes:
            shapes[alike] = experiment, _Shape.of(experiment, content)
        job, parents = shapes[alike][1].job(experiment.seed)
        teachers |= {teacher.id: teacher for teacher in parents}
        made.append(job)
    return [*references([first for first, _ in shapes.values()], content), *teachers.values(), *made]


def chain(experiment: Experiment) -> list[Job]:
    """The job of one experiment, the last, and the teachers that it waits for."""
    own, parents = _Shape.of(experiment, cache(fingerprint)).job(experiment.seed)
    return [*parents, own]


@dataclasses.dataclass
class _Shape:
    """A job but for its seed. `teachers`: those of its parents, with the seed that all its students share or None; `imported`:
    the one that was trained elsewhere."""

    plain: Config
    cost: float
    scoring: float
    listed: bool
    label: str
    name: Callable[[int, tuple[str, ...]], str]
    teachers: list["_Shape"]
    teacher_seed: int | None
    imported: "Imported | None" = None

    @classmethod
    def of(cls, experiment: Experiment, content: Content, listed: bool = True) -> "_Shape":
        experiment = with_classes(experiment)
        needs, teachers, imported = experiment.method.needs, [], None
        if listed and needs.teacher and experiment.teacher.file is not None:
            from bench.teaching import imported as teaching  # here: few plans need it

            imported = teaching.found(experiment, shape(experiment.data))
        elif listed and needs.teacher and experiment.teacher.method != TRUTH:
            teachers.append(cls.of(_teacher(experiment), content, listed=False))
        if listed and needs.weak_teacher:
            teachers.append(cls.of(_teacher(experiment, experiment.teacher.weak_share), content, listed=False))
        cost = gflops(experiment)
        asked, data = planned(experiment), inspect(experiment.data)
        known = {"cost": cost, "precision": experiment.precision, "shape": list(data.shape),
                 "samples": samples(asked, data.train, data.heldout)}
        plain = {**asked.plain, "kind": "method", **known}
        name = run_ids(experiment, content(experiment.data))
        scored = 0.0 if experiment.proxy else sum(scoring(plain))  # a trial of a search scores itself on its way
        return cls(plain, cost, scored, listed, experiment.label, name, teachers, experiment.teacher.seed, imported)

    def job(self, seed: int) -> tuple[Job, list[Job]]:
        """The job of one seed, and its teachers' jobs."""
        theirs = seed if self.teacher_seed is None else self.teacher_seed
        teachers = [shape.job(theirs)[0] for shape in self.teachers]
        parents = tuple(teacher.id for teacher in teachers)
        plain = {"seed": seed, **records.taught(self.plain, parents, self.teachers[0].plain if self.teachers else None)}
        told = parents
        if (it := self.imported) is not None:  # no run of ours made it: no parent in the plan, and one in the identity
            plain, told = records.importing(plain, it.file, it.name, it.made_by), (*parents, *it.identity)
        own = Job(self.name(seed, told), self.label, plain, parents, cost=self.cost, listed=self.listed, seed=seed,
                  scoring=self.scoring)
        return own, teachers


def _teacher(experiment: Experiment, share: float = 1.0) -> Experiment:
    """The experiment of the teacher's own training, on a share of the budget: below 1, the weak teacher's.

    It is trained by the common recipe, also where its student's is tuned: what is compared is the student's setting.
    """
    other = with_method(experiment, experiment.teacher.method)
    if share < 1:
        other = other.changed({"budget.images": round(share * other.budget.images), "label": f"{other.label} (weak)"})
    if other.evaluation.checkpoint == "best" and other.train.milestones < 2:  # of a preset's recipe
        other = other.changed({"evaluation.checkpoint": "last", "evaluation.best_at": None})
    return other


def reopen(out: Path, plan: Iterable[Job]) -> dict[str, str]:
    """Mark finished runs that have not all that they ended with as interrupted, so that it is made again: {run: why}.

    What may be missing: rows under the present protocol, rows that were lost, the checkpoint that a student starts from.
    Training is not repeated where its last checkpoint is there.
    """
    jobs, again, unfinished = list(plan), dict[str, str](), set[str]()
    for job in reversed(jobs):  # parents come first in a plan, and are wanted by what comes after
        folder = out / "runs" / job.id
        try:
            record = read_run(folder)
            why = _lacking(folder, record, job, needed=job.id in unfinished) if record.status == "done" else ""
        except (StoreError, RecordError):  # told, and done again, where the states are read
            record, why = None, ""
        if record is not None and why:
            write_run(folder, dataclasses.replace(record, status="interrupted", reason=why))
            again[job.id] = why
        if record is None or why or record.status not in ("done", "diverged"):
            unfinished.update(job.parents)
    return again


def saved(out: Path, plan: Iterable[Job], states: Mapping[str, str]) -> dict[str, float]:
    """The share in [0, 1] of its training at which each begun and unfinished run goes on: that of its newest checkpoint."""
    from bench.training import reached

    begun = [job for job in plan if job.id in states and states[job.id] not in FINAL]
    return {job.id: records.share(job.config, reached(out / "runs" / job.id / "checkpoints")) for job in begun}


def unchoosable(out: Path, plan: Iterable[Job]) -> list[str]:
    """Why runs that were begun cannot keep their best checkpoint: milestones of steps that are behind them are not there."""
    found, files = list[str](), out / "runs"
    for job in plan:
        folder, of = files / job.id, records.compared(job.config).checkpoints
        if job.kind != "method" or not of or not (folder / "checkpoints").exists() or _chosen(folder, job):
            continue
        from bench.training import checkpoint  # here: who only plans needs nothing of it

        wanted = [n for n in due(records.steps(job.config), of) if n <= checkpoint.reached(folder / "checkpoints")]
        if lost := len(set(wanted) - {n for n, _ in checkpoint.milestones(folder / "checkpoints")}):
            found.append(lacking(job.id, lost, len(wanted)))
    return [found[0], *([f"so it is with {count(len(found) - 1, 'run')} more"] if found[1:] else [])] if found else []


def _chosen(folder: Path, job: Job) -> bool:
    """Whether nothing is chosen any more: the run diverged, or is done and scored as asked."""
    try:
        record = read_run(folder)
    except (StoreError, RecordError):  # told where the states are read
        return False
    return record.status == "diverged" or (record.status == "done" and _scored_alike(record.config, job.config))


def _lacking(folder: Path, record: RunRecord, job: Job, needed: bool) -> str:
    """What a finished run has not; empty where it has all."""
    if not _scored_alike(record.config, job.config):
        return "scored under another protocol"
    from bench.training import final_checkpoint  # here: as above

    if needed and not final_checkpoint(folder / "checkpoints", record.final, record.optimizer_steps):
        return "the checkpoint that it ended with is gone"
    if records.is_trial(job.config):
        return ""
    found, damaged = whole_rows(folder)
    if damaged:
        return "rows of its evaluation were lost"
    protocol = Protocol.recorded(records.full_protocol(record.config)).id if record.rows is not None else ""
    if len([row for row in found if row.protocol == protocol]) == record.rows or (record.rows is None and found):
        return ""
    write_rows(folder, [row for row in found if row.protocol != protocol])  # it is not known which: all are scored again
    return "rows of its evaluation were lost"


def _scored_alike(ran: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """A rule of a protocol may have changed since, under the same settings: its version and that of the times tell."""
    try:
        asked = records.scoring(wanted)
        rule = SHIPPED.get(asked.get("protocol", ""))
        return records.scoring(ran) == asked and records.protocol(ran) == (rule.version if rule else 1, asked["grid"])
    except ValueError:  # by a version whose evaluations are not understood
        return False


def references(experiments: Sequence[Experiment], content: Content = fingerprint) -> Iterator[Job]:
    """The reference rows (noise, Gaussian fit, held-out data) of each data set and evaluation among the experiments.

    Those that say how often held-out data are taken for their class stand for those that do not.
    """
    labelled = {reference_id(planned(e), content(e.data), False) for e in experiments if e.conditional}
    seen = set()
    for experiment in experiments:
        scored = planned(experiment)
        told = reference_id(scored, content(experiment.data), False) in labelled
        name = reference_id(scored, content(experiment.data), told)
        if name not in seen:
            seen.add(name)
            plain = {**{key: scored.plain[key] for key in REFERENCE if key in scored.plain}, "conditional": told,
                     "seed": experiment.seed, "kind": "reference"}
            yield Job(name, "references", plain, kind="reference", cost=0.0, listed=False,
                      seed=experiment.seed)
