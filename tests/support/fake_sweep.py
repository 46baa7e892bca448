"""A command that runs a sweep of fake jobs, to be interrupted and killed by tests: OUT WORKERS GRACE ACT..."""

import dataclasses
import json
import sys
from pathlib import Path

from sweeps.backends.local import run
from sweeps.engine.seam import Reported, Stopping
from sweeps.plan.jobs import Job, Plan


def note(event):
    if isinstance(event, Reported):
        with (Path(out) / "stages.txt").open("a") as file:
            file.write(f"{event.job} {event.info['stage']}\n")
    if isinstance(event, Stopping):
        with (Path(out) / "stopping.txt").open("a") as file:
            file.write(f"{event.grace}\n")


if __name__ == "__main__":
    out, workers, grace, *acts = sys.argv[1:]
    plan = Plan(Job(f"{act}-{i}", act, {"act": act, "gate": str(Path(out) / "gate")}) for i, act in enumerate(acts))
    outcome = run(plan, "fake_jobs:execute", Path(out), int(workers), note, grace=float(grace))
    print(json.dumps(dataclasses.asdict(outcome)))
