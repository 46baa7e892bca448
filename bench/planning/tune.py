"""Tuned comparisons: what `sweep.search` asks for, as a search over settings and as the runs that its winners become.

A trial is the method's run with a changed setting, a training seed of its own and a part of the training data held back; it
is scored on the proxy alone (bench/scoring/proxy.py). The best setting of each method is then run on all data with the
seeds of the sweep, under the reported protocol, like the runs of any other sweep. Teachers are not tuned: they follow the
common recipe.
"""

import dataclasses
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config import ConfigError, Experiment, Request, Tuning, nearest, options, records
from bench.planning import identity
from bench.planning.begun import reopen
from bench.planning.folder import name as named
from bench.planning.jobs import chain, jobs, references
from bench.planning.price import Prices
from results.records import proxy_scores, short, write_text
from sweeps.plan import Job, count, gpu_time, read_reason
from sweeps.search import Contender, Params, Search, Settings, check_default, digest, open_storage, rungs, size, space

ELSEWHERE = ("backend", "evaluation")  # of an experiment: what changes no trial
TUNABLE = ("train.", "method.")


@dataclass(frozen=True)
class Method:
    """One method of the comparison: its experiment for each seed, and its part of the search."""

    experiments: tuple[Experiment, ...]
    contender: Contender


@dataclass(frozen=True)
class Tuned:
    """A tuned sweep: its search, the jobs that it begins with, and what it says of itself."""

    search: Search
    methods: tuple[Method, ...]
    tuning: Tuning
    references: tuple[Job, ...]
    out: Path

    def trials(self) -> list[dict[str, Any]]:
        """Every trial, as `Search.trials` gives them; of those that diverged with what their runs say of it."""
        return [t | {"reason": short(read_reason(self.out / "runs" / t["run"])) or "its samples were not finite"}
                if t["state"] == "diverged" else t for t in self.search.trials()]

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
        names = ", ".join(f"{c.name} ({count(c.trials, 'setting')}{', all there are' * exhausted(c)})" for c in each)
        return (f"A search over {names}. Below are the first trial of each, "
                f"its untuned setting, and the runs of the table. The others: up to {gpu_time(self.further(prices))}.")

    def about(self) -> str:
        """One paragraph on how settings were chosen, for tables."""
        tuning, counts = self.tuning, sorted({each.contender.trials for each in self.methods})
        share = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) + " settings that differ"
        share += ", by equal compute" * (tuning.equal == "compute")
        if few := [f"{c.trials} of {c.name}" for each in self.methods if exhausted(c := each.contender)]:
            share += f" (all that there are: {', '.join(few)})"
        seeds = ", ".join(map(str, tuning.proxy.seeds))
        return (
            f"Every method was tuned over {share}, the untuned one first (the common recipe, its paper's knobs; sampler "
            f"{tuning.sampler}, seed {tuning.seed}), on a proxy that is not reported: training seed {tuning.train_seed}, "
            f"{tuning.proxy.validation:.0%} of the training data held back to compare with, evaluation seeds {seeds}. At "
            f"{_shares(tuning.rungs)} of the budget the best 1/{tuning.reduction} went on. The best setting was then run on "
            "all training data."
        )


def exhausted(contender: Contender) -> bool:
    """Whether it tries every setting that there is."""
    return contender.trials >= size(contender.space, contender.default)


def tuned(request: Request, preview: bool = False) -> Tuned:
    """The search of a sweep that has one; a preview writes nothing. Raises ConfigError naming the key at fault."""
    sweep, tuning, out = request.sweep, request.sweep.search, request.out
    assert tuning is not None, "the sweep has a search"
    jobs(request.experiments)  # everything that a plan would object to
    _check_apart(request.experiments, tuning)
    methods = _methods(request.experiments, tuning)
    by_name = {each.contender.name: each for each in methods}
    folder = out / "sweeps" / named(sweep.name, request.changed)

    def trial_jobs(name: str, params: Params) -> list[Job]:
        return chain(_trial(by_name[name], params, tuning))

    def final_jobs(name: str, params: Params) -> list[Job]:
        found = [job for each in by_name[name].experiments for job in chain(_with(each, params))]
        if not preview:
            reopen(out, found)
        return found

    parallel = tuning.parallel
    if parallel is None and request.backend.name == "slurm":
        # A queue takes any number, and trials that are all asked for at once learn nothing from each other.
        parallel = tuning.startup * len(methods)
    settings = Settings(tuning.sampler, tuning.seed, tuning.startup, tuning.reduction, parallel, tuning.patience, tuning.finals)
    storage = open_storage(None, None) if preview else open_storage(tuning.storage, folder / "study.log")
    search = Search(
        sweep.name, [each.contender for each in methods], settings, storage, "" if preview else _owner(folder),
        trial_jobs, final_jobs, lambda run: proxy_scores(out / "runs" / run),
    )
    return Tuned(search, tuple(methods), tuning, tuple(references(request.experiments)), out)


def _methods(experiments: Sequence[Experiment], tuning: Tuning) -> list[Method]:
    by_label: dict[str, list[Experiment]] = {}
    for each in experiments:
        by_label.setdefault(each.label, []).append(each)
    known = options(experiments[0].plain, experiments[0].plugins)
    for key in tuning.space:
        if key not in known:
            raise nearest("sweep.search.space", key, [k for k in known if k.startswith(TUNABLE)])
    costs = {label: chain(found[0])[-1].cost for label, found in by_label.items()}
    methods = []
    for label, found in by_label.items():
        trials = tuning.trials
        if tuning.equal == "compute":
            trials = max(1, int(tuning.trials * min(costs.values()) / costs[label]))
        methods.append(Method(tuple(found), _contender(found[0], tuning, trials)))
    return methods


def _contender(each: Experiment, tuning: Tuning, trials: int) -> Contender:
    raw, label = _keys(each, tuning), each.label
    if not raw:
        raise ConfigError(f"sweep.search: nothing is searched for {label}; give it a parameter in sweep.search.space")
    distributions, default = space(raw), {key: each.value(key) for key in raw}
    check_default(distributions, default, label)
    if not any(each.method.supports(n) for n in tuning.proxy.steps):
        raise ConfigError(f"sweep.search.proxy.steps={list(tuning.proxy.steps)}: {label} supports none of them")
    budget = each.budget
    *early, _ = (stage.images for stage in each.method.stages(budget.images))
    begin = tuning.prunable_from.get(each.name, sum(early) / budget.images)
    elsewhere = ELSEWHERE if each.conditional else (*ELSEWHERE, "conditional")
    base = {key: value for key, value in each.plain.items() if key not in elsewhere} | {"knobs": dict(each.asked.command)}
    base |= {section: identity.telling(section, base[section]) for section in (*identity.HARMLESS, "method", "teacher")}
    content = {"base": base, "space": raw, "proxy": _proxy(each, tuning), "rungs": list(tuning.rungs),
               "train_seed": tuning.train_seed, "version": each.method.version}
    trials = int(min(trials, size(distributions, default)))
    at = rungs(tuning.rungs, budget.images, budget.batch, begin)
    return Contender(label, distributions, default, trials, at, digest(content))


def _keys(each: Experiment, tuning: Tuning) -> dict[str, Any]:
    """The part of the space that this method has: the common one, and its own."""
    own = tuning.spaces.get(each.name, {})
    for key in own:
        if not each.has(key):
            raise ConfigError(f"sweep.search.spaces.{each.name}.{key}: {each.name} has no such option")
    found = {**{key: value for key, value in tuning.space.items() if each.has(key)}, **own}
    for key in found:
        if not key.startswith(TUNABLE):
            raise ConfigError(f"sweep.search.space.{key}: only train.* and method.* are tuned; the rest is what makes the "
                              "comparison matched")
    return found


def _trial(method: Method, params: Params, tuning: Tuning) -> Experiment:
    first = method.experiments[0]
    proxy = {**_proxy(first, tuning), "rungs": list(method.contender.rungs)}
    unscored: Params = {"evaluation.reference_count": None, "evaluation.statistics": None, "evaluation.also": [],
                "evaluation.milestones": False, "evaluation.checkpoint": "last", "evaluation.best_at": None}
    about = {"validation": tuning.proxy.validation, "proxy": proxy, "label": f"{first.label} (trial)"}
    return _with(first, {**params, **unscored, **about}).with_seed(tuning.train_seed)


def _proxy(each: Experiment, tuning: Tuning) -> dict[str, Any]:
    """What makes the scores of two trials comparable: the file's settings, and the average where it is not the recipe's."""
    said = tuning.proxy.model_dump(mode="json", exclude_unset=True)
    return said if each.evaluation.ema is None else {**said, "ema": each.evaluation.ema}


def _check_apart(experiments: Sequence[Experiment], tuning: Tuning) -> None:
    """Raise ConfigError where the search would look at a seed of the reported numbers."""
    for each in experiments:
        if shared := set(each.evaluation.seeds) & set(tuning.proxy.seeds):
            raise ConfigError(f"evaluation.seeds and sweep.search.proxy.seeds share {min(shared)}: tuning must not look at the "
                              "noise of reported numbers; change one")
        if each.seed == tuning.train_seed:
            raise ConfigError(f"seed={each.seed} is sweep.search.train_seed: settings are chosen with a training seed "
                              "that no reported run has; change one")


def _with(each: Experiment, params: Params) -> Experiment:
    """The same run with another setting; its teacher remains that of the common recipe."""
    return dataclasses.replace(each, untuned=records.recipe(each.plain)).changed(params)


def _owner(folder: Path) -> str:
    """What names the controllers of this folder, one after the other, among those that share a study."""
    file = folder / "owner"
    if not file.exists():
        write_text(file, uuid.uuid4().hex + "\n")
    return file.read_text(encoding="utf-8").strip()


def _shares(shares: Sequence[float]) -> str:
    return " and ".join(f"{share:.0%}" for share in shares) or "no part"
