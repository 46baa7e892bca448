"""From experiments to jobs: identities, teachers as parents, reference rows, costs. Reads no images."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.config import TRUTH, Data, Experiment, records, with_method
from bench.data import fingerprint, inspect
from bench.planning.identity import reference_id, run_ids
from bench.planning.work import gflops, scoring, shape
from bench.protocols import planned, samples
from sweeps.plan import Job

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


def with_classes(experiment: Experiment) -> Experiment:
    """The experiment with `backbone.classes` filled in, as many as its data has. Raises ConfigError for one's own data that
    cannot be read."""
    if not experiment.conditional or not experiment.has("backbone.classes") or experiment.value("backbone.classes"):
        return experiment
    return experiment.changed({"backbone.classes": inspect(experiment.data).classes})


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
