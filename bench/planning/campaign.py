"""A whole command as a plan: what would run under which name, what it would cost, and what its table shows."""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config import ConfigError, Experiment, Points, Request, counts, shown, unfit, unheld, unlabelled, unserved, untaught
from bench.data import inspect
from bench.planning import backends, disk, folder, price
from bench.planning.begun import incomplete, saved, told, unchoosable
from bench.planning.decision import Decision
from bench.planning.jobs import jobs
from bench.planning.price import Prices
from results.records import RUN_FILE
from sweeps.plan import Plan, State, count, describe, duration, makespan, read_states, todo

if TYPE_CHECKING:
    from bench.planning.tune import Tuned

HOUR = 3600.0


@dataclass(frozen=True)
class Campaign:
    """`plan`: what is known to run; a `search` lets it grow. data: what was found of each data set, a line each."""

    request: Request
    plan: Plan
    name: str
    data: tuple[str, ...]
    search: "Tuned | None" = None

    @classmethod
    def of(cls, request: Request, preview: bool = False) -> "Campaign":
        """A preview writes nothing. Raises ConfigError or PlanError for what cannot run."""
        price.device(request.experiments[0])  # one that is not there is told before anything starts
        named = folder.name(request.sweep.name, request.changed)
        if fault := untaught(request.experiments):
            raise ConfigError(fault)
        data = (*_inspected(request.experiments, preview), *_empty(request))
        if request.sweep.search is not None:
            from bench.planning.tune import tuned  # here: it brings Optuna

            search = tuned(request, preview)
            made = cls(request, Plan(search.preview() if preview else search.references), named, data, search)
            made.check_one_table()
            return made
        plan = Plan(jobs(request.experiments))
        if faults := unchoosable(request.out, plan):
            raise ConfigError(*faults)
        # A single experiment is named by its run, so that two of them can go on side by side, unless the command names it.
        table = len(request.experiments) > 1 or request.sweep.preset is not None or "sweep.name" in request.changed
        own = named if table else folder.of_run(plan.jobs[-1].id, request.changed)
        made = cls(request, plan, own, data)
        made.check_one_table()
        return made

    def text(self, workers: int) -> str:
        """What would run, what is done already, how long it would take and what it would cost."""
        states, again = self._states(self.plan)
        prices = self._prices(self.plan, states)
        decision = Decision(left := todo(self.plan, states), prices, max(1, workers), self.request.sweep.smaller)
        prices, elsewhere = decision.prices, decision.elsewhere
        timed = self._timed(prices, self.plan)
        at_most = None if backends.unbound(self.request.backend) else workers
        at_a_time, who = (1, "GPU") if elsewhere else (at_most, "worker")
        return "\n".join([
            *self.data,
            *([self.search.outlook(prices)] if self.search else []),
            describe(timed, states, 1.0, at_a_time, prices.factor(left), who, "backend.jobs=N"), *told(again),
            f"Its table: {self.request.out / 'sweeps' / self.name}",
            disk.words(left), *decision.lines(),
        ])

    def warning(self, workers: int) -> str:
        """A line before what will keep this machine for more than an hour by its plan, else nothing. Of a search: its least."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is damaged is told where it is used
            plan = Plan(self.search.preview()) if self.search else self.plan
            states, _ = self._states(plan)
            prices = self._prices(plan, states)
            timed = self._timed(prices, plan)
        seconds = makespan(left := todo(timed, states), timed.tail, max(1, workers))
        if seconds <= HOUR:
            return ""
        least = "at least" if self.search else "about"
        return (f"this will take {least} {duration(seconds)} with {count(max(1, workers), 'worker')}, {prices.source(left)}; "
                "plan=true shows it run by run, and budget.images=N sets how long each one trains")

    def _timed(self, prices: Prices, plan: Plan) -> Plan:
        """The plan with seconds for costs, scoring included."""
        return Plan(dataclasses.replace(job, cost=prices.seconds(job), scoring=0.0) for job in plan)

    def gpu_hours(self) -> float:
        """Of all that is left to do, the trials of a search included, if none is pruned."""
        plan = Plan(self.search.preview()) if self.search else self.plan
        states, _ = self._states(plan)
        prices = self._prices(plan, states)
        hours = sum(map(prices.gpu_hours, todo(plan, states)))
        return hours + (self.search.further(prices) if self.search else 0.0)

    def check_one_table(self) -> None:
        """Raise ConfigError where the runs would need several."""
        references = [job.id for job in self.plan if job.kind == "reference"]
        if len(references) > 1:
            raise ConfigError(
                f"this sweep would need {len(references)} tables: its runs differ in data, evaluation or the first average "
                "(train.ema), and numbers of two protocols cannot stand in one; run one sweep for each"
            )

    def _states(self, plan: Plan) -> tuple[dict[str, str], dict[str, str]]:
        """Those of the run folders; and which finished runs would be taken up again, of which it is as if they had been
        interrupted: {run: why}."""
        again = incomplete(self.request.out, plan)
        return {**read_states(self.request.out, plan.ids), **dict.fromkeys(again, State.INTERRUPTED)}, again

    def _prices(self, plan: Plan, states: Mapping[str, str]) -> Prices:
        """Of what is left of each run."""
        out = self.request.out
        return Prices(out, price.device(self.request.experiments[0]), saved(out, plan, states))


def _inspected(experiments: Sequence[Experiment], preview: bool) -> tuple[str, ...]:
    """What was found of each data set, a line each. Raises ConfigError for what cannot be loaded, or not be used as asked."""
    found = {each: inspect(each) for each in dict.fromkeys(e.data for e in experiments)}
    images = (e for e in {id(e.plain): e for e in experiments}.values() if not isinstance(e.data, Points))
    faults = [fault for e in images for fault in unfit(e, found[e.data].train, *found[e.data].shape[1:])]
    faults += [fault for e in {id(e.plain): e for e in experiments}.values()
               for fault in (*unlabelled(e, found[e.data].classes, found[e.data].unlabelled),
                             *unheld(e, found[e.data].heldout)) if fault not in faults]
    faults += [] if preview else [each.absent for each in found.values() if each.absent]
    if faults:
        raise ConfigError(*faults)
    return tuple(each.text for each in found.values())


def _empty(request: Request) -> Iterator[str]:
    """A line where methods have no number in any of evaluation.steps and are left out, and one where none has it in some."""
    if request.left:
        steps = shown(list(request.left[0].evaluation.steps))
        yield f"evaluation.steps={steps} leaves out: " + ", ".join(f"{e.label} ({counts(e.method)})" for e in request.left)
    if empty := unserved(request.experiments):
        labels = sorted({e.label for e in request.experiments})
        who = f"{labels[0]} defines no sample" if len(labels) == 1 else f"none of the {len(labels)} methods defines a sample"
        yield f"evaluation.steps: {who} of {', '.join(map(str, empty))} steps, which stay without a number"


def listing(plan: Plan, whole: Sequence[Experiment], out: Path) -> dict[str, Any]:
    """What the table shows: `runs` (ids), `order` (labels) and `labels` (id -> label).

    A command that narrows its sweep (`method=lsd,esd`) shows what else of the `whole` sweep has been run as well, so that it
    never takes lines from the sweep's table; what was not run is not missing from it.
    """
    mine = {job.id: job.label for job in plan if job.listed}
    every = {job.id: job.label for job in jobs(whole) if job.listed} if whole else {}
    labels = {id: label for id, label in every.items() if id in mine or (out / "runs" / id / RUN_FILE).exists()}
    labels |= {id: label for id, label in mine.items() if id not in labels}
    references = [job.id for job in plan if job.kind == "reference"]
    return {"runs": [*references, *labels], "order": list(dict.fromkeys(labels.values())), "labels": labels}
