"""Claims about the Slurm backend, each on a real cluster: with accounting and without it, where both must do."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import fake_jobs
import pytest
import slurmbox
import submitit
from daemons import wait_until
from places import ROOT, SUPPORT
from submitit.core.utils import FailedJobError

from sweeps.backends import slurm_environment, slurm_queries
from sweeps.backends.slurm import Site, Slurm
from sweeps.engine import control, snapshot
from sweeps.engine.loop import reconcile
from sweeps.engine.rules import Rules
from sweeps.engine.seam import Attempt, Held, Kind, SweepError, Where
from sweeps.plan.jobs import Job, Plan

SETUP = [f"export PYTHONPATH=$PYTHONPATH:{SUPPORT}:{ROOT}"]


@pytest.fixture(params=["slurm", "slurm_without_accounting"])
def cluster(request, monkeypatch):
    folder = request.getfixturevalue(request.param)
    monkeypatch.setenv("SLURM_CONF", slurmbox.config(folder))
    return folder


@pytest.fixture
def with_accounting(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurmbox.config(slurm))


def backend(tmp_path, execute="fake_jobs:execute", code=None, **site):
    return Slurm(execute, tmp_path / "slurm", Site(**{"time": 15, "memory": "200M", "setup": SETUP, **site}), code)


def attempt(tmp_path, name, number=1, **config):
    folder = tmp_path / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    made = Attempt(Job(name, name, config), number, folder, f"{name}-{tmp_path.name}-{number}", config)
    (folder / "job.json").write_text(json.dumps({"config": config, "attempt": number, "tag": made.tag}))
    return made


def status(made):
    try:
        return json.loads((made.folder / "run.json").read_text())["status"]
    except FileNotFoundError:
        return None


def record(made):
    try:
        return json.loads((made.folder / "attempts" / f"{made.number:04d}.json").read_text())
    except FileNotFoundError:
        return {"outcome": "", "images": 0}


def where(slurm, handle):
    seen = slurm.poll([handle]).get(handle)
    return seen.where if seen else Where.ABSENT


def test_arrays_stay_under_the_limit_and_their_jobs_are_found_again(cluster, tmp_path):
    attempts = [attempt(tmp_path, f"run{i}", act="done") for i in range(5)]
    slurm = backend(tmp_path, array=2)
    handles = slurm.submit(attempts)
    assert len(set(handles)) == 5 and len({handle.split("_")[0] for handle in handles}) == 3
    wait_until(lambda: all(where(slurm, handle) == Where.GONE for handle in handles), 600, "the end of five jobs")
    assert [status(each) for each in attempts] == ["done"] * 5
    assert all(len(fake_jobs.executions(tmp_path, each.job.id)) == 1 for each in attempts)
    assert "printed by a run" in slurm.logs(handles[4]).read_text()

    for file in (tmp_path / "slurm" / "batches").iterdir():  # as if killed before the answer of sbatch was written down
        file.write_text(json.dumps({**json.loads(file.read_text()), "number": None}))
    found = backend(tmp_path).find([*(each.tag for each in attempts), "never-submitted"])
    assert found == {each.tag: handle for each, handle in zip(attempts, handles, strict=True)}


def test_a_submission_whose_answer_was_lost_is_not_given_up_at_once(cluster, tmp_path):
    slurm = backend(tmp_path)
    (tmp_path / "slurm" / "batches").mkdir(parents=True)
    lost = {"name": "fewstep.lost", "time": time.time(), "number": None, "tags": ["a"]}
    (tmp_path / "slurm" / "batches" / "fewstep.lost.json").write_text(json.dumps(lost))
    with pytest.raises(OSError, match="may still turn up"):
        slurm.find(["a"])


def test_a_cancelled_run_saves_itself_and_does_not_come_back(cluster, tmp_path):
    running = attempt(tmp_path, "running", act="wait_for_file", gate=str(tmp_path / "gate"))
    waiting = attempt(tmp_path, "waiting", act="done")
    slurm = backend(tmp_path)
    first = slurm.submit([running])[0]
    held = backend(tmp_path, sbatch=["--hold"]).submit([waiting])[0]
    wait_until(lambda: record(running)["images"] > 0, 600, "a running job")
    assert where(slurm, held) == Where.QUEUED and slurm.poll([first])[first].node.startswith("n")
    slurm.cancel([first, held])
    wait_until(lambda: {where(slurm, first), where(slurm, held)} == {Where.GONE}, 600, "the end of both")
    assert record(running)["outcome"] == "interrupted" and (running.folder / "step.txt").exists()
    assert status(waiting) is None
    time.sleep(1)
    assert where(slurm, first) == Where.GONE


def test_a_run_that_hears_nothing_is_ended_now_and_does_not_come_back(cluster, tmp_path):
    made = attempt(tmp_path, "run", act="deaf", gate=str(tmp_path / "gate"))
    slurm = backend(tmp_path)
    (handle,) = slurm.submit([made])
    wait_until(lambda: status(made) == "running", 600, "a running job")
    slurm.cancel([handle], now=True)
    wait_until(lambda: where(slurm, handle) == Where.GONE, 600, "its end")
    assert record(made)["outcome"] == "" and len(fake_jobs.executions(tmp_path, "run")) == 1


def test_a_run_that_is_told_to_save_itself_continues_in_the_queue(cluster, tmp_path):
    made = attempt(tmp_path, "run", act="wait_for_file", gate=str(tmp_path / "gate"))
    slurm = backend(tmp_path)
    (handle,) = slurm.submit([made])
    wait_until(lambda: record(made)["images"] > 0, 600, "a running job")
    subprocess.run(["scancel", "--signal=USR2", handle], check=True)
    wait_until(lambda: (made.folder / "step.txt").exists(), 600, "its checkpoint")
    assert where(slurm, handle) in (Where.RUNNING, Where.QUEUED)
    (tmp_path / "gate").touch()
    wait_until(lambda: status(made) == "done", 600, "the end of the run")
    assert len(fake_jobs.executions(tmp_path, "run")) == 2
    before = json.loads((made.folder / "attempts" / "0001-1.json").read_text())
    assert before["outcome"] == "interrupted" and "SIGUSR2" in before["reason"]


def test_a_run_that_somebody_cancels_by_hand_stays_out_of_the_queue(cluster, tmp_path):
    made = attempt(tmp_path, "run", act="wait_for_file", gate=str(tmp_path / "gate"))
    slurm = backend(tmp_path)
    (handle,) = slurm.submit([made])
    wait_until(lambda: record(made)["images"] > 0, 600, "a running job")
    subprocess.run(["scancel", handle], check=True)
    wait_until(lambda: where(slurm, handle) == Where.GONE, 600, "its end")
    assert record(made)["outcome"] == "interrupted" and "CANCELLED" in slurm.poll([handle])[handle].reason


def test_without_requeue_it_is_left_to_the_controller(cluster, tmp_path):
    made = attempt(tmp_path, "run", act="wait_for_file", gate=str(tmp_path / "gate"))
    slurm = backend(tmp_path, requeue=False)
    (handle,) = slurm.submit([made])
    wait_until(lambda: record(made)["images"] > 0, 600, "a running job")
    subprocess.run(["scancel", "--signal=USR2", handle], check=True)
    wait_until(lambda: where(slurm, handle) == Where.GONE, 600, "its end")
    assert record(made)["outcome"] == "interrupted"


def test_a_queued_job_imports_the_code_of_its_submission(cluster, tmp_path, monkeypatch):
    package = tmp_path / "live" / "tomorrow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    source = "from pathlib import Path\ndef execute(config, folder, report):\n    Path(folder, 'day').write_text('{}')\n" \
             "    return 'done'\n"
    (package / "job.py").write_text(source.format("today"))
    monkeypatch.syspath_prepend(str(package.parent))
    code = snapshot.take(["tomorrow", "results", "sweeps"], tmp_path / "code")
    assert snapshot.take(["tomorrow", "results", "sweeps"], tmp_path / "code") == code

    monkeypatch.chdir(package.parent)  # sweeps are started from the checkout
    made = attempt(tmp_path, "run")
    (handle,) = backend(tmp_path, "tomorrow.job:execute", code, sbatch=["--hold"], setup=[]).submit([made])
    (package / "job.py").write_text(source.format("tomorrow"))
    assert snapshot.take(["tomorrow", "results", "sweeps"], tmp_path / "code") != code
    subprocess.run(["scontrol", "release", handle], check=True)
    wait_until(lambda: (made.folder / "day").exists(), 600, "the end of the job")
    assert (made.folder / "day").read_text() == "today"


def test_the_tasks_of_a_job_on_two_nodes_are_one_run(with_accounting, tmp_path):
    made = attempt(tmp_path, "run")
    backend(tmp_path, "fake_tasks:execute", nodes=2, tasks=2, memory="900M").submit([made])
    wait_until(lambda: record(made)["outcome"] == "done", 600, "the end of four ranks")
    ranks = [json.loads((made.folder / f"rank-{rank}.json").read_text()) for rank in range(4)]
    assert [rank["total"] for rank in ranks] == [[4.0, 6.0]] * 4
    assert len({rank["node"] for rank in ranks}) == 2 and [rank["local"] for rank in ranks] == ["0", "1", "0", "1"]
    assert len(list((made.folder / "attempts").glob("*.json"))) == 1, "one rank keeps the books"


@pytest.mark.parametrize(("site", "key"), [({"partition": "gpus"}, "backend.partition"), ({"memory": "900G"}, "backend.memory"),
                                           ({"constraint": "h100"}, "backend.constraint"),
                                           ({"sbatch": ["--no-such-option"]}, "backend.sbatch")])
def test_what_the_site_will_never_run_is_an_error_that_names_the_key(with_accounting, tmp_path, site, key):
    with pytest.raises(SweepError, match=key):
        backend(tmp_path, **site).submit([attempt(tmp_path, "run", act="done")])


INSIDE = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.environ["TESTS"])
import test_slurm_backend as tests
out = Path(sys.argv[1])
made = [tests.attempt(out, f"run{i}", act="done") for i in range(3)]
tests.backend(out).submit(made[:1])
tests.backend(out).submit(made[1:])
"""


def test_jobs_of_a_sweep_that_is_started_inside_a_job_are_its_own(cluster, tmp_path, monkeypatch):
    """The outer one is an array's with memory per CPU and two tasks, of which the second submits, under torchrun."""
    monkeypatch.setenv("TESTS", str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{SUPPORT}:{ROOT / 'tests' / 'cluster'}")
    script = tmp_path / "outer.sh"
    (tmp_path / "inside.py").write_text(INSIDE)
    call = f"{sys.executable} {tmp_path}/inside.py {tmp_path}"
    script.write_text(f"#!/bin/bash\nexport RANK=1 WORLD_SIZE=2\nsrun bash -c '[ $SLURM_PROCID = 0 ] || {call}'\n")
    done = subprocess.run(["sbatch", "--wait", "--array=5", "--ntasks=2", "--mem-per-cpu=100", f"--output={tmp_path}/log",
                           script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (tmp_path / "log").read_text()
    attempts = [attempt(tmp_path, f"run{i}", act="done") for i in range(3)]
    wait_until(lambda: all(record(each)["outcome"] for each in attempts), 600, "the end of three jobs")
    assert [status(each) for each in attempts] == ["done"] * 3


def test_what_a_submission_may_see():
    site = {"SLURM_CONF": "a", "SLURM_CLUSTERS": "b", "SBATCH_ACCOUNT": "c", "SBATCH_PARTITION": "d", "HOME": "e", "PATH": "f"}
    outer = {"SLURM_JOB_ID": "1", "SLURM_ARRAY_JOB_ID": "1", "SLURM_MEM_PER_CPU": "256", "SLURMD_NODENAME": "n1",
             "PMI_RANK": "0", "SLURM_CPU_BIND": "none", "CUDA_VISIBLE_DEVICES": "3"}
    always = {"RANK": "1", "MASTER_ADDR": "n1", "SUBMITIT_EXECUTOR": "slurm", "SBATCH_JOB_NAME": "mine",
              "SBATCH_ARRAY_INX": "0-3"}
    assert slurm_environment.hidden(site | outer | always, ()) == (outer | always).keys()
    # Where no job is around us, it is the site or the user who has set it.
    login = {"SLURM_HINT": "nomultithread", "CUDA_VISIBLE_DEVICES": "3"}
    assert slurm_environment.hidden(site | login | always, ["partition"]) == always.keys() | {"SBATCH_PARTITION"}


def test_what_the_user_has_set_for_slurms_commands_hides_no_job(cluster, tmp_path, monkeypatch):
    for name, value in {"SQUEUE_PARTITION": "low", "SBATCH_JOB_NAME": "mine", "SBATCH_PARTITION": "low", "SQUEUE_NAMES": "mine",
                        "SACCT_FORMAT": "JobID", "SBATCH_TIMELIMIT": "1"}.items():
        monkeypatch.setenv(name, value)
    slurm = backend(tmp_path, partition="cpu", sbatch=["--hold"])
    made = attempt(tmp_path, "run", act="done")
    (handle,) = slurm.submit([made])
    assert where(slurm, handle) == Where.QUEUED and os.environ["SBATCH_JOB_NAME"] == "mine"
    told = dict(part.split("=", 1) for line in slurm_queries.run("scontrol", "show", "job", handle) for part in line.split()
                if "=" in part)
    assert (told["Partition"], told["TimeLimit"]) == ("cpu", "00:15:00") and told["JobName"].startswith("fewstep.")
    slurm.cancel([handle])


@contextmanager
def limit(*setting):
    """As an administrator bounds what root may submit. -1 lifts a bound."""
    def known():
        told = slurm_queries.run("scontrol", "show", "assoc_mgr", "flags=assoc,qos")
        return [re.sub(r"\(\d+\)", "", word) for line in told for word in line.split() if word.startswith("Max")]

    def give(*words):
        before = known()
        subprocess.run(["sacctmgr", "--immediate", "modify", *words], check=True, stdout=subprocess.DEVNULL)
        wait_until(lambda: known() != before, 600, "that slurmctld has heard of it")

    give(*setting)
    try:
        yield
    finally:
        give(*setting[:-1], setting[-1].split("=")[0] + "=-1")


@pytest.mark.parametrize("setting", ["user root set MaxSubmitJobs=2", "qos normal set MaxSubmitJobsPerUser=2"])
def test_a_limit_of_the_site_is_filled_and_told_and_then_waited_for(with_accounting, tmp_path, setting, monkeypatch):
    """As many jobs as the site takes at a time, until all have run."""
    monkeypatch.setattr(control, "SLOW", float("inf"))  # else a pass on a slow machine ends with its first refusal
    plan = Plan([Job(f"run{i}", "x", {"act": "done"}) for i in range(5)])
    events = []
    slurm = Slurm("fake_jobs:execute", tmp_path / "slurm", Site(time=15, memory="200M", setup=SETUP), interval=0.5)
    with limit(*setting.split()):
        outcome = reconcile(plan, slurm, tmp_path, progress=events.append)
    assert set(outcome.done) == set(plan.ids)
    held = [event for event in events if isinstance(event, Held)]
    assert held[0].waiting == 3 and re.search("MaxSubmitJob(PerUser)?Limit", held[0].said)
    assert all(len(fake_jobs.executions(tmp_path, id)) == 1 for id in plan.ids)


def test_a_limit_that_one_job_exceeds_is_an_error_that_names_the_key(with_accounting, tmp_path):
    subprocess.run(["sacctmgr", "--immediate", "modify", "qos", "normal", "set", "Flags=DenyOnLimit"], check=True,
                   stdout=subprocess.DEVNULL)
    with limit("qos", "normal", "set", "MaxWall=5"), pytest.raises(SweepError, match=r"WallDuration.*backend\.time"):
        backend(tmp_path).submit([attempt(tmp_path, "run", act="done")])


@pytest.mark.parametrize("said", [
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\nsbatch: error: Batch job submission failed: "
    "Resource temporarily unavailable",
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time "
    "limits)",
    "sbatch: error: QOSGrpSubmitJobsLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job "
    "submit limit, user's size and/or time limits)",
    "sbatch: error: Batch job submission failed: Invalid job array specification",
])
def test_a_full_queue_refuses_for_now(with_accounting, tmp_path, monkeypatch, said):
    def refuse(self, calls):
        raise FailedJobError(said)

    monkeypatch.setattr(submitit.SlurmExecutor, "submit_array", refuse)
    answers = backend(tmp_path, array=2).submit([attempt(tmp_path, f"run{i}", act="done") for i in range(5)])
    (line,) = {answer.said for answer in answers}
    assert len(answers) == 5 and line in said and "retrying" not in line
    assert not list((tmp_path / "slurm" / "batches").iterdir()), "nobody will look for its jobs"


def test_the_reason_of_a_job_that_died_without_a_word_is_in_its_log(cluster, tmp_path):
    setup = ["echo 'ModuleNotFoundError: no cuda here' >&2; exit 3"]
    slurm = Slurm("fake_jobs:execute", tmp_path / "slurm", Site(time=15, memory="200M", setup=setup), interval=0.5)
    outcome = reconcile(Plan([Job("run", "x", {})]), slurm, tmp_path, rules=Rules(attempts=1, gone=1.0))
    assert re.fullmatch(r"FAILED \(.*\): ModuleNotFoundError: no cuda here", outcome.failed["run"])


def test_excluded_nodes_are_avoided(with_accounting, tmp_path):
    made = attempt(tmp_path, "run", act="done")
    picky = Attempt(made.job, 1, made.folder, made.tag, made.config, exclude=("n1", "n3"))
    slurm = backend(tmp_path)
    (handle,) = slurm.submit([picky])
    wait_until(lambda: where(slurm, handle) == Where.GONE, 600, "its end")
    assert slurm.poll([handle])[handle].node == "n2"


def test_a_job_that_a_broken_node_left_held_is_taken_out_of_the_queue(with_accounting, tmp_path, monkeypatch):
    slurm, asked = backend(tmp_path), []
    queue = ["7_0|PENDING||launch failed requeued held", "7_1|PENDING||JobHeldUser", "7_2|PENDING||Resources"]
    monkeypatch.setattr(slurm_queries, "run", lambda *command, **options: asked.append(command) or queue)
    assert {each.where for each in slurm.poll(["7_0", "7_1", "7_2"]).values()} == {Where.QUEUED}
    assert [command for command in asked if command[0] == "scancel"] == [("scancel", "--quiet", "7_0")]


def test_no_cluster_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SweepError, match="backend=slurm"):
        backend(tmp_path)


def test_a_silent_slurm_is_no_end_of_any_job(tmp_path, monkeypatch):
    def silent(*command):
        raise slurm_queries.Silent("squeue: Unable to contact slurm controller")

    monkeypatch.setattr(slurm_queries, "run", silent)
    assert slurm_queries.look(["1", "2_3"], slurm_queries.Accounting()) == {}


@pytest.mark.parametrize(("state", "where", "kind"), [
    ("PENDING", Where.QUEUED, None), ("REQUEUE_HOLD", Where.QUEUED, None), ("RUNNING", Where.RUNNING, None),
    ("COMPLETING", Where.RUNNING, None), ("A_STATE_OF_TOMORROW", Where.RUNNING, None), ("CANCELLED by 0", Where.GONE, None),
    ("CANCELLED+", Where.GONE, None), ("TIMEOUT", Where.GONE, Kind.PREEMPTED), ("PREEMPTED", Where.GONE, Kind.PREEMPTED),
    ("OUT_OF_MEMORY", Where.GONE, Kind.MEMORY), ("NODE_FAIL", Where.GONE, None)])
def test_states_of_slurm(state, where, kind):
    seen = slurm_queries.seen(state, "None assigned")
    assert (seen.where, seen.kind, seen.node) == (where, kind, "")


def test_the_queue_goes_before_the_accounting(monkeypatch):
    """A job that is requeued after the loss of its node: NODE_FAIL in the accounting, pending in the queue."""
    answers = {"squeue": ["12_0|PENDING||BeginTime"], "sacct": ["12_0|NODE_FAIL|n1|0:0", "13|NODE_FAIL|n1|0:0"]}
    monkeypatch.setattr(slurm_queries, "run", lambda program, *arguments: answers[program])
    found = slurm_queries.look(["12_0", "13", "14"], slurm_queries.Accounting())
    assert {handle: seen.where for handle, seen in found.items()} == {"12_0": Where.QUEUED, "13": Where.GONE}
