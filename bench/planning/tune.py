"""Tuned comparisons: what `sweep.search` asks for, as a search over settings and as the runs that its winners become.

A trial is the method's run with a changed setting, a training seed of its own and a part of the training data held back; it
is scored on the proxy alone (bench/scoring/proxy.py). The best setting of each method is then run on all data with the
seeds of the sweep, under the reported protocol, like the runs of any other sweep. Teachers are not tuned: they follow the
common recipe.
"""

import copy
import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.config import compose as composition
from bench.config.errors import ConfigError, nearest
from bench.planning import experiment, identity
from bench.planning.jobs import chain, jobs, references, reopen
from bench.planning.price import Prices
from bench.scoring import proxy
from results.records import write_text
from sweeps.plan import Job
from sweeps.search import SAMPLERS, Contender, Params, Search, Settings, check_default, digest, open_storage, rungs, space

Config = dict[str, Any]
ELSEWHERE = ("seed", "sweep", "out", "plan", "detach", "backend", "evaluation")  # of a config: what changes no trial
TUNABLE = ("train.", "method.")
EQUAL = ("trials", "compute")


@dataclass(frozen=True)
class Tuning:
    """`sweep.search`: see bench/conf/sweep/digits_tuned.yaml, which explains every key."""

    space: Mapping[str, Any]
    proxy: Mapping[str, Any]
    trials: int = 20
    equal: str = "trials"
    sampler: str = "tpe"
    seed: int = 0
    startup: int = 5
    rungs: Sequence[float] = (0.25, 0.5)
    reduction: int = 3
    prunable_from: Mapping[str, float] = field(default_factory=dict)
    spaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    train_seed: int = 1000
    parallel: int | None = None
    storage: str | None = None
    patience: float = 86_400.0
    finals: bool = True

    @property
    def settings(self) -> Settings:
        return Settings(self.sampler, self.seed, self.startup, self.reduction, self.parallel, self.patience, self.finals)


@dataclass(frozen=True)
class Method:
    """One method of the comparison: its plain config for each seed, and its part of the search."""

    configs: tuple[Config, ...]
    contender: Contender


@dataclass(frozen=True)
class Tuned:
    """A tuned sweep: its search, the jobs that it begins with, and what it says of itself."""

    search: Search
    methods: tuple[Method, ...]
    tuning: Tuning
    references: tuple[Job, ...]

    def preview(self) -> list[Job]:
        """What would run at least: every method's own setting as a trial, and its runs of the table."""
        found = list(self.references)
        for each in self.methods:
            found += self.search.trial_jobs(each.contender.name, each.contender.default)
            found += self.search.final_jobs(each.contender.name, each.contender.default)
        return found

    def winners(self) -> list[Job]:
        """The runs of the table: of every method whose search has come to its end, the best setting with each seed."""
        return self.search.finals()

    def further(self, prices: Prices) -> float:
        """GPU-hours of the trials beyond the first of each method, if none is pruned."""
        each = [one.contender for one in self.methods]
        return sum((c.trials - 1) * prices.gpu_hours(self.search.trial_jobs(c.name, c.default)[-1]) for c in each)

    def outlook(self, prices: Prices) -> str:
        """How much of a plan's cost the search is, at most: a line for people."""
        each = [one.contender for one in self.methods]
        return (f"A search over {', '.join(f'{c.name} ({c.trials} trials)' for c in each)}. Below are the first trial of each, "
                f"its untuned setting, and the runs of the table. The others: up to {self.further(prices):,.1f} GPU-hours.")

    def about(self) -> str:
        """One paragraph on how settings were chosen, for tables."""
        tuning, counts = self.tuning, {each.contender.trials for each in self.methods}
        share = f"{min(counts)} to {max(counts)} settings, by equal compute" if len(counts) > 1 else f"{min(counts)} settings"
        seeds = ", ".join(map(str, tuning.proxy["seeds"]))
        return (
            f"Every method was tuned over {share}, the untuned one first (the common recipe, its paper's knobs; sampler "
            f"{tuning.sampler}, seed {tuning.seed}), on a proxy that is not reported: training seed {tuning.train_seed}, "
            f"{tuning.proxy['validation']:.0%} of the training data held back to compare with, evaluation seeds {seeds}. At "
            f"{_shares(tuning.rungs)} of the budget the best 1/{tuning.reduction} went on. The best setting was then run on "
            "all training data."
        )


def tuned(request: composition.Request, out: Path, preview: bool = False) -> Tuned:
    """The search of a sweep that has one; a preview writes nothing. Raises ConfigError naming the key at fault."""
    sweep = request.settings["sweep"]
    tuning = _tuning(sweep["search"])
    jobs(request.experiments)  # everything that a plan would object to
    _check_apart(request.experiments, tuning)
    methods = _methods(request.experiments, tuning)
    by_name = {each.contender.name: each for each in methods}
    folder = out / "sweeps" / sweep["name"]

    def trial_jobs(name: str, params: Params) -> list[Job]:
        return chain(_trial(by_name[name], params, tuning))

    def final_jobs(name: str, params: Params) -> list[Job]:
        found = [job for config in by_name[name].configs for job in chain(_with(config, params))]
        if not preview:
            reopen(out, found)
        return found

    settings = tuning.settings
    if settings.parallel is None and request.settings["backend"]["name"] == "slurm":
        # A queue takes any number, and trials that are all asked for at once learn nothing from each other.
        settings = dataclasses.replace(settings, parallel=tuning.startup * len(methods))
    storage = open_storage(None, None) if preview else open_storage(tuning.storage, folder / "study.log")
    search = Search(
        sweep["name"], [each.contender for each in methods], settings, storage, "" if preview else _owner(folder),
        trial_jobs, final_jobs, lambda run: proxy.scores(out / "runs" / run),
    )
    return Tuned(search, tuple(methods), tuning, tuple(references(request.experiments)))


def _methods(experiments: Sequence[Config], tuning: Tuning) -> list[Method]:
    by_label: dict[str, list[Config]] = {}
    for config in experiments:
        by_label.setdefault(config["label"], []).append(config)
    known = composition.options(experiments[0])
    for key in tuning.space:
        if key not in known:
            raise nearest("sweep.search.space", key, [k for k in known if k.startswith(TUNABLE)])
    costs = {label: chain(configs[0])[-1].cost for label, configs in by_label.items()}
    found = []
    for label, configs in by_label.items():
        trials = tuning.trials
        if tuning.equal == "compute":
            trials = max(1, int(tuning.trials * min(costs.values()) / costs[label]))
        found.append(Method(tuple(configs), _contender(label, configs[0], tuning, trials)))
    return found


def _contender(label: str, config: Config, tuning: Tuning, trials: int) -> Contender:
    raw = _keys(config, tuning)
    if not raw:
        raise ConfigError(f"sweep.search: nothing is searched for {label}; give it a parameter in sweep.search.space")
    distributions, default = space(raw), {key: composition.get(config, key) for key in raw}
    check_default(distributions, default, label)
    method, recipe = experiment.method(config), experiment.recipe(config)
    if not any(method.supports(n) for n in tuning.proxy["steps"]):
        raise ConfigError(f"sweep.search.proxy.steps={list(tuning.proxy['steps'])}: {label} supports none of them")
    *early, _ = (stage.images for stage in method.stages(recipe.images))
    begin = tuning.prunable_from.get(config["method"]["name"], sum(early) / recipe.images)
    base = {key: value for key, value in config.items() if key not in ELSEWHERE}
    for section, keys in identity.HARMLESS.items():
        base[section] = {key: value for key, value in base[section].items() if key not in keys}
    content = {"base": base, "space": raw, "proxy": _proxy(config, tuning), "rungs": tuning.rungs,
               "train_seed": tuning.train_seed, "version": method.version}
    at = rungs(tuning.rungs, recipe.images, recipe.batch, begin)
    return Contender(label, distributions, default, trials, at, digest(content))


def _keys(config: Config, tuning: Tuning) -> dict[str, Any]:
    """The part of the space that this method has: the common one, and its own."""
    name = config["method"]["name"]
    own = tuning.spaces.get(name, {})
    for key in own:
        if not composition.has(config, key):
            raise ConfigError(f"sweep.search.spaces.{name}.{key}: {name} has no such option")
    found = {**{key: value for key, value in tuning.space.items() if composition.has(config, key)}, **own}
    for key in found:
        if not key.startswith(TUNABLE):
            raise ConfigError(f"sweep.search.space.{key}: only train.* and method.* are tuned; the rest is what makes the "
                              "comparison matched")
    return found


def _trial(method: Method, params: Params, tuning: Tuning) -> Config:
    config = _with(method.configs[0], params)
    config["seed"], config["validation"] = tuning.train_seed, tuning.proxy["validation"]
    config["proxy"] = {**_proxy(config, tuning), "rungs": list(method.contender.rungs)}
    config["evaluation"] |= {"reference_count": None, "statistics": None, "also": [], "milestones": False}
    config["label"] += " (trial)"
    return config


def _proxy(config: Config, tuning: Tuning) -> dict[str, Any]:
    """What makes the scores of two trials comparable: the file's settings, and the average where it is not the recipe's."""
    ema = config["evaluation"]["ema"]
    return dict(tuning.proxy) if ema is None else {**tuning.proxy, "ema": float(ema)}


def _check_apart(experiments: Sequence[Config], tuning: Tuning) -> None:
    """Raise ConfigError where the search would look at a seed of the reported numbers."""
    for config in experiments:
        if shared := set(config["evaluation"]["seeds"]) & set(tuning.proxy["seeds"]):
            raise ConfigError(f"evaluation.seeds and sweep.search.proxy.seeds share {min(shared)}: tuning must not look at the "
                              "noise of reported numbers; change one")
        if config["seed"] == tuning.train_seed:
            raise ConfigError(f"seed={config['seed']} is sweep.search.train_seed: settings are chosen with a training seed "
                              "that no reported run has; change one")


def _with(config: Config, params: Params) -> Config:
    """The same run with another setting; its teacher remains that of the common recipe."""
    other = copy.deepcopy(config)
    other["untuned"] = {"train": copy.deepcopy(config["train"])}
    for key, value in params.items():
        composition.put(other, key, value)
    return other


def _tuning(raw: Mapping[str, Any]) -> Tuning:
    names = [f.name for f in dataclasses.fields(Tuning)]
    for key in raw:
        if key not in names:
            raise nearest("sweep.search", key, names)
    tuning = Tuning(**raw)
    for key in ("trials", "startup", "reduction"):
        if not isinstance(getattr(tuning, key), int) or getattr(tuning, key) < 1:
            raise ConfigError(f"sweep.search.{key}={getattr(tuning, key)!r} must be a whole number, at least 1")
    if tuning.reduction < 2:
        raise ConfigError("sweep.search.reduction=1 prunes nothing; it must be at least 2, or leave rungs empty")
    if tuning.equal not in EQUAL:
        raise nearest("sweep.search.equal", tuning.equal, EQUAL)
    if tuning.sampler not in SAMPLERS:
        raise nearest("sweep.search.sampler", tuning.sampler, SAMPLERS)
    if wrong := [share for share in tuning.rungs if not 0 < share < 1]:
        raise ConfigError(f"sweep.search.rungs: {wrong[0]} must be a share of the budget between 0 and 1, the end excluded")
    _check_proxy(tuning.proxy)
    return tuning


def _check_proxy(settings: Mapping[str, Any]) -> None:
    wanted = ("validation", "count", "seeds", "steps", "features")
    for key in (*settings, *wanted):
        if key not in wanted:
            raise nearest("sweep.search.proxy", key, wanted)
        if key not in settings:
            raise ConfigError(f"sweep.search.proxy.{key} is missing; see bench/conf/sweep/digits_tuned.yaml")
    if not 0 < settings["validation"] < 1:
        raise ConfigError(f"sweep.search.proxy.validation={settings['validation']} must be a share between 0 and 1, e.g. 0.2")
    if not settings["seeds"] or min(settings["seeds"]) < proxy.FIRST_SEED:
        raise ConfigError(f"sweep.search.proxy.seeds={list(settings['seeds'])} must be at least {proxy.FIRST_SEED}: smaller "
                          "evaluation seeds belong to reported numbers, which tuning must not look at")
    if not isinstance(settings["count"], int) or settings["count"] < 2:
        raise ConfigError(f"sweep.search.proxy.count={settings['count']!r} must be a whole number, at least 2")


def _owner(folder: Path) -> str:
    """What names the controllers of this folder, one after the other, among those that share a study."""
    file = folder / "owner"
    if not file.exists():
        write_text(file, uuid.uuid4().hex + "\n")
    return file.read_text().strip()


def _shares(shares: Sequence[float]) -> str:
    return " and ".join(f"{share:.0%}" for share in shares) or "no part"
