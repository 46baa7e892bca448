"""A search as a source of jobs: one study per method, asked and told while the sweep goes on.

As soon as a job could be submitted a new trial is asked; nothing waits for a batch. The setting that the search begins
with, the paper's, is every method's first trial and is never pruned. When all trials of a method have ended, the best of
them by the proxy is trained and evaluated like any other run of a sweep: those runs, and only they, stand in the table.

All that must be remembered stands in the studies and the run folders; a killed controller's trials are found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.storages import BaseStorage

from sweeps.engine import Growth, SweepError
from sweeps.plan import Job, State, duration
from sweeps.search import study as studies
from sweeps.search.rungs import should_stop
from sweeps.search.space import Params, Space
from sweeps.search.study import OPEN, Study, Trial

Make = Callable[[str, Params], Sequence[Job]]
"""(method, setting) -> its jobs; of a trial's the last one is the trial itself and the others are what it waits for."""
Scores = Callable[[str], Mapping[int, float]]
"""Run id -> its proxy scores so far by images seen; NaN where the model's samples were not finite."""
STUCK = frozenset({"failed", "dead", "skipped", "cancelled"})
"""Ends that are no result; the same command, or a retry, may yet make one of them."""
ENDED = STUCK | {State.DONE, State.DIVERGED, "pruned"}
SIGN_EVERY = 60.0


@dataclass(frozen=True)
class Contender:
    """One method in the comparison.

    default: the setting to begin with, one value per parameter of the space. trials: how many settings are tried, this
    one included. rungs: images seen at which trials are scored, the last one the whole budget. digest: of all that
    makes its trials comparable (base setting, space, proxy).
    """

    name: str
    space: Space
    default: Params
    trials: int
    rungs: tuple[int, ...]
    digest: str


@dataclass(frozen=True)
class Settings:
    """How settings are chosen and given up; the same for all methods.

    startup: trials before the sampler learns from the others. reduction: at a rung the best 1/reduction go on.
    parallel: at most so many trials at a time; None leaves it to the backend. patience: seconds of silence after which
    another controller's trials are given up. finals: whether this controller trains the best settings in the end.
    """

    sampler: str = "tpe"
    seed: int = 0
    startup: int = 5
    reduction: int = 3
    parallel: int | None = None
    patience: float = 86_400.0
    finals: bool = True


@dataclass
class Search:
    """See the module. `owner` names this controller for as long as its output folder lives."""

    name: str
    contenders: Sequence[Contender]
    settings: Settings
    storage: BaseStorage
    owner: str
    trial_jobs: Make
    final_jobs: Make
    scores: Scores
    clock: Callable[[], float] = studies.now
    _jobs: dict[str, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._studies = {c.name: self._study(c) for c in self.contenders}
        self._own: dict[tuple[str, int], Job] = {}  # the job of each of this controller's trials
        self._final: dict[str, tuple[Job, ...]] = {}  # the runs of the best settings, once they are known
        self._signed = float("-inf")

    def advance(self, states: Mapping[str, State], free: int) -> Growth:
        """What to add to the plan and what to stop, given where its jobs stand (`sweeps.engine.seam.Source`)."""
        known = set(self._jobs)
        self._sign()
        for contender in self.contenders:
            self._studies[contender.name].refresh()
            for trial in self._mine(contender):
                self._keep(contender, trial)
                if trial.state == OPEN:
                    self._settle(contender, trial, states)
            self._give_up_silent(contender)
        if known == set(self._jobs):  # else those found again come first, and may take all the room there is
            self._refill(states, free)
        finished = [self._conclude(contender, states) for contender in self.contenders]
        new = tuple(job for id, job in self._jobs.items() if id not in known)
        return Growth(new, self._stopped(states), closed=all(finished) and not new)

    def trials(self) -> list[dict[str, Any]]:
        """Every trial of every method as plain data, for the table of trials; `chosen` marks each method's best."""
        rows: list[dict[str, Any]] = []
        for contender in self.contenders:
            every = self._studies[contender.name].all()
            best = winner(every)
            for t in every:
                rows.append({
                    "method": contender.name, "trial": t.number, "state": t.state, "value": t.value, "images": t.images,
                    "rung": contender.rungs.index(t.images) + 1 if t.images in contender.rungs else None,
                    "rungs": len(contender.rungs), "default": t.default, "chosen": best is not None and t.number == best.number,
                    "params": t.params, "scores": t.scores, "run": t.run, "reason": t.reason,
                })
        return rows

    def finals(self) -> list[Job]:
        """The runs of the best settings, with what they wait for, of the methods whose trials have all ended."""
        return [job for contender in self.contenders for job in self._final.get(contender.name, ())]

    def _study(self, contender: Contender) -> Study:
        s = self.settings
        return Study(self.storage, f"{self.name}/{contender.name}/{contender.digest}", contender.space, sampler=s.sampler,
                     seed=s.seed, startup=s.startup)

    def _mine(self, contender: Contender) -> Iterator[Trial]:
        return iter([t for t in self._studies[contender.name].trials() if t.owner == self.owner])

    def _keep(self, contender: Contender, trial: Trial) -> None:
        """The jobs of a trial, made again from its setting where a former controller asked for it."""
        if (contender.name, trial.number) in self._own:
            return
        *before, own = self.trial_jobs(contender.name, trial.params)
        if own.id != trial.run:
            raise SweepError(f"trial {trial.number} of {contender.name} was run {trial.run} and would now be {own.id}: its "
                             "study belongs to another version; begin a new one with sweep.search.storage or another out=")
        self._own[contender.name, trial.number] = own
        for job in (*before, own):
            self._jobs.setdefault(job.id, job)

    def _settle(self, contender: Contender, trial: Trial, states: Mapping[str, State]) -> None:
        """Takes in what a running trial has reached: its scores, its end, or its end at a rung."""
        study, state = self._studies[contender.name], states.get(trial.run)
        if state is None or state in STUCK:
            return
        found, ended = self.scores(trial.run), state in ENDED
        for images in contender.rungs:
            if images not in found:
                break
            if images in trial.scores:
                continue
            study.report(trial, images, found[images])
            others = [t.scores[images] for t in study.trials() if t.number != trial.number and images in t.scores]
            last = trial.default or ended or images == contender.rungs[-1]
            if not last and should_stop(studies.worst(found[images]), others, self.settings.reduction):
                return study.prune(trial, images, found[images])
        if state == State.DIVERGED:
            study.finish(trial, studies.WORST)
        elif state == State.DONE and contender.rungs[-1] in found:
            study.finish(trial, found[contender.rungs[-1]])
        elif ended:
            study.fail(trial, "its run ended without a score")

    def _refill(self, states: Mapping[str, State], free: int) -> None:
        """Asks for trials while there is room: each time for the method that has the smallest part of its trials."""
        running = sum(self._alive(job, states) for job in self._own.values())
        room = free if self.settings.parallel is None else min(free, self.settings.parallel - running)
        closed: set[str] = set()
        while room > 0:
            asked = {c.name: len(self._studies[c.name].trials()) / c.trials for c in self.contenders
                     if c.name not in closed and self._may_ask(c, states)}
            if not asked:
                return
            name = min(asked, key=lambda n: asked[n])
            before = set(self._jobs)
            if not self._ask(next(c for c in self.contenders if c.name == name)):
                closed.add(name)
            added = [job for id, job in self._jobs.items() if id not in before]
            room -= sum(self._alive(job, states) and not self._waiting(job, states) for job in added)

    def _may_ask(self, contender: Contender, states: Mapping[str, State]) -> bool:
        """Whether a place is left. A method whose trials wait for their teacher is not asked: they could learn nothing."""
        study = self._studies[contender.name]
        if len(study.trials()) >= contender.trials or _given_up(study, contender):
            return False
        own = [self._own[contender.name, t.number] for t in study.trials() if (contender.name, t.number) in self._own]
        return not any(self._skipped(job, states) or self._waiting(job, states) for job in own)

    def _ask(self, contender: Contender) -> bool:
        study = self._studies[contender.name]
        default = not any(t.default for t in study.trials())
        params = dict(contender.default) if default else study.suggest()
        own = self.trial_jobs(contender.name, params)[-1]
        trial = study.add(params, own.id, self.owner, contender.trials, default)
        if trial is not None:
            self._keep(contender, trial)
        return trial is not None

    def _conclude(self, contender: Contender, states: Mapping[str, State]) -> bool:
        """Adds the runs of the best setting once all trials have ended; True if nothing more will come."""
        if contender.name in self._final:
            return True
        study = self._studies[contender.name]
        trials = study.trials()
        own = {t.number: self._own[contender.name, t.number] for t in trials if (contender.name, t.number) in self._own}
        skipped = {number for number, job in own.items() if self._skipped(job, states)}
        stuck = skipped | {number for number, job in own.items() if states.get(job.id) in STUCK}
        more = len(trials) < contender.trials and not skipped and not _given_up(study, contender)
        if more or any(t.state == OPEN and t.number not in stuck for t in trials):
            return False
        best = winner(trials)
        jobs = self.final_jobs(contender.name, best.params) if best is not None and self.settings.finals else ()
        for job in jobs:
            self._jobs.setdefault(job.id, job)
        self._final[contender.name] = tuple(jobs)
        return True

    def _skipped(self, job: Job, states: Mapping[str, State]) -> bool:
        """Whether something that it waits for has ended otherwise than done, so that it never starts."""
        return any(states.get(p) in ENDED - {State.DONE} or (p in self._jobs and self._skipped(self._jobs[p], states))
                   for p in job.parents)

    def _alive(self, job: Job, states: Mapping[str, State]) -> bool:
        return states.get(job.id, State.TODO) not in ENDED and not self._skipped(job, states)

    def _waiting(self, job: Job, states: Mapping[str, State]) -> bool:
        return self._alive(job, states) and any(states.get(p) != State.DONE for p in job.parents)

    def _stopped(self, states: Mapping[str, State]) -> dict[str, str]:
        """The runs of pruned trials that have not ended, with the reason, unless another trial shares the run."""
        stop: dict[str, str] = {}
        wanted: set[str] = set()
        for contender in self.contenders:
            for t in self._mine(contender):
                if t.state == "pruned" and states.get(t.run, State.DONE) not in ENDED:
                    stop[t.run] = f"pruned at {t.images:,} images: trial {t.number} of {contender.name}"
                elif t.state != "pruned":
                    wanted.add(t.run)
        return {run: reason for run, reason in stop.items() if run not in wanted}

    def _give_up_silent(self, contender: Contender) -> None:
        """Trials of a controller that has not been heard of for long are failed, and others take their places."""
        study = self._studies[contender.name]
        others = {t.owner for t in study.trials() if t.state == OPEN and t.owner != self.owner}
        gone = {o for o in others if self.clock() - study.seen(o) > self.settings.patience}
        for t in study.trials():
            if t.state == OPEN and t.owner in gone:
                study.fail(t, f"its controller {t.owner} was silent for {duration(self.settings.patience)}")

    def _sign(self) -> None:
        if self.clock() - self._signed >= SIGN_EVERY:
            self._signed = self.clock()
            for study in self._studies.values():
                study.sign(self.owner, self._signed)


def winner(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the lowest score among those that ran to their end; the first of several equal ones."""
    ended = [t for t in trials if t.state in ("done", "diverged")]
    return min(ended, key=lambda t: (t.value, t.number), default=None)


def _given_up(study: Study, contender: Contender) -> bool:
    """Whether as many trials as were asked for have failed: there is no use in replacing more."""
    return sum(t.state == "failed" for t in study.all()) >= contender.trials
