"""A cluster of one machine for tests: jobs are processes of their own that outlive the controller. As a command:
OUT JSON, with JSON = {"jobs": [[id, act, parents...]...], "detach": bool}, prints the outcome."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from sweeps.engine.loop import reconcile
from sweeps.engine.rules import Rules
from sweeps.engine.seam import Detached, Seen, Where
from sweeps.plan.jobs import Job, Plan


class Processes(Detached):
    """A handle is a process id. Tags are remembered in a folder, as a scheduler remembers comments."""

    interval = 0.1

    def __init__(self, out, slots=4):
        self.slots, self.tags = slots, Path(out) / "scheduler"
        self.tags.mkdir(parents=True, exist_ok=True)
        self.children = []

    def room(self, wanted):
        return max(0, self.slots - sum(map(alive, self._handles())))

    def submit(self, attempts):
        return [self._submit(attempt) for attempt in attempts]

    def poll(self, handles):
        for child in self.children:
            child.poll()
        return {handle: Seen(Where.RUNNING if alive(handle) else Where.GONE, "here", "process ended") for handle in handles}

    def cancel(self, handles, now=False):
        for handle in filter(alive, handles):
            os.kill(int(handle), signal.SIGKILL if now else signal.SIGTERM)

    def find(self, tags):
        return {tag: (self.tags / tag).read_text() for tag in tags if (self.tags / tag).exists()}

    def _handles(self):
        return [file.read_text() for file in self.tags.iterdir()]

    def _submit(self, attempt):
        process = subprocess.Popen([sys.executable, "-m", "sweeps.backends.attempt", "fake_jobs:execute", str(attempt.folder),
                                    str(attempt.number)], start_new_session=True, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.children.append(process)
        (self.tags / attempt.tag).write_text(str(process.pid))
        if os.environ.get("DIE_AFTER_SUBMIT"):  # the worst moment: the job exists and nobody has written its handle
            os.kill(os.getpid(), signal.SIGKILL)
        return str(process.pid)


def alive(handle):
    try:
        return Path(f"/proc/{handle}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    out, given = Path(sys.argv[1]), json.loads(sys.argv[2])
    plan = Plan(Job(id, id, {"act": act, "gate": str(out / "gate")}, tuple(parents)) for id, act, *parents in given["jobs"])
    rules = Rules(attempts=2, gone=0.5, absent=2.0, unseen=2.0, hang=float(os.environ.get("HANG", "inf")))
    found = reconcile(plan, Processes(out), out, "night", None, rules, detach=given.get("detach", False), lease=30.0,
                      tell=lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(dataclasses.asdict(found)))
