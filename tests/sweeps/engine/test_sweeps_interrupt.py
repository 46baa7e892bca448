"""Claims about endings: a sweep can be told to stop or be killed at any moment, and the same command continues it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_jobs
import pytest
from places import SUPPORT

PATIENCE = 600
TRAINING = ("wait_for_file", "wait_for_file", "wait_for_file")


@contextlib.contextmanager
def command(out, *acts, workers=2, grace=20.0):
    """The sweep as a command in its own process group, as a shell would start it."""
    script = SUPPORT / "fake_sweep.py"
    path = os.pathsep.join([str(script.parent), str(script.parents[1]), *filter(None, sys.path)])
    process = subprocess.Popen([sys.executable, str(script), str(out), str(workers), str(grace), *acts],
                               env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def outcome_of(process):
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return json.loads(text.splitlines()[-1])


def until(condition, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def pids(out):
    return [line["pid"] for file in Path(out).glob("runs/*/executions.jsonl")
            for line in map(json.loads, file.read_text().splitlines())]


def alive(pid):
    """Whether a process runs; a zombie that nobody has collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def steps(out):
    return [int(file.read_text()) for file in sorted(Path(out).glob("runs/*/step.txt"))]


@pytest.mark.parametrize("group", [True, False], ids=["terminal", "controller only"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_sweep_at_step_boundaries_and_the_same_command_completes_it(tmp_path, number, group):
    with command(tmp_path, "done", *TRAINING) as process:
        until(lambda: len(pids(tmp_path)) == 3)
        (os.killpg if group else os.kill)(process.pid, number)
        outcome = outcome_of(process)
    assert outcome["interrupted"] and outcome["done"] == ["done-0"] and outcome["failed"] == {}
    assert outcome["left"] == [f"wait_for_file-{i}" for i in (1, 2, 3)]
    assert len(steps(tmp_path)) == 2 and not any(map(alive, pids(tmp_path)))
    (tmp_path / "gate").touch()
    with command(tmp_path, "done", *TRAINING) as process:
        outcome = outcome_of(process)
    assert len(outcome["done"]) == 4 and not outcome["interrupted"] and outcome["left"] == []
    assert len(fake_jobs.executions(tmp_path, "done-0")) == 1


def test_a_controller_killed_by_sigkill_leaves_no_worker_and_the_same_command_completes(tmp_path):
    with command(tmp_path, *TRAINING) as process:
        until(lambda: len(pids(tmp_path)) == 2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not any(map(alive, pids(tmp_path))))
    assert len(steps(tmp_path)) == 2  # the orphans saved themselves before they left
    (tmp_path / "gate").touch()
    with command(tmp_path, *TRAINING) as process:
        assert len(outcome_of(process)["done"]) == 3


def test_the_same_command_may_start_while_orphans_still_save_themselves(tmp_path):
    with command(tmp_path, "deaf", workers=1, grace=600.0) as first:
        until(lambda: len(pids(tmp_path)) == 1)
        os.kill(first.pid, signal.SIGKILL)
        with command(tmp_path, "deaf", workers=1, grace=600.0) as second:
            first.wait()
            stages = tmp_path / "stages.txt"
            until(lambda: stages.exists() and "deaf-0 waits for another process" in stages.read_text())
            (tmp_path / "gate").touch()  # the orphan finishes; its successor must find that out
            assert outcome_of(second)["done"] == ["deaf-0"]
    assert len(fake_jobs.executions(tmp_path, "deaf-0")) == 1


def test_an_orphan_that_reaches_no_step_boundary_is_ended_all_the_same(tmp_path):
    with command(tmp_path, "deaf", workers=1, grace=0.5) as process:
        until(lambda: len(pids(tmp_path)) == 1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not any(map(alive, pids(tmp_path))))


def test_patience_with_a_run_that_does_not_stop_is_bounded(tmp_path):
    with command(tmp_path, "deaf", "wait_for_file", grace=5.0) as process:
        until(lambda: len(pids(tmp_path)) == 2)
        os.kill(process.pid, signal.SIGINT)
        outcome = outcome_of(process)
    assert outcome["interrupted"] and len(outcome["left"]) == 2 and outcome["failed"] == {}
    assert len(steps(tmp_path)) == 1
    until(lambda: not any(map(alive, pids(tmp_path))))


def test_a_worker_that_is_asked_to_leave_hands_its_run_to_a_new_one(tmp_path):
    with command(tmp_path, "wait_for_file", workers=1) as process:
        until(lambda: len(pids(tmp_path)) == 1)
        os.kill(pids(tmp_path)[0], signal.SIGTERM)
        until(lambda: len(set(pids(tmp_path))) == 2)
        (tmp_path / "gate").touch()
        assert outcome_of(process)["done"] == ["wait_for_file-0"]


def test_a_second_signal_ends_everything_at_once(tmp_path):
    with command(tmp_path, "deaf", "wait_for_file", grace=600) as process:
        until(lambda: len(pids(tmp_path)) == 2)
        os.kill(process.pid, signal.SIGINT)
        said = tmp_path / "stopping.txt"
        until(lambda: said.exists() and said.read_text())  # told while a run still goes on that does not hear it
        assert said.read_text() == "600.0\n"
        until(lambda: steps(tmp_path))  # the first has arrived
        os.kill(process.pid, signal.SIGINT)
        outcome = outcome_of(process)
    assert outcome["interrupted"] and len(outcome["left"]) == 2
    until(lambda: not any(map(alive, pids(tmp_path))))


def test_without_workers_a_signal_stops_the_run_in_this_process_just_the_same(tmp_path):
    with command(tmp_path, "wait_for_file", "done", workers=0) as process:
        until(lambda: len(pids(tmp_path)) == 1)
        os.kill(process.pid, signal.SIGINT)
        outcome = outcome_of(process)
    assert outcome["interrupted"] and len(outcome["left"]) == 2 and len(steps(tmp_path)) == 1
    assert (tmp_path / "stopping.txt").read_text() == "30.0\n", "told, once, while the run saves itself"
    (tmp_path / "gate").touch()
    with command(tmp_path, "wait_for_file", "done", workers=0) as process:
        assert len(outcome_of(process)["done"]) == 2
