"""A whole sweep on the simulated cluster, with a controller that is killed now and then."""

import random
from pathlib import Path

from sweeps.backends.simulated import Cluster
from sweeps.backends.simulated_files import Crash, Memory
from sweeps.backends.simulated_parts import Luck
from sweeps.engine.control import Controller
from sweeps.engine.rules import Rules
from sweeps.engine.seam import SweepError
from sweeps.plan.jobs import Job, Plan

RULES = Rules(attempts=4, patience=5, gone=90, absent=600, unseen=240)
LONG = 40 * 24 * 3600.0


def jobs(count, seed, length=(300, 3000)):
    """Teachers with students, and students of students: lengths differ by ten times."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        some = {f"j{draw.randrange(i // 4 + 1)}" for _ in range(draw.randint(1, 2))}
        parents = () if i < 8 or draw.random() < 0.3 else tuple(sorted(some))
        size = draw.randint(*length)
        made.append(Job(f"j{i}", f"j{i}", {"length": size, "seed": seed}, parents, cost=size))
    return made


def smaller(config, times):
    return config if times <= 3 else None


class Campaign:
    """`run` it to the end; then look at the parts."""

    def __init__(self, made, seed, luck=None, crashes=True, nodes=16, gpus=4, interval=120.0, source=None, rules=RULES):
        self.plan, self.random, self.crashes, self.rules = Plan(made), random.Random(seed), crashes, rules
        self.cluster = Cluster(nodes, gpus, seed, luck or Luck(), interval)
        self.files = Memory(self.cluster)
        self.source, self.events, self.killed = source, [], 0

    def controller(self):
        if self.crashes and self.random.random() < 0.8:
            self.files.crash_after = self.random.randint(0, 2 * len(self.plan))
        source = self.source() if self.source else None
        return Controller(self.plan, self.cluster, self.files, Path("/out"), "sim", lambda: self.cluster.now, self.rules,
                          self.events.append, source, smaller)

    def run(self):
        while True:
            self.files.crash_after = None
            try:
                self.control = self.controller()
                self.control.begin()
                while not self.control.finished():
                    self.control.step()
                    self.cluster.wait(self.cluster.interval)
                    if self.cluster.now > LONG:
                        raise SweepError("the sweep does not come to an end")
                self.control.end()
                return self
            except Crash:
                self.killed += 1
                self.cluster.wait(self.random.random() * 1200.0)

    def lines(self, event):
        return [line for line in self.files.lines if line["event"] == event]
