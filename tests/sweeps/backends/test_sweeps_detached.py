"""Claims about jobs that outlive their controller, with real processes: it may die, be doubled or leave at any moment."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import fake_jobs
import pytest
from fake_detached import alive
from places import ROOT, SUPPORT

from sweeps import status
from sweeps.engine import requests

PATIENCE = 600
JOBS = [["a", "wait_for_file"], ["b", "wait_for_file"], ["child", "done", "a"]]


@contextlib.contextmanager
def command(out, jobs, detach=False, **environment):
    path = os.pathsep.join([str(SUPPORT), str(ROOT), *filter(None, sys.path)])
    given = json.dumps({"jobs": jobs, "detach": detach})
    process = subprocess.Popen([sys.executable, str(SUPPORT / "fake_detached.py"), str(out), given],
                               env={**os.environ, "PYTHONPATH": path, **environment}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path):
    yield
    (tmp_path / "gate").touch()
    for file in (tmp_path / "scheduler").iterdir():
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)


def outcome_of(process):
    text, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return json.loads(text.splitlines()[-1])


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def count(out, id):
    return len(fake_jobs.executions(out, id))


def running(out, *ids):
    return all(count(out, id) for id in ids)


def test_jobs_go_on_when_the_controller_is_killed_and_the_same_command_picks_them_up(tmp_path):
    with command(tmp_path, JOBS) as first:
        until(lambda: running(tmp_path, "a", "b"))
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    pids = {fake_jobs.executions(tmp_path, id)[0]["pid"] for id in "ab"}
    assert all(map(alive, pids))
    with command(tmp_path, JOBS) as second:
        time.sleep(0.5)
        (tmp_path / "gate").touch()
        assert outcome_of(second)["done"] == ["a", "b", "child"]
    assert [count(tmp_path, id) for id in ("a", "b", "child")] == [1, 1, 1]


def test_a_controller_that_dies_between_submission_and_its_answer_does_not_submit_twice(tmp_path):
    with command(tmp_path, JOBS[:1], DIE_AFTER_SUBMIT="1") as first:
        first.wait(PATIENCE)
    with command(tmp_path, JOBS[:1]) as second:
        until(lambda: running(tmp_path, "a"))
        (tmp_path / "gate").touch()
        assert outcome_of(second)["done"] == ["a"]
    assert count(tmp_path, "a") == 1 and len(list((tmp_path / "scheduler").iterdir())) == 1


def test_a_second_controller_watches_and_takes_over(tmp_path):
    with command(tmp_path, JOBS) as first, command(tmp_path, JOBS) as second:
        until(lambda: running(tmp_path, "a", "b"))
        loser, winner = sorted((first, second), key=lambda each: str(each.pid) in lease(tmp_path))
        os.kill(winner.pid, signal.SIGKILL)
        winner.wait()
        (tmp_path / "gate").touch()
        assert outcome_of(loser)["done"] == ["a", "b", "child"]
    assert [count(tmp_path, id) for id in ("a", "b", "child")] == [1, 1, 1]


def test_detach_submits_and_returns_and_the_same_command_goes_on(tmp_path):
    with command(tmp_path, JOBS, detach=True) as process:
        found = outcome_of(process)
        assert found["detached"] and not found["interrupted"] and len(found["left"]) == 3

    def rows():
        return {row.run: row for row in status.rows(tmp_path / "sweeps" / "night", time.time())}

    until(lambda: rows()["a"].state == rows()["b"].state == "train")
    assert rows()["a"].attempts == 1 and rows()["child"].state == "blocked"
    (tmp_path / "gate").touch()
    with command(tmp_path, JOBS) as process:
        assert outcome_of(process)["done"] == ["a", "b", "child"]


def test_a_job_that_dies_is_lost_and_tried_again_and_the_reason_is_shown(tmp_path):
    with command(tmp_path, [["a", "die_once"], ["b", "die"], ["c", "done", "b"]]) as process:
        found = outcome_of(process)
    assert found["done"] == ["a"] and found["failed"] == {"b": "process ended"}
    assert found["skipped"] == {"c": "its parent b failed"}
    rows = status.rows(tmp_path / "sweeps" / "night", time.time())
    assert [(row.state, row.attempts, row.reason) for row in rows] == [
        ("done", 2, ""), ("dead", 2, "process ended"), ("skipped", 0, "its parent b failed")]
    assert "1 done" in status.table(rows) and "tries: 4" in status.table(rows)


def test_a_preempted_job_saves_itself_and_continues_free_of_charge(tmp_path):
    with command(tmp_path, [["a", "wait_for_file"]]) as process:
        for attempt in (1, 2, 3):
            until(lambda attempt=attempt: count(tmp_path, "a") == attempt)
            time.sleep(0.1)
            os.kill(fake_jobs.executions(tmp_path, "a")[-1]["pid"], signal.SIGUSR1)
        until(lambda: count(tmp_path, "a") == 4)
        (tmp_path / "gate").touch()
        assert outcome_of(process)["done"] == ["a"]
    first = json.loads((tmp_path / "runs" / "a" / "attempts" / "0001.json").read_text())
    assert first["outcome"] == "interrupted" and "SIGUSR1" in first["reason"] and first["images"] >= first["began"] >= 0


def test_cancel_and_retry_are_marks_that_the_controller_acts_on(tmp_path):
    with command(tmp_path, JOBS) as process:
        until(lambda: running(tmp_path, "a", "b"))
        assert requests.command("cancel", ["night", "a", "--out", str(tmp_path)]) == 0
        assert requests.command("cancel", ["night", "z", "--out", str(tmp_path)]) == 2
        until(lambda: not alive(fake_jobs.executions(tmp_path, "a")[0]["pid"]))
        (tmp_path / "gate").touch()
        found = outcome_of(process)
    assert found["done"] == ["b"] and found["cancelled"].keys() == {"a"}
    assert found["skipped"] == {"child": "its parent a was cancelled"}
    with command(tmp_path, JOBS) as process:
        assert outcome_of(process)["cancelled"].keys() == {"a"}  # the same command does not undo it
    requests.command("retry", ["night", "--out", str(tmp_path)])
    with command(tmp_path, JOBS) as process:
        assert outcome_of(process)["done"] == ["a", "b", "child"]
    assert count(tmp_path, "b") == 1


def lease(out):
    with contextlib.suppress(OSError):
        return (out / "sweeps" / "night" / "controller.json").read_text()
    return ""


def test_a_run_without_progress_is_ended_and_tried_again(tmp_path):
    """`deaf` tells nothing and hears nothing, as a run does whose neighbour on the network is gone."""
    with command(tmp_path, [["a", "deaf_once"]], HANG="6.0") as process:
        assert outcome_of(process)["done"] == ["a"]
    row, = status.rows(tmp_path / "sweeps" / "night", time.time())
    assert row.attempts == 2 and "it hung: no progress for 6 s in train" in status.told(tmp_path / "sweeps" / "night")


def test_a_run_with_progress_is_left_alone_however_long_it_takes(tmp_path):
    with command(tmp_path, JOBS[:1], HANG="10.0") as process:
        until(lambda: running(tmp_path, "a"))
        time.sleep(12.0)
        (tmp_path / "gate").touch()
        assert outcome_of(process)["done"] == ["a"]
    assert count(tmp_path, "a") == 1
