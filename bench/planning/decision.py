"""What a person who must decide on a plan is told of its price: for GPUs where this machine's CPU would take too long, the
teachers' part of it, whose rates these are, and what there is that is smaller."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.planning.methods import by_method
from bench.planning.price import GUESS, Prices
from sweeps.plan import Job, count, duration, gpu_time

DAY = 86400.0
PATIENCE = 7 * DAY
"""Of this machine's CPU: a plan that takes it longer is told for GPUs."""
LIFETIME = 50 * 365.25 * DAY


@dataclass(frozen=True)
class Decision:
    """jobs: what is left to do. here: prices on what the command would run it on, `workers` at a time. smaller: sweeps to
    choose in its place."""

    jobs: Sequence[Job]
    here: Prices
    workers: int
    smaller: Sequence[str] = ()

    @cached_property
    def seconds(self) -> float:
        """On this machine, all workers at work."""
        return sum(map(self.here.seconds, self.jobs)) / self.workers

    @property
    def elsewhere(self) -> bool:
        """Whether it is told for GPUs, and there are none here."""
        return self.here is not self.here.on_gpus and self.seconds > PATIENCE

    @property
    def prices(self) -> Prices:
        """Those that are told."""
        return self.here.on_gpus if self.elsewhere else self.here

    def lines(self) -> list[str]:
        """The table by method of a plan for GPUs, and what decides."""
        if not any(job.cost for job in self.jobs):
            return ["Cost: nothing is left to train."]
        hours = sum(map(self.here.gpu_hours, self.jobs))
        if self.prices is not self.here.on_gpus:
            return [f"Cost: {self.here.source(self.jobs)}. On GPUs {gpu_time(hours)}, "
                    f"{self.here.on_gpus.source(self.jobs)}."]
        factor = self.prices.factor(self.jobs)
        between = f" ({gpu_time(hours / factor)} to {gpu_time(hours * factor)})" if factor > 1 else ""
        return [
            *by_method(self.jobs, self.prices),
            f"Cost: about {gpu_time(hours)}{between}{self._teachers()}.",
            f"Rates: {self.prices.source(self.jobs)}{self._measure()}.",
            *([f"On CPUs, {count(self.workers, 'worker')}: {self._patience()}.{self._smaller()}"] if self.elsewhere else []),
        ]

    def _teachers(self) -> str:
        """Their part, which is in the whole once."""
        parents = {parent for job in self.jobs for parent in job.parents}
        teachers = [job for job in self.jobs if job.id in parents]
        if not teachers:
            return ""
        students = sum(any(each.id in job.parents for each in teachers) for job in self.jobs)
        return (f"; {gpu_time(sum(map(self.here.gpu_hours, teachers)))} of it are the teachers' "
                f"({count(len(teachers), 'run')} of {', '.join(dict.fromkeys(job.label for job in teachers))}), "
                f"trained once for {count(students, 'student')}")

    def _measure(self) -> str:
        guessed = any(self.prices.price(job).way == GUESS for job in self.jobs if job.cost)
        return "; python -m bench.perf with the same words measures them on a GPU" if guessed else ""

    def _patience(self) -> str:
        return "not in a lifetime" if self.seconds > LIFETIME else f"about {duration(self.seconds)}"

    def _smaller(self) -> str:
        return f" Smaller: {', '.join(f'sweep={name}' for name in self.smaller)}." if self.smaller else ""
