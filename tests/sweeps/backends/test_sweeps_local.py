"""Claims about execution on this machine, with processes and without: what one run does never touches another."""

import fcntl
import json
import multiprocessing

import fake_jobs
import pytest

from sweeps.backends import local
from sweeps.backends.inline import run_inline
from sweeps.backends.local import run
from sweeps.backends.worker import perform
from sweeps.engine.seam import Ended, Reported, Started, SweepError
from sweeps.plan.jobs import Job, Plan
from sweeps.plan.states import State, read_states


def job(id, act="done", *parents, **more):
    return Job(id, id, {"act": act}, parents, **more)


def sweep(plan, out, workers=2, **more):
    return run(plan, "fake_jobs:execute", out, workers, **more)


def attempts(out, name="default"):
    return [json.loads(line) for line in (out / "sweeps" / name / "attempts.jsonl").read_text().splitlines()]


def ended(out):
    return [line for line in attempts(out) if line["event"] == "ended"]


WORKERS = pytest.mark.parametrize("workers", [0, 2])


@WORKERS
def test_an_accident_touches_only_the_run_and_what_waits_for_it(tmp_path, workers):
    plan = Plan([job("good"), job("bad", "fail"), job("nan", "diverge"), job("exit", "leave"), job("odd", "nonsense"),
                 job("child", "done", "good"), job("orphan", "done", "bad"), job("grandchild", "done", "orphan"),
                 job("student", "done", "nan")])
    outcome = sweep(plan, tmp_path, workers)
    assert outcome.done == ("good", "child") and outcome.diverged == ("nan",)
    assert outcome.failed.keys() == {"bad", "exit", "odd"}
    assert outcome.failed["bad"] == "ValueError: no such thing"
    assert "'running'" in outcome.failed["odd"]
    assert outcome.skipped == {"orphan": "its parent bad failed", "grandchild": "its parent orphan was skipped",
                               "student": "its parent nan diverged"}
    assert not outcome.interrupted and outcome.left == ()
    assert "second line" in (tmp_path / "runs" / "bad" / "error.txt").read_text()
    assert len(fake_jobs.executions(tmp_path, "bad")) == 1  # what raised would raise again


@WORKERS
def test_the_same_command_repeats_only_what_is_not_finished(tmp_path, workers):
    plan = Plan([job("good"), job("nan", "diverge"), job("bad", "fail")])
    sweep(plan, tmp_path, workers)
    plan = Plan([job("good"), job("nan", "diverge"), job("bad")])  # mended meanwhile
    again = sweep(plan, tmp_path, workers)
    assert again.done == ("good", "bad") and again.diverged == ("nan",) and not again.failed
    assert [len(fake_jobs.executions(tmp_path, id)) for id in plan.ids] == [1, 1, 2]
    assert not (tmp_path / "runs" / "bad" / "error.txt").exists()
    assert [(line["job"], line["attempt"], line["outcome"]) for line in ended(tmp_path) if line["job"] == "bad"] == [
        ("bad", 1, "failed"), ("bad", 2, "done")]


@WORKERS
def test_a_finished_sweep_starts_nothing(tmp_path, workers):
    fake_jobs.write_status(tmp_path / "runs" / "a", "done")
    events = []
    assert sweep(Plan([job("a")]), tmp_path, workers, progress=events.append).done == ("a",)
    assert events == [] and fake_jobs.executions(tmp_path, "a") == []


def test_a_run_whose_process_dies_is_tried_again_and_the_rest_completes(tmp_path):
    plan = Plan([job("unlucky", "die_once"), job("hopeless", "die"), job("child", "done", "unlucky"), job("x"),
                 job("y"), job("orphan", "done", "hopeless")])
    outcome = sweep(plan, tmp_path)
    assert outcome.done == ("unlucky", "child", "x", "y")
    assert outcome.failed == {"hopeless": "worker process was ended by SIGKILL (out of memory?)"}
    assert outcome.skipped == {"orphan": "its parent hopeless failed"}
    lost = [line for line in ended(tmp_path) if line["outcome"] == "lost"]
    assert sorted((line["job"], line["attempt"]) for line in lost) == [("hopeless", 1), ("hopeless", 2), ("unlucky", 1)]


def test_a_process_that_dies_after_its_run_was_finished_costs_nothing(tmp_path):
    assert sweep(Plan([job("a", "die_after_the_end")]), tmp_path).done == ("a",)
    assert len(fake_jobs.executions(tmp_path, "a")) == 1


def test_a_worker_lives_long_and_knows_its_number_and_its_threads(tmp_path):
    plan = Plan(job(f"j{i}") for i in range(20))
    assert len(sweep(plan, tmp_path, threads=3).done) == 20
    lines = [line for id in plan.ids for line in fake_jobs.executions(tmp_path, id)]
    assert len({line["pid"] for line in lines}) <= 2
    assert {line["worker"] for line in lines} <= {"0", "1"} and {line["threads"] for line in lines} == {"3"}


def test_workers_leave_by_themselves_when_the_sweep_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "EXIT", 300.0)  # of one that still imports
    seen = {}
    sweep(Plan([job("a"), job("b")]), tmp_path,
          progress=lambda event: seen.update({child.pid: child for child in multiprocessing.active_children()}))
    assert seen and all(child.exitcode == 0 for child in seen.values())


def test_what_a_run_prints_goes_to_its_own_log(tmp_path):
    sweep(Plan([job("a"), job("b")]), tmp_path, 1)
    assert (tmp_path / "runs" / "b" / "log.txt").read_text() == "printed by a run\n"


@WORKERS
def test_parents_are_finished_before_children_start_and_reports_arrive(tmp_path, workers):
    events = []
    sweep(Plan([job("child", "done", "teacher"), job("teacher")]), tmp_path, workers, progress=events.append)
    told = [event for event in events if isinstance(event, Started | Reported | Ended)]
    assert [(type(event), event.job) for event in told] == [
        (kind, id) for id in ("teacher", "child") for kind in (Started, Reported, Ended)]
    assert told[1].info == {"stage": "train", "images": 1, "budget": 1}


def test_a_function_that_cannot_be_imported_is_one_error(tmp_path):
    for workers in (0, 1):
        with pytest.raises(SweepError, match="cannot import 'fake_jobs:nothing'"):
            run(Plan([job("a")]), "fake_jobs:nothing", tmp_path, workers)


def test_workers_that_cannot_start_are_one_error(tmp_path):
    with pytest.raises(SweepError, match=r"no worker process could be started.*code 7"):
        run(Plan([job("a")]), "fake_broken:execute", tmp_path, 1)


def test_an_output_folder_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match=r"cannot write .*out=FOLDER"):
        sweep(Plan([job("a")]), tmp_path / "file")


@WORKERS
def test_a_run_folder_that_cannot_be_written_is_that_runs_failure(tmp_path, workers):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a").write_text("in the way")
    outcome = sweep(Plan([job("a"), job("b")]), tmp_path, workers)
    assert outcome.done == ("b",) and set(outcome.failed) == {"a"}


def test_a_sweep_has_one_controller(tmp_path):
    folder = tmp_path / "sweeps" / "default"
    folder.mkdir(parents=True)
    with (folder / "attempts.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SweepError, match="already running"):
            sweep(Plan([job("a")]), tmp_path, 0)
    assert sweep(Plan([job("a")]), tmp_path, 0).done == ("a",)


def test_a_torn_line_in_the_record_of_attempts_is_not_joined(tmp_path):
    folder = tmp_path / "sweeps" / "default"
    folder.mkdir(parents=True)
    (folder / "attempts.jsonl").write_text(
        '{"job": "a", "attempt": 1, "outcome": "lost", "reason": ""}\n{"job": "a", "att')
    sweep(Plan([job("a")]), tmp_path, 0)
    lines = (folder / "attempts.jsonl").read_text().splitlines()
    assert lines[1] == '{"job": "a", "att'
    assert [line.get("attempt") for line in map(json.loads, lines[2:])] == [None, 2, 2, 2, None]


def test_a_torn_run_record_means_the_run_is_to_do(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "run.json").write_text('{"status": "do')
    with pytest.warns(UserWarning, match=r"a/run\.json is not a readable run record"):
        assert read_states(tmp_path, ["a", "b"]) == {}


def test_two_processes_never_write_one_run_folder(tmp_path):
    asked = []

    def told_to_stop(info):
        asked.append(info["stage"])
        return True

    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        outcome, reason, _ = perform(fake_jobs.execute, {}, tmp_path, told_to_stop)
    assert outcome == State.INTERRUPTED and "another process" in reason and len(asked) == 1
    assert not (tmp_path / "executions.jsonl").exists()


def test_a_run_that_another_process_finishes_meanwhile_is_not_repeated(tmp_path):
    file = (tmp_path / ".lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)

    def the_other_one_finishes(info):
        fake_jobs.write_status(tmp_path, "done")
        file.close()
        return False

    assert perform(fake_jobs.execute, {}, tmp_path, the_other_one_finishes) == (State.DONE, "", None)
    assert not (tmp_path / "executions.jsonl").exists()


def test_the_controller_gets_through_a_thousand_runs(tmp_path):
    plan = Plan([job("root"), *(job(f"j{i}", "done", "root") for i in range(1000))])
    outcome = run_inline(plan, lambda config, folder, report: "done", tmp_path)
    assert len(outcome.done) == 1001
