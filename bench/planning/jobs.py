"""From experiments to jobs: identities, teachers as parents, reference rows, costs. Builds no network, reads no images."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import data
from bench.config import compose as composition
from bench.config.errors import ConfigError, nearest
from bench.config.registry import method_class
from bench.planning import experiment, identity
from bench.planning.identity import reference_id, run_ids
from bench.protocols import named as protocols
from bench.truth import TARGETS
from methods.base import Method
from results.records import RecordError, StoreError, read_run, write_run
from sweeps.plan import Job

Config = dict[str, Any]
EXACT = "exact"  # teacher.method: the known velocity of an exact target in place of a trained one


def jobs(experiments: Sequence[Config]) -> list[Job]:
    """Every experiment's job, its teacher's before it, and one reference job per data set and evaluation.

    Experiments that differ in their seed alone share everything else as the same objects (see `config.request`): what
    they have in common is checked and hashed once, so ten thousand of them are planned in seconds.
    """
    made: list[Job] = []
    teachers: dict[str, Job] = {}
    shapes: dict[tuple[int, ...], tuple[Config, _Shape]] = {}
    for config in experiments:
        alike = tuple(id(value) for key, value in config.items() if key != "seed")
        if alike not in shapes:
            experiment.check(config)
            _check_teacher(config)
            shapes[alike] = config, _Shape.of(config)
        job, parents = shapes[alike][1].job(config["seed"])
        teachers |= {teacher.id: teacher for teacher in parents}
        made.append(job)
    return [*references([first for first, _ in shapes.values()]), *teachers.values(), *made]


def chain(config: Config) -> list[Job]:
    """The job of one experiment, the last, and the teachers that it waits for. The config is taken to be checked."""
    own, parents = _Shape.of(config).job(config["seed"])
    return [*parents, own]


@dataclasses.dataclass
class _Shape:
    """A job but for its seed. `teachers`: those of its parents, with the seed that all its students share or None."""

    plain: Config
    cost: float
    listed: bool
    name: Callable[[Any, tuple[str, ...]], str]
    teachers: list["_Shape"]
    teacher_seed: int | None

    @classmethod
    def of(cls, config: Config, listed: bool = True) -> "_Shape":
        """Raises nothing that `experiment.check` and `_check_teacher` did not."""
        method = experiment.method(config)
        teachers = []
        if listed and method.needs.teacher and config["teacher"]["method"] != EXACT:
            teachers.append(cls.of(_teacher(config), listed=False))
        if listed and method.needs.weak_teacher:
            teachers.append(cls.of(_teacher(config, config["teacher"]["weak_share"]), listed=False))
        plain = {k: v for k, v in config.items() if k not in ("sweep", "plan", "detach", "out", "knobs", "untuned")}
        plain["kind"] = "method"
        plain["evaluation"] = protocols.settings(config)
        plain["cost"] = gflops(config, method)
        name = run_ids(config, method.version, data.fingerprint(config["data"]))
        return cls(plain, plain["cost"], listed, name, teachers, config["teacher"]["seed"])

    def job(self, seed: Any) -> tuple[Job, list[Job]]:
        """The job of one seed, and its teachers' jobs."""
        theirs = seed if self.teacher_seed is None else self.teacher_seed
        teachers = [shape.job(theirs)[0] for shape in self.teachers]
        parents = tuple(teacher.id for teacher in teachers)
        run, weak = (*parents, None, None)[:2]
        made_by = teachers[0].config["method"] if teachers else None  # the student's networks are parametrised like it
        plain = {**self.plain, "seed": seed,
                 "teacher": {**self.plain["teacher"], "run": run, "weak_run": weak, "made_by": made_by}}
        return Job(self.name(seed, parents), plain["label"], plain, parents, cost=self.cost, listed=self.listed), teachers


def _teacher(config: Config, share: float = 1.0) -> Config:
    """The experiment of the teacher's own training, on a share of the budget: below 1, the weak teacher's.

    It is trained by the common recipe, also where its student's is tuned: what is compared is the student's setting.
    """
    config = {key: value for key, value in {**config, **config.get("untuned", {})}.items() if key not in ("proxy", "untuned")}
    other = composition.with_method(config, config["teacher"]["method"], config["plugins"])
    if share < 1:
        other["budget"]["images"] = round(share * other["budget"]["images"])
        other["label"] += " (weak)"
    return other


def _check_teacher(config: Config) -> None:
    """Raise ConfigError unless teacher.method is a velocity model and the weak teacher's share of the budget makes sense."""
    teacher, plugins = config["teacher"], config["plugins"]
    known = composition.names("method", plugins)
    if teacher["method"] == EXACT:
        _check_exact_teacher(config)
    elif teacher["method"] not in known or not _is_velocity_model(teacher["method"], plugins):
        models = [name for name in known if _is_velocity_model(name, plugins)]
        raise nearest("teacher.method", teacher["method"], [*models, EXACT])
    share = teacher["weak_share"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise ConfigError(f"teacher.weak_share={share!r} must be a share of the budget between 0 and 1, for example 0.25")
    images, batch = config["budget"]["images"], config["budget"]["batch"]
    if experiment.method(config).needs.weak_teacher and round(share * images) < batch:
        raise ConfigError(f"teacher.weak_share={share} of budget.images={images} is less than one batch; "
                          f"it must be at least {batch / images:.3g}")


def _check_exact_teacher(config: Config) -> None:
    """Raise ConfigError where there is no exact velocity, or where the method wants more of its teacher than that."""
    needs, stages = (method := experiment.method(config)).needs, method.stages(int(config["budget"]["images"]))
    if needs.teacher and config["data"]["name"] not in TARGETS:
        raise ConfigError(f"teacher.method={EXACT}: the velocity of data={config['data']['name']} is not known; "
                          f"it is for {', '.join(TARGETS)}")
    if needs.weak_teacher or needs.trajectories:
        raise ConfigError(f"teacher.method={EXACT}: {config['label']} needs a trained teacher, to run it ahead or to guide it")
    if needs.teacher and stages[0].prepare is not None:
        raise ConfigError(f"teacher.method={EXACT}: {config['label']} starts from its teacher's weights, and an exact velocity "
                          "has none; set method.initialise=false where it has that knob")


def _is_velocity_model(name: str, plugins: str | None) -> bool:
    try:
        return bool(method_class(composition.raw("method", name, plugins)["target"]).velocity_model)
    except ConfigError:  # a broken method of the user's is an error where it is asked for
        return False


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
    """What rows depend on; an option that says nothing is none."""
    kept = {k: v for k, v in config["evaluation"].items() if k not in ("batch", *identity.FILES)}
    return {k: v for k, v in kept.items() if v not in (None, False, [])}


def references(experiments: Sequence[Config]) -> Iterator[Job]:
    """The reference rows (noise, Gaussian fit, held-out data) of each data set and evaluation among the experiments."""
    seen = set()
    for config in experiments:
        plain = {k: config[k] for k in ("data", "interpolant", "train", "backend", "seed")}
        plain["evaluation"] = protocols.settings(config)
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
