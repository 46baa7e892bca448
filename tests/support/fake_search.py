"""A simulated executor for searches: jobs with lengths on a clock, scores that are a formula, no processes."""

import heapq
import math
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from sweeps.plan.jobs import Job
from sweeps.plan.states import State
from sweeps.search.source import Contender, Search, Settings
from sweeps.search.space import space
from sweeps.search.study import open_storage

RUNGS = (25, 50, 75, 100)
SPACE = space({"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "eta": {"choices": [0.25, 0.5, 0.75]}})
DEFAULT = {"lr": 1e-3, "eta": 0.75}


def contenders(names="abc", trials=6, rungs=RUNGS):
    return [Contender(name, SPACE, DEFAULT, trials, rungs, "0") for name in names]


def run_id(name, params):
    return f"{name}-" + "-".join(f"{params[key]!r}" for key in sorted(params))


def trial_jobs(name, params):
    """Methods in capitals have a teacher, shared by all their trials."""
    parents = (f"teacher-{name}",) if name.isupper() else ()
    return [*(Job(p, p, {}) for p in parents), Job(run_id(name, params), name, dict(params), parents)]


def final_jobs(name, params):
    return [Job(f"final-{seed}-{run_id(name, params)}", name, dict(params)) for seed in (0, 1)]


def score(params, images):
    """Best at lr=.01; falls with training; NaN from lr=.09 on."""
    if params["lr"] > 0.09:
        return math.nan
    return (math.log10(params["lr"]) + 2) ** 2 + params["eta"] + 100 / images


@dataclass
class World:
    """What outlives a controller: the folders of the runs, and (on a cluster) the jobs that go on.

    length: job id -> its length. Jobs run on `slots` workers in the order in which they were added.
    """

    slots: int
    length: object
    outcome: object = lambda job: State.DONE
    now: float = 0.0
    busy: float = 0.0
    jobs: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)
    running: list = field(default_factory=list)
    since: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    stopped: dict = field(default_factory=dict)

    def scores(self, run):
        """At each rung that the run has passed by now."""
        if run not in self.since:
            return {}
        begin, end = self.since[run]
        until = self.stopped.get(run, self.now)
        share = 1.0 if until >= end else (until - begin) / (end - begin)
        return {r: score(self.params[run], r) for r in RUNGS if r <= 100 * share + 1e-9}

    def add(self, jobs):
        for job in jobs:
            if job.id not in self.jobs:
                self.jobs[job.id], self.params[job.id] = job, job.config
                self.states.setdefault(job.id, State.TODO)

    def ready(self):
        return [id for id, job in self.jobs.items() if self.states[id] == State.TODO
                and all(self.states[p] == State.DONE for p in job.parents)]

    def free(self):
        return max(0, self.slots - len(self.running) - len(self.ready()))

    def start(self):
        for id in self.ready()[:self.slots - len(self.running)]:
            end = self.now + self.length(id)
            self.states[id], self.since[id] = State.RUNNING, (self.now, end)
            heapq.heappush(self.running, (end, id))

    def stop(self, runs):
        for run in runs:
            if self.states.get(run) == State.RUNNING:
                self.states[run], self.stopped[run] = "pruned", self.now
                self.busy += self.now - self.since[run][0]
                self.running = [r for r in self.running if r[1] != run]
                heapq.heapify(self.running)
            elif self.states.get(run) == State.TODO:
                self.states[run] = "pruned"

    def tick(self):
        """To the next end of a job or the next quarter of one."""
        events = [end for end, _ in self.running]
        events += [b + (e - b) * q / 4 for _, id in self.running for b, e in [self.since[id]] for q in (1, 2, 3)
                   if b + (e - b) * q / 4 > self.now + 1e-9]
        if events:
            self.now = min(events)
        while self.running and self.running[0][0] <= self.now + 1e-9:
            end, id = heapq.heappop(self.running)
            self.states[id] = self.outcome(self.jobs[id])
            self.busy += end - self.since[id][0]


def controller(world, storage, owner="me", clock=None, **options):
    given = {key: options.pop(key) for key in ("names", "trials", "rungs") if key in options}
    return Search("test", contenders(**given), Settings(**{"startup": 3, **options}), storage, owner, trial_jobs, final_jobs,
                  world.scores, clock or (lambda: world.now))


def step(search, world):
    """One pass of a reconcile loop, without time; True once the search is over and nothing is left to run."""
    grown = search.advance(dict(world.states), world.free())
    world.add(grown.jobs)
    world.stop(grown.prune)
    world.start()
    return grown.closed and not world.running and not world.ready()


def drive(search, world, limit=100_000):
    for _ in range(limit):
        if step(search, world):
            return
        world.tick()
    raise AssertionError("the search does not end")


def main(url, owner, trials, place):
    """One of two controllers that share a study, each with workers of its own: URL OWNER TRIALS PLACE, where they meet before
    they begin."""
    world = World(3, lambda id: 1 + 9 * random.Random(id).random())
    search = controller(world, open_storage(url, Path()), owner, time.time, names="Ab", trials=int(trials))
    Path(place, owner).touch()
    while len(list(Path(place).iterdir())) < 2:
        time.sleep(0.002)
    while not step(search, world):
        world.tick()
        time.sleep(0.002)


if __name__ == "__main__":
    main(*sys.argv[1:])
