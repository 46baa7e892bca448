"""The arithmetic of the bar: which cost is settled, what runs, how it went. Knows no screen and no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.display.ahead import ALMOST, LEAST
from sweeps.engine import Ended, Event, Grown, Held, Info, Reported, Started, Stopping
from sweeps.plan import FINAL, Job, Plan, State, at_start, count, decide, duration

SETTLED = FINAL | {State.FAILED, State.DEAD, State.PRUNED, State.CANCELLED}


@dataclass
class Active:
    """A running job: where it is, and since when it has told."""

    job: Job
    worker: int
    stage: str = "starts"
    images: int = 0
    budget: int = 0
    first: tuple[float, int] | None = None  # the clock and the images of this stage's first report
    rate: float = 0.0
    saved: float = 0.0  # the share that a next start would begin with
    behind: float = 0.0  # the share that is done, in [0, 1], which never falls: a stage may count other images
    resumed: float = 0.0  # how much of it was done before this start, beyond what was known to be saved
    told: bool = False
    scored: bool = False

    def __post_init__(self) -> None:
        self.behind = self.saved

    def hear(self, info: Info, now: float) -> None:
        """Takes in what the run reported; a value that it did not name keeps."""
        stage = str(info.get("stage", self.stage))
        if stage != self.stage:
            self.stage, self.first = stage, None
        self.images = int(info.get("images", self.images))
        self.budget = int(info.get("budget", self.budget))
        before, first = self.behind, bool(self.budget and not self.told) or ("scored" in info and not self.scored)
        self.behind = max(before, self._share(info))
        if first:  # what it resumed from, in its training or in its scoring
            self.saved, self.resumed = self.behind, self.resumed + self.behind - before
        self.told, self.scored = self.told or self.budget > 0, self.scored or "scored" in info
        if self.first is None:
            self.first, self.rate = (now, self.images), 0.0
        elif now > self.first[0]:
            self.rate = (self.images - self.first[1]) / (now - self.first[0])

    def _share(self, info: Info) -> float:
        """By the last report: of the training by its images, of the scoring by what the run says."""
        trained = min(1.0, max(0.0, self.images / self.budget)) if self.budget > 0 else 0.0
        if not self.job.whole:
            return trained
        return (trained * self.job.cost + float(info.get("scored", 0.0)) * self.job.scoring) / self.job.whole

    def text(self) -> str:
        seed = self.job.seed
        words = [self.job.label if seed is None else f"{self.job.label} seed {seed}", self.stage]
        if self.budget:
            words.append(f"{self.images:,}/{self.budget:,} images")
        if self.rate > 0:
            words.append(f"{self.rate:,.0f}/s")
        return "  ".join(words)


class Tally:
    """A sweep as its events tell it."""

    def __init__(self, plan: Plan, states: Mapping[str, str], workers: int | None,
                 saved: Mapping[str, float] | None = None) -> None:
        self.plan = plan
        self.workers = workers
        # Of runs that wait: the share at which they go on, of which their scoring has none that is known.
        self._saved = {id: share * plan[id].cost / (plan[id].whole or 1.0) for id, share in (saved or {}).items()}
        self.active: dict[str, Active] = {}
        self._resumed = 0.0  # cost that runs which have ended found done when they began
        self._held = ""  # the words of a queue that takes no more
        self._states: dict[str, State] = at_start(states)
        self._count()

    def take(self, event: Event, now: float) -> str | None:
        """Takes in one event; returns a line worth keeping on the screen, if it makes one."""
        match event:
            case Grown(jobs, states):
                self.plan = Plan([*self.plan, *jobs])
                self._states |= {id: state for id, state in states.items() if state in SETTLED}
                self._count()
            case Started(id, worker):
                self.active[id] = Active(self.plan[id], worker, saved=self._saved.pop(id, 0.0))
            case Held(waiting, said) if said != self._held:
                self._held = said
                return f"the queue takes no more for now, {count(waiting, 'run')} wait and are offered again: {said}"
            case Stopping(grace):
                return (f"stopping: runs save what they have, for at most {duration(grace)}; a second signal (Ctrl-C) ends "
                        "them at once")
            case Reported(id, info) if id in self.active:
                self.active[id].hear(info, now)
            case Ended(id, outcome, reason, _):
                left = self.active.pop(id, None)
                if left:
                    self._resumed += left.resumed * left.job.whole
                if left and outcome not in SETTLED:  # a graceful end saves all
                    graceful = outcome in (State.YIELDED, State.INTERRUPTED)
                    self._saved[id] = left.behind if graceful else left.saved
                self._states[id] = outcome
                self._count()
                if outcome in (State.FAILED, State.LOST, State.DIVERGED):
                    return f"{id} {outcome}" + (f": {reason}" if reason else "")
        return None

    def fraction(self) -> float:
        """Settled, running and saved cost over the whole, in [0, 1]; 1 at the end alone, which no rounding says before."""
        if self._over and not self.active:
            return 1.0
        running = sum(each.behind * each.job.whole for each in self.active.values())
        waiting = sum(share * self.plan[id].whole for id, share in self._saved.items() if self._states.get(id) not in SETTLED)
        return min(ALMOST, (self._settled + running + waiting) / self._total) if self._total else 0.0

    def left(self, gained: float, passed: float) -> float | None:
        """Seconds until the end, where a share `gained` of the whole took `passed` seconds; None where that is too little
        to tell by. What runs found done when they began was gained by an earlier command."""
        resumed = self._resumed + sum(each.resumed * each.job.whole for each in self.active.values())
        gained -= resumed / self._total if self._total else 0.0
        return passed * (1 - self.fraction()) / gained if gained >= LEAST else None

    def headline(self) -> str:
        """18 runs, 2 workers, 7 done, 1 failed; where nobody knows how many may run at once, how many do."""
        ends = [f"{self._counts.get(word, 0)} {word}" for word in ("done", "diverged", "pruned", "failed", "skipped")
                if word == "done" or self._counts.get(word)]
        those = f"{len(self.active)} running" if self.workers is None else count(self.workers, "worker")
        return ", ".join([count(len(self.plan), "run"), those, *ends])

    def _count(self) -> None:
        # A lost run is tried again, or becomes failed at the end: it does not count as settled here.
        skipped = decide(self.plan, self._states).skipped
        ended = {id: state for id, state in self._states.items() if state in SETTLED}
        self._counts = Counter([*map(str, ended.values()), *("skipped" for _ in skipped)])
        self._over = len(ended) + len(skipped) == len(self.plan)
        self._total = sum(job.whole for job in self.plan)
        self._settled = sum(self.plan[id].whole for id in [*ended, *skipped])
