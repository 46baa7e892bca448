"""Claims about a whole sweep on a real Slurm cluster: a teacher and twelve students, whatever happens to them, give the numbers
of an undisturbed run on this machine, bit for bit, with nothing lost and nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import slurmbox
from daemons import end, wait_until
from places import ROOT

from results.records.store import read_json

TRAINED = 13
SMALL = ["sweep=none", "backbone.width=64", "backbone.depth=1", "budget.images=19200", "budget.batch=64",
         "train.checkpoints=20", "evaluation.seeds=[0]", "evaluation.steps=[1,2]", "evaluation.count=100"]
SWEEP = [*SMALL, "method=lsd,meanflow,lmd,cd", "seed=0,1,2", "teacher.seed=0"]
LOCAL = ["backend.workers=2"]
SLURM = ["backend=slurm", "backend.partition=cpu", "backend.memory=900M", "backend.time=30", "backend.interval=1"]
PATIENCE, PICTURE = 1800, "status.svg"


def command(out, *backend):
    return [sys.executable, "-m", "bench.run", *SWEEP, *backend, f"out={out}"]


def controller(out, cluster, log):
    return subprocess.Popen(command(out, *SLURM), cwd=ROOT, env=slurmbox.client(cluster), stdout=log, stderr=log)


def rows(out):
    """Every evaluation row of every run, as it was written."""
    return {file.parent.name: file.read_text().splitlines() for file in sorted((out / "runs").glob("*/evals.jsonl"))}


def journal(out):
    (journal,) = (out / "sweeps").glob("none-*/attempts.jsonl")
    text = journal.read_text()
    return [json.loads(line) for line in text.splitlines()]


def attempts(out):
    """(run, attempt, node, outcome, reason) of all starts, those that Slurm repeated by itself included."""
    found = []
    for file in sorted((out / "runs").glob("*/attempts/*.json")):
        record = json.loads(file.read_text())
        found.append((file.parent.parent.name, file.stem, record["node"], record["outcome"], record["reason"]))
    return found


def status(out):
    """The picture of the sweep as it is now, which `python tests/make_reference.py slurm_status` takes from here."""
    (folder,) = (out / "sweeps").glob("none-*")
    words = [str(folder), "--picture", str(out / PICTURE)]
    subprocess.run([sys.executable, "-m", "sweeps.status", *words], cwd=ROOT, check=True, capture_output=True)
    return (out / PICTURE).read_text()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("local")
    done = subprocess.run(command(out, *LOCAL), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found = rows(out)
    assert len(found) == TRAINED + 1  # and the reference rows
    return found


def check(out, expected):
    found = rows(out)
    assert found.keys() == expected.keys()
    for run, lines in expected.items():
        assert found[run] == lines, run
    ends = [line for line in journal(out) if line.get("event") == "ended" and line["outcome"] == "done"]
    assert sorted(line["job"] for line in ends) == sorted(expected)


def test_without_accounting_it_completes_through_arrays_and_dependencies(slurm_without_accounting, undisturbed, tmp_path):
    with (tmp_path / "log").open("w") as log:
        assert controller(tmp_path, slurm_without_accounting, log).wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    check(tmp_path, undisturbed)
    handles = {line["job"]: line["handle"] for line in journal(tmp_path) if line.get("event") == "submitted"}
    students = {handle.split("_")[0] for run, handle in handles.items() if run.startswith(("lmd", "cd"))}
    assert len(students) == 1, "the six students of the teacher are one array, submitted when it was done"
    assert {node for _, _, node, _, _ in attempts(tmp_path)} >= {"n1", "n2"}
    (file,) = (tmp_path / "sweeps").glob("none-*/leaderboard.csv")
    listing = file.read_text()
    assert all(method in listing for method in ("lsd", "meanflow", "lmd", "cd"))


def test_with_everything_going_wrong_the_numbers_are_the_same(slurm, undisturbed, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_CONF", slurmbox.config(slurm))
    trouble = Trouble(slurm, tmp_path)
    with (tmp_path / "log").open("w") as log:
        process = controller(tmp_path, slurm, log)
        try:
            trouble.preempt_by_signal()
            trouble.set_a_node_down()
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(3)
            process = controller(tmp_path, slurm, log)
            trouble.cancel_by_hand()
            trouble.kill_a_node()
            picture = status(tmp_path)
            assert process.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
        finally:
            if process.poll() is None:
                end([process.pid])
                process.wait()
    check(tmp_path, undisturbed)
    assert all(victim in picture for victim in trouble.victims)
    assert "ended from outside" in picture, "of the run that was just cancelled; the one that was preempted may be done"
    started = attempts(tmp_path)
    told = "\n".join(f"{run:34} {number:7} {node:4} {outcome:12} {reason}" for run, number, node, outcome, reason in started)
    with capsys.disabled():
        print(f"\n{told}")
    for victim in trouble.victims:
        assert sum(run == victim for run, *_ in started) > 1, f"{victim} was disturbed and started once:\n{told}"
    assert "SIGUSR2" in told and "SIGTERM" in told and "ended without a word" in told


def test_jobs_go_on_without_a_controller_and_the_same_command_shows_them(slurm, tmp_path):
    line = [sys.executable, "-m", "bench.run", *SMALL, "method=lsd", *SLURM, f"out={tmp_path}"]

    def run(*more):
        done = subprocess.run([*line, *more], cwd=ROOT, env=slurmbox.client(slurm), capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "python -m sweeps.status" in run("detach=true")
    (folder,) = (tmp_path / "runs").glob("lsd-*")
    wait_until(lambda: (folder / "evals.jsonl").exists(), PATIENCE, "the rows of a run that nobody looks after")
    assert "held-out data" in run() and len(list((folder / "attempts").iterdir())) == 1


class Trouble:
    """What goes wrong on clusters, each time to another run while it trains. Waits until there is one."""

    def __init__(self, cluster, out):
        self.cluster, self.out, self.victims = cluster, out, []

    def preempt_by_signal(self):
        """Slurm may deliver a signal and still answer that the job cannot be altered now; scancel then sends it again every
        few seconds, for the restarted job as well. Here it ends with the first one that was heard."""
        victim = self._victim()
        scancel = subprocess.Popen(["scancel", "--signal=USR2", victim["handle"]])
        try:
            wait_until(lambda: self._has_ended(victim), 600, "a run that a signal has stopped")
        finally:
            scancel.kill()
            scancel.wait()

    def set_a_node_down(self):
        """Until its jobs are gone: a node that gets one again while it still ends it is taken out of service by Slurm."""
        node = self._victim()["node"]
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=down", "reason=test"], check=True)
        wait_until(lambda: len(slurmbox.node_processes(self.cluster, node)) == 1, 600, "a node without jobs")
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=True)

    def kill_a_node(self):
        """The node comes back at once and does not know the job any more."""
        node = self._victim()["node"]
        pids = slurmbox.node_processes(self.cluster, node)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        end(pids)
        slurmbox.start_node(self.cluster, node)

    def cancel_by_hand(self):
        victim = self._victim()
        subprocess.run(["scancel", victim["handle"]], check=True)
        wait_until(lambda: self._has_ended(victim), 600, "a run that was cancelled has saved itself")

    def _has_ended(self, victim):
        files = (self.out / "runs" / self.victims[-1] / "attempts").glob("*.json")
        return any(each["started"] == victim["started"] and each["outcome"] for each in map(read_json, files))

    def _victim(self):
        found = []

        def training():
            for file in (self.out / "runs").glob("*/attempts/[0-9][0-9][0-9][0-9].json"):
                record, run = json.loads(file.read_text()), file.parent.parent.name
                if run not in self.victims and record["images"] and not record["outcome"] and record["stage"] == "train":
                    found.append((record["started"], run, record))
            return found

        wait_until(training, 600, "a run in training that was left in peace so far")
        _, run, record = max(found)  # the youngest has the most before it
        self.victims.append(run)
        return record
