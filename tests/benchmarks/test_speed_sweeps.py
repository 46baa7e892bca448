"""Ten thousand runs: seconds to plan them beyond Hydra's compositions, and seconds of one pass of the controller."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.config import request
from bench.planning.jobs import jobs
from sweeps.engine.control import Controller
from sweeps.engine.files import Disk
from sweeps.engine.rules import Rules
from sweeps.engine.seam import Detached, Seen, Where
from sweeps.plan.describe import describe
from sweeps.plan.jobs import Job, Plan

RUNS = 10_000


def test_planning_ten_thousand_runs(benchmark, told):
    def memory():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def planned(seeds):
        wanted = request(["sweep=digits_quickstart", f"seed=range(0,{seeds})" if seeds > 1 else "seed=0"])
        plan = Plan(jobs(wanted.experiments))
        describe(plan, {}, 1.0, 8)
        return plan

    begin = time.perf_counter()
    planned(1)
    hydra, before, begin = time.perf_counter() - begin, memory(), time.perf_counter()
    plan = planned(RUNS // 6)
    seconds = time.perf_counter() - begin
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(runs=len(plan), seconds=seconds, hydra=hydra, megabytes=memory() - before)
    told(f"planning {len(plan):,} runs: {seconds:.2f} s, of which the {hydra:.2f} s of a plan of one seed are Hydra's; "
         f"{memory() - before:.0f} MB more")


@pytest.mark.parametrize(("command", "goal"), [
    (["plan=true"], 2.5), (["sweep=cifar_all_methods", "plan=true"], 3.0), (["--help"], 1.0),
])  # fmt: skip
def test_seconds_until_a_person_reads(command, goal, benchmark, told, tmp_path: Path):
    """In a process of its own, imports included. Goal: on an idle core."""
    own = [*command, f"out={tmp_path}"] if "plan=true" in command else command
    call = [sys.executable, "-m", "bench.run", *own]
    benchmark.pedantic(lambda: subprocess.run(call, check=True, capture_output=True), rounds=5)
    told(f"{' '.join(command)}: {benchmark.stats.stats.median:.2f} s, at best {benchmark.stats.stats.min:.2f} s "
         f"(goal {goal:g} s)")


class Busy(Detached):
    """A scheduler that has accepted everything: half of it runs."""

    def room(self, wanted):
        return wanted

    def submit(self, attempts):
        return [attempt.tag for attempt in attempts]

    def poll(self, handles):
        return {handle: Seen(Where.RUNNING if i % 2 else Where.QUEUED) for i, handle in enumerate(handles)}

    def find(self, tags):
        return {}


@pytest.mark.parametrize("stage", ["all are to do and wait for one", "all are submitted"])
def test_one_pass_over_ten_thousand_runs(stage, benchmark, told, tmp_path: Path):
    plan = Plan([Job("root", "r", {}), *(Job(f"j{i}", "x", {"seed": i}, ("root",) if "wait" in stage else ())
                                         for i in range(RUNS))])
    control = Controller(plan, Busy(), Disk(tmp_path, "s"), tmp_path, "b", time.time, Rules(), lambda event: None)
    begin = time.perf_counter()
    control.begin()
    start, begin = time.perf_counter() - begin, time.perf_counter()
    control.step()
    first = time.perf_counter() - begin
    benchmark.pedantic(control.step, rounds=5)
    told(f"{stage}: start {start:.2f} s, first pass {first:.2f} s, each later one {benchmark.stats.stats.median:.3f} s")
