"""From a sweep's axes, lists and ablations to points (which values each run has that others have not), and to experiments."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.config import combinations
from bench.config.arguments import PRESETS, Given
from bench.config.compose import GROUPS, Compositions, composed, keys, names, presets, section
from bench.config.errors import HELP, ConfigError, nearest
from bench.config.experiment import Asked, Config, Experiment, has, put
from bench.config.experiment import parse as parse_experiment
from bench.config.parse import Faults, mapping
from bench.config.registry import not_listed
from bench.config.schema import Seeded, Sweep
from results.records import near
from sweeps.plan import expand, one_at_a_time

TAUGHT = ("data", "backbone", "interpolant", "budget", "train")
"""What a teacher's preset says of its training."""
SAME_WEIGHTS = ("dropout", "checkpoint", "attention_kernel")
"""In which two networks may differ whose weights fit."""
Point = dict[str, Any]
EXPERIMENT = ("plugins", "conditional", "interpolant", "budget", "train", "teacher", "evaluation", "data", "backbone", "method",
              "backend")
"""The sections of an experiment; what a composition holds besides is the command's."""


def axes_of(sweep: Sweep, given: Sequence[Given]) -> dict[str, list[Any]]:
    """The sweep's axes and the command line's, which wins."""
    axes = {key: list(values) for key, values in sweep.axes.items()}
    for g in given:
        if g.key in axes:
            axes[g.key] = g.listed
        elif g.is_axis:
            axes[g.key] = list(g.values)
    return axes


def points(axes: Mapping[str, list[Any]], sweep: Sweep, given: Sequence[Given], plugins: str | None) -> list[Point]:
    """The cross product of the axes, one-at-a-time variations of it, then each point of the list `sweep.also`, spread
    over the axes that it leaves open.

    Where the sweep's axes name no method the list is all there is. What the command line says narrows the list too.
    `sweep.only` names the methods that an axis is for: the others stand once, without it.
    """
    chosen = {g.key: g.listed for g in given}
    listed = [point for point in sweep.also if all(value in chosen.get(key, (value,)) for key, value in point.items())]
    crossed = expand(axes) if "method" in sweep.axes or not sweep.also else []
    crossed = _conditional(crossed, axes, sweep.only, plugins)
    varied = {key: values for key, values in sweep.one_at_a_time.items() if key not in chosen}
    crossed = [p for point in crossed for p in one_at_a_time(point, varied)]
    found = crossed + [p for fixed in listed for p in expand({k: v for k, v in axes.items() if k not in fixed}, fixed)]
    if not found:
        raise ConfigError(f"sweep={sweep.name}: the command line leaves none of its runs; see sweep.also in its file")
    return found


def _conditional(found: list[Point], axes: Mapping[str, list[Any]], only: Mapping[str, list[str]],
                 plugins: str | None) -> list[Point]:
    """The points without the axes that are not for their method, each once."""
    for key, methods in only.items():
        if key not in axes:
            raise nearest("sweep.only", key, axes)
        for name in methods:
            if name not in axes.get("method", [name]) and name not in names("method", plugins):
                raise nearest(f"sweep.only.{key}", name, axes.get("method", []))
        found = [point if point.get("method") in methods else {k: v for k, v in point.items() if k != key}
                 for point in found if point.get("method") in methods or point[key] == axes[key][0]]
    return found


class Maker:
    """From points to experiments: composed once per choice of groups, parsed once per set of values but the seed."""

    def __init__(self, compositions: Compositions, axes: Mapping[str, list[Any]], knobs: Sequence[Given], sweep: Sweep,
                 plugins: str | None, faults: Faults) -> None:
        self.compositions, self.axes, self.knobs, self.sweep = compositions, axes, knobs, sweep
        self.plugins, self.faults = plugins, faults
        single = {g.key.removeprefix("method."): g.values[0] for g in knobs if not g.is_axis}
        self.asked = Asked(sweep.knobs, single)
        self._presets: dict[str, Config] = {}
        self.used: set[str] = set()
        self.methods: set[str] = set()
        self.left: list[Experiment] = []
        """One of each that would have no number in evaluation.steps. They are left out."""

    def experiments(self, points: Sequence[dict[str, Any]]) -> Iterator[Experiment]:
        alike: dict[str, Experiment | None] = {}
        for point in points:
            seed = point.pop("seed", None)
            if (key := repr(point)) not in alike:
                alike[key] = self._guarded(point, seed)
            if (first := alike[key]) is not None and (own := self._seeded(first, seed)) is not None:
                yield own

    def check_knobs(self) -> None:
        """Note every knob that none of the methods has: of the command line, and of the sweep's file, whose ablations may be of
        methods that a command leaves out."""
        every = self.methods | {name for name in self.sweep.axes.get("method", []) if name in names("method", self.plugins)}
        told = {key: (f"sweep.{where}: {key}", every)
                for where in ("axes", "one_at_a_time") for key in getattr(self.sweep, where)}  # fmt: skip
        for key, (text, methods) in {**told, **{g.key: (g.text, self.methods) for g in self.knobs}}.items():
            if key.startswith("method.") and key not in self.used and self.methods:
                self._check_knob(key, text, sorted(methods))

    def _check_knob(self, key: str, text: str, chosen: Sequence[str]) -> None:
        known = {f"method.{knob}" for name in chosen for knob in keys(section("method", name, self.plugins))}
        if key in known:
            return
        if said := not_listed(key, chosen, self.plugins):
            self.faults.append(f"{text}: {said}")
            return
        close = near(key, known - {"method.name", "method.target"}, 3, 0.6)
        hint = f"; nearest: {', '.join(close)}" if close else ""
        which = f"method={chosen[0]}" if len(chosen) == 1 else f"none of the {len(chosen)} methods"
        self.faults.append(f"{text}: {which} has {'no' if len(chosen) == 1 else 'a'} knob {key}{hint}; "
                           f"{HELP} method={chosen[0]} shows all")

    def _guarded(self, point: Mapping[str, Any], seed: Any) -> Experiment | None:
        try:
            return self._first(point, seed)
        except ConfigError as error:
            self.faults += [fault for fault in error.faults if fault not in self.faults]
            return None

    def _seeded(self, first: Experiment, seed: Any) -> Experiment | None:
        """Every seed is checked as the first one was."""
        if seed is None:
            return first
        seeded = self.faults.section(Seeded, {"seed": seed}, "")
        return first.with_seed(seeded.seed) if seeded else None

    def _first(self, point: Mapping[str, Any], seed: Any) -> Experiment | None:
        """The experiment of one point; None if a knob that its method lacks makes it a repetition of another."""
        config = self._base(tuple((k, v) for k, v in point.items() if k in GROUPS))
        varied = {k: v for k, v in point.items() if k not in GROUPS}
        for key, value in varied.items():
            if has(config, key):
                self.used.add(key)
                put(config, key, value)
            elif key.startswith("method.") and key in self.sweep.one_at_a_time:
                return None
            elif not (key.startswith("method.") and key in self.axes):  # else its one run stands without it
                where = "axes" if key in self.axes else "one_at_a_time" if key in self.sweep.one_at_a_time else "also"
                raise nearest(f"sweep.{where}", key, keys(config))
            elif value != self.axes[key][0]:
                return None
        shown_ = [f"{k.removeprefix('method.')}={v}" for k, v in varied.items() if has(config, k)]
        plain = {key: config[key] for key in EXPERIMENT}
        if self.sweep.preset is not None:
            plain["preset"] = self.sweep.preset
        plain["label"] = " ".join([config["method"]["name"], *shown_])
        made = parse_experiment({**plain, "seed": config["seed"] if seed is None else seed}, self.asked)
        try:
            found, served = combinations.faults(made), combinations.served(made)
        except Exception as error:  # whatever a method of the user's raises where planning asks it
            text = f"{type(error).__name__}: {error}".split("\n")[0]
            raise ConfigError(f"method={made.name}: its needs, stages or supports cannot be read: {text}") from error
        self.faults += [fault for fault in found if fault not in self.faults]
        if not served:
            self.left.append(made)
            return None
        if made.teacher.preset is None or made.teacher.file is not None or not made.method.needs.teacher:
            return made
        return dataclasses.replace(made, untuned=self._teaching(made))

    def _teaching(self, student: Experiment) -> Config:
        """What the teacher's preset says of the teacher's training; the command line wins over it too. Raises ConfigError."""
        name = str(student.teacher.preset)
        if name not in self._presets:
            if name not in (known := presets(self.plugins)):
                raise nearest("teacher.preset", name, known, f"{HELP} preset")
            own = [text for text in self.compositions.fixed if not text.startswith(("sweep", "method", "teacher"))]
            self._presets[name] = composed([f"sweep={PRESETS}/{name}", *own], self.plugins)
        made = self._presets[name]
        mine, other = (_weights(of["backbone"]) for of in (student.plain, made))
        if mine != other and student.method.stages(student.budget.images)[0].prepare is not None:
            raise ConfigError(f"teacher.preset={name} trains the network {other}, and {student.label} starts from its weights "
                              f"with {mine}: choose the same network")
        return copy.deepcopy({**{key: made[key] for key in TAUGHT}, "preset": made["sweep"]["preset"]})

    def _base(self, groups: tuple[tuple[str, Any], ...]) -> Config:
        config = self.compositions.base(groups)
        if not isinstance(config["method"], Mapping):
            raise ConfigError(mapping("method", config["method"]))
        name = config["method"].get("name")
        if not isinstance(name, str):
            chosen = dict(groups).get("method") or self.compositions.fixed_method()
            raise ConfigError(f"method={chosen}: its file has no name; it begins with name: NAME")
        self.methods.add(name)
        for knob, value in self.sweep.knobs.get(name, {}).items():
            if not has(config, f"method.{knob}"):
                raise nearest(f"sweep.knobs.{name}", knob, config["method"])
            put(config, f"method.{knob}", copy.deepcopy(value))
        for g in self.knobs:
            if has(config, g.key):
                self.used.add(g.key)
                if not g.is_axis:
                    put(config, g.key, copy.deepcopy(g.values[0]))
        return config


def _weights(network: Mapping[str, Any]) -> Config:
    return {key: value for key, value in network.items() if key not in SAME_WEIGHTS}
