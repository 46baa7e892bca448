"""One experiment as frozen, typed objects: what everything behind this room takes.

    experiment.train.lr, experiment.method.needs, experiment.data.name ...

`plain` is its dictionary form, as it stands in run.json and in what run ids are made of; it never changes with the types.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, get_args

from bench.config import choices, schema
from bench.config.errors import ConfigError, unknown
from bench.config.parse import Faults, section
from bench.config.registry import make_interpolant, make_method, use_plugins, velocity_models

if TYPE_CHECKING:
    from methods.base import Method
    from methods.tools import Interpolant

Config = dict[str, Any]
TRUTH = "exact"
"""teacher.method: the known velocity of an exact target in place of a trained one."""


@dataclass(frozen=True)
class Asked:
    """What a command says of teachers: knobs of the sweep file by method, and those of the command line."""

    sweep: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    command: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a scored thing stands in, a method's run or the reference rows: data, noise, evaluation, device.

    validation: the share of the training data that a trial of a search holds back. conditional: whether classes are told and
    sampled.
    """

    plain: Config = field(repr=False, compare=False)
    data: choices.Data
    interpolant: Interpolant
    train: schema.Train
    evaluation: schema.Evaluation
    backend: choices.Backend
    validation: float | None = None
    conditional: bool = False

    def filled(self, **known: Any) -> Self:
        """The same with more in its evaluation, as planning knows it (`bench.protocols.planned`). Raises ConfigError."""
        evaluation = {**self.plain["evaluation"], **known}
        parsed = section(schema.Scoring, evaluation, "evaluation")
        return dataclasses.replace(self, plain={**self.plain, "evaluation": evaluation}, evaluation=parsed)

    @property
    def scoring(self) -> schema.Scoring:
        """The evaluation as planning filled it in. Raises TypeError for one that was only asked for."""
        if not isinstance(self.evaluation, schema.Scoring):
            raise TypeError("this evaluation was not planned: see bench.protocols.planned")
        return self.evaluation

    @property
    def ema(self) -> float:
        """The decay of the average that is evaluated."""
        return self.train.ema[0] if self.evaluation.ema is None else self.evaluation.ema


@dataclass(frozen=True, kw_only=True)
class References(Surroundings):
    """The reference rows (noise, a Gaussian fit, held-out data) of one data set and evaluation."""


@dataclass(frozen=True, kw_only=True)
class Experiment(Surroundings):
    """One training and its evaluation. `name`: the method's, `label`: of its row; `made_by`: the teacher's method.

    proxy: of a trial of a search. preset: the paper whose whole setting it is, None in a comparison. asked, untuned: what
    planning its teacher needs, never recorded.
    """

    seed: int
    label: str
    name: str
    method: Method
    backbone: choices.Network
    budget: schema.Budget
    teacher: schema.Teacher
    plugins: str | None = None
    made_by: Method | None = None
    proxy: schema.Proxy | None = None
    preset: str | None = None
    asked: Asked = field(default_factory=Asked, compare=False)
    untuned: Config | None = field(default=None, compare=False)

    @property
    def precision(self) -> schema.Precision:
        """The one asked for, or the method's where it needs a safer one."""
        return min(self.train.precision, self.method.needs.precision, key=get_args(schema.Precision).index)

    def record(self) -> Config:
        """The dictionary form with its seed."""
        return {"seed": self.seed, **self.plain}

    def with_seed(self, seed: int) -> Self:
        """The same with another training seed; everything else is shared."""
        return dataclasses.replace(self, seed=seed)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """The same with other values at dotted keys, parsed again. Raises ConfigError."""
        plain = copy.deepcopy(self.plain)
        for key, value in values.items():
            put(plain, key, value)
        made = parse({**plain, "seed": self.seed}, self.asked)
        return dataclasses.replace(made, untuned=self.untuned)  # type: ignore[return-value]  # nothing inherits from an experiment

    def has(self, key: str) -> bool:
        """Whether there is a plain value at a dotted key."""
        return has(self.plain, key)

    def value(self, key: str) -> Any:
        """The plain value at a dotted key such as `train.lr`."""
        return get(self.plain, key)


def parse(config: Mapping[str, Any], asked: Asked | None = None, lenient: bool = False) -> Experiment:
    """A composed or recorded dictionary as an experiment. Raises ConfigError with every fault of its sections.

    lenient: of a record; keys that this version does not know are passed over.
    """
    faults = Faults()
    use_plugins(config.get("plugins"))
    shared = _shared(config, faults, lenient)
    backbone = faults.named(choices.BACKBONES, config.get("backbone"), "backbone", lenient)
    budget = faults.section(schema.Budget, config.get("budget"), "budget", lenient)
    teacher = faults.section(schema.Teacher, config.get("teacher"), "teacher", lenient)
    if teacher and not lenient and teacher.method not in (models := [*velocity_models(config.get("plugins")), TRUTH]):
        faults.append(unknown("teacher.method", teacher.method, models))
    proxy = faults.section(schema.Proxy, config["proxy"], "proxy", lenient) if config.get("proxy") else None
    seeded = faults.section(schema.Seeded, {"seed": config.get("seed")}, "")
    path = shared["interpolant"] or make_interpolant("linear", 1.0)
    method = _method(config.get("method"), path, faults)
    made_by = _method(teacher.made_by, path, faults) if teacher and teacher.made_by else None
    faults.tell()
    kept = {k: v for k, v in config.items() if k != "seed"}
    assert seeded and method and backbone and budget and teacher, "there is no fault"
    name = str(config["method"]["name"])
    return Experiment(
        plain=kept, seed=seeded.seed, label=str(config.get("label") or name), name=name, method=method,
        backbone=backbone, budget=budget, teacher=teacher, plugins=config.get("plugins"), made_by=made_by,
        validation=config.get("validation"), proxy=proxy, preset=config.get("preset"), asked=asked or Asked(), **shared,
    )


def recorded(config: Mapping[str, Any]) -> Experiment | References:
    """What a run's record or its job file says it is. Raises ConfigError."""
    if config.get("kind") != "reference":
        return parse(config, lenient=True)
    faults = Faults()
    shared = _shared(config, faults, lenient=True)
    faults.tell()
    return References(plain=dict(config), **shared)


def recorded_experiment(config: Mapping[str, Any]) -> Experiment:
    """The same of a record that is a training's. Raises ConfigError."""
    found = recorded(config)
    if not isinstance(found, Experiment):
        raise ConfigError("the record is of reference rows, which train nothing")
    return found


def _shared(config: Mapping[str, Any], faults: Faults, lenient: bool) -> dict[str, Any]:
    raw = config.get("evaluation")
    scored = isinstance(raw, Mapping) and "features" in raw  # as planning fills it in
    path = faults.section(schema.Path, config.get("interpolant"), "interpolant", lenient)
    labelled = faults.section(schema.Labelled, {"conditional": config.get("conditional", False)}, "")
    return {
        "conditional": labelled is not None and labelled.conditional,
        "data": faults.named(choices.DATA, config.get("data"), "data", lenient),
        "interpolant": make_interpolant(path.name, path.base_scale) if path else None,
        "train": faults.section(schema.Train, config.get("train"), "train", lenient),
        "evaluation": faults.section(schema.Scoring if scored else schema.Evaluation, raw, "evaluation", lenient),
        "backend": faults.named(choices.BACKENDS, config.get("backend"), "backend", lenient),
    }


def _method(config: Any, path: Interpolant, faults: Faults) -> Method | None:
    try:
        return make_method(config, path)
    except ConfigError as error:
        faults.extend(error.faults)
        return None


def has(config: Mapping[str, Any], key: str) -> bool:
    """Whether a plain config has the dotted key."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def get(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key that is there."""
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node


def put(config: Config, key: str, value: Any) -> None:
    """Sets the value at a dotted key that is there."""
    *path, last = key.split(".")
    node = config
    for part in path:
        node = node[part]
    node[last] = value
