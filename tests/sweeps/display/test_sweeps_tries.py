"""Claims about the starts of runs in the status table: those that Slurm repeats under one number count, with their reasons."""

import fcntl
import json
import os
from xml.etree import ElementTree

import pytest

from sweeps import status
from sweeps.display import picture, tries
from sweeps.engine import Book

SVG = "{http://www.w3.org/2000/svg}"


def ended(job, attempt, outcome, reason="", **more):
    return {"event": "ended", "job": job, "attempt": attempt, "outcome": outcome, "reason": reason, "node": "n2", "seconds": 60,
            "then": "done" if outcome == "done" else "todo", **more}


def sweep(tmp_path, lines):
    folder = tmp_path / "sweeps" / "night"
    folder.mkdir(parents=True)
    (folder / "attempts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def repeated(tmp_path, run, name, reason, **more):
    folder = tmp_path / "runs" / run / "attempts"
    folder.mkdir(parents=True, exist_ok=True)
    record = {"outcome": "interrupted", "reason": reason, "node": "n1", "started": 100.0, "ended": 130.0, "beat": 0, **more}
    (folder / f"{name}.json").write_text(json.dumps(record))


def test_starts_that_slurm_repeated_are_counted_in_their_order_with_their_time_and_reasons(tmp_path):
    lost = ended("a", 1, "lost", "NODE_FAIL", kind="infrastructure")
    folder = sweep(tmp_path, [lost, ended("a", 2, "done"), ended("b", 1, "done")])
    repeated(tmp_path, "a", "0002-1", "SIGUSR2: preemption or time limit")
    repeated(tmp_path, "a", "0002-10", "it ended without a word", ended=0.0, beat=160 * 10**9)
    repeated(tmp_path, "a", "0002-2", "second")
    repeated(tmp_path, "a", "0002", "the last start of this number, which the journal tells of")
    a, b = status.rows(folder, 0.0)
    assert (a.state, a.attempts, a.node) == ("done", 5, "n2")
    assert a.cost == 60 + 30 + 30 + 60 + 60 and b.attempts == 1
    assert "tries: 6" in status.table([a, b])
    assert [t.text for t in tries.ended([ended("a", 1, "lost", "x"), ended("a", 2, "done")], tmp_path / "runs")["a"]] == [
        "x", "SIGUSR2: preemption or time limit", "second", "it ended without a word", ""]


@pytest.mark.parametrize("last", [("interrupted", "its controller died"), ("done", "")], ids=["by an orphan", "as planned"])
def test_a_run_that_is_done_has_no_last_error_and_its_tries_keep_theirs(tmp_path, last):
    stopped = ended("a", 1, "interrupted", "stopped: it reached no step boundary within 30 s")
    folder = sweep(tmp_path, [stopped, ended("a", 2, *last), ended("b", 1, "diverged", "the loss is NaN")])
    for run, end in (("a", "done"), ("b", "diverged")):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "run.json").write_text(json.dumps({"status": end}))
    a, b = status.rows(folder, 0.0)
    assert (a.state, a.attempts, a.reason) == ("done", 2, "") and (b.state, b.reason) == ("diverged", "the loss is NaN")
    assert "no step boundary" in status.told(folder)


def test_a_repeated_start_counts_while_the_next_one_runs(tmp_path):
    lines = [{"event": "intent", "job": "a", "attempt": 1, "tag": "t", "time": 1.0}]
    folder = sweep(tmp_path, lines)
    repeated(tmp_path, "a", "0001-1", "SIGUSR2")
    row, = status.rows(folder, 0.0)
    assert (row.state, row.attempts, row.reason) == ("queued", 1, "SIGUSR2")
    repeated(tmp_path, "a", "0001", "", tag="t", outcome="", ended=0.0, beat=160 * 10**9, stage="train")
    row, = status.rows(folder, 160.0)
    assert (row.state, row.attempts, row.reason) == ("train", 2, "SIGUSR2")


def test_the_rate_counts_from_the_first_report_and_not_from_the_start_of_the_process(tmp_path):
    folder = sweep(tmp_path, [{"event": "intent", "job": "a", "attempt": 1, "tag": "t", "time": 1.0}])
    more = {"since": 150.0, "began": 100, "images": 600, "budget": 1600}
    repeated(tmp_path, "a", "0001", "", tag="t", outcome="", ended=0.0, beat=160 * 10**9, **more)
    row, = status.rows(folder, 160.0)
    assert (row.rate, row.left, row.cost) == (50.0, 20.0, 60.0)


@pytest.mark.parametrize(("report", "shown"), [
    ({"images": 500}, ("train", 0.375, 50.0, pytest.approx(10.0 / 0.375 * 0.625))),  # (500 / 1000) 3 / 4
    ({"images": 1000, "stage": "scoring"}, ("scoring", 0.75, None, pytest.approx(10.0 / 3))),
    ({"images": 1000, "stage": "scoring, 2 of 4", "scored": 0.5}, ("scoring, 2 of 4", 0.875, None, pytest.approx(10.0 / 7))),
    ({"images": 1000, "stage": "scoring, 4 of 4", "scored": 1.0}, ("scoring, 4 of 4", 0.994, None, None)),
    ({"images": 1000, "stage": "scoring, 1 of 4", "scored": 0.5, "began": 1000}, ("scoring, 1 of 4", 0.875, None, None)),
])  # fmt: skip
def test_a_run_that_scores_is_not_over(tmp_path, report, shown):
    """Its training is three quarters of it, and took ten seconds so far."""
    folder = sweep(tmp_path, [{"event": "intent", "job": "a", "attempt": 1, "tag": "t", "time": 1.0}])
    (folder / "plan.json").write_text(json.dumps({"jobs": [{"id": "a", "parents": [], "cost": 3.0, "scoring": 1.0}]}))
    more = {"stage": "train", "since": 150.0, "began": 0, "budget": 1000, **report}
    repeated(tmp_path, "a", "0001", "", tag="t", outcome="", ended=0.0, beat=160 * 10**9, **more)
    row, = status.rows(folder, 160.0)
    assert (row.state, row.progress, row.rate, row.left) == shown
    assert "100%" not in status.table([row]) and " 0 s" not in status.table([row])


def test_a_run_that_waits_for_its_scoring_has_that_left(tmp_path):
    folder = sweep(tmp_path, [{"event": "intent", "job": "a", "attempt": 1, "tag": "t", "time": 1.0},
                              ended("a", 1, "yielded", then="todo", reached=1000)])
    (folder / "plan.json").write_text(json.dumps({"jobs": [{"id": "a", "parents": [], "cost": 3.0, "scoring": 1.0}]}))
    repeated(tmp_path, "a", "0001", "", tag="t", budget=1000, images=1000)
    row, = status.rows(folder, 160.0)
    assert (row.state, row.progress) == ("ready", 0.75)


def test_the_list_of_tries_has_a_line_for_each_and_passes_over_what_cannot_be_read(tmp_path, capsys):
    sweep(tmp_path, [ended("a", 1, "done")])
    repeated(tmp_path, "a", "0001-1", "SIGUSR2")
    (tmp_path / "runs" / "a" / "attempts" / "0001-2.json").write_text("{")
    assert status.main(["night", "--out", str(tmp_path), "--tries"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert lines == [["a", "1", "n1", "interrupted", "SIGUSR2"], ["a", "2", "n2", "done"]]


def test_the_picture_is_an_image_of_every_cell(tmp_path):
    sweep(tmp_path, [ended("a<1>", 1, "done"), ended("b", 1, "failed", "no & memory", then="dead")])
    assert status.main(["night", "--out", str(tmp_path), "--picture", str(tmp_path / "status.svg")]) == 0
    texts = {each.text: each.get("fill") for each in ElementTree.parse(tmp_path / "status.svg").iter(f"{SVG}text")}
    assert {"run", "a<1>", "b", "no & memory", "2 runs: 1 done, 1 dead"} <= texts.keys()
    assert texts["done"] != texts["dead"]


@pytest.mark.parametrize(("event", "name", "value"), [
    ("intent", "job", None), ("intent", "attempt", "1"), ("intent", "time", None), ("ended", "job", ["a"]),
    ("ended", "attempt", None), ("ended", "outcome", 7), ("ended", "reason", None),
    ("ended", "seconds", "long"), ("ended", "reached", "far"),
])  # fmt: skip
def test_a_line_of_the_journal_that_a_disk_changed_is_passed_over(tmp_path, event, name, value):
    plain = ended("a", 1, "failed", "why", time=0.0, tag="t") | {"event": event}
    folder = tmp_path / "sweeps" / "mine"
    folder.mkdir(parents=True)
    (tmp_path / "runs").mkdir()
    lines = [{**plain, name: value}, {**plain, "job": "b"}]
    (folder / "attempts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [row.run for row in status.rows(folder, now=10.0)] == ["b"]
    assert "why" in status.told(folder) or event == "intent"
    assert list(Book.read(lines).jobs) == ["b"]


def test_runs_in_one_state_are_counted_together_whatever_else_is_said_of_them():
    states = ("scoring, 2 of 4", "scoring", "train", "4 steps")
    found = [status.Row(state, state, state) for state in states]
    assert status.totals(found)[0] == "4 runs: 2 scoring, 2 train"


def test_who_runs_a_local_sweep_is_told_by_the_lock_of_its_journal(tmp_path):
    folder = sweep(tmp_path, [ended("a", 1, "done")])
    assert status.controller(folder) == "controller: none; the sweep's own command continues it"
    with (folder / "attempts.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert status.controller(folder) == f"controller: process {os.getpid()} on this machine"


def test_runs_that_a_hash_alone_tells_apart_are_shown_with_their_labels():
    apart = [status.Row(f"lsd-digits-s{seed}-{seed}abc", "lsd", "done") for seed in (0, 1)]
    assert status.cells(apart)[0][:2] == ("run", "state")
    alike = [*apart, status.Row("lsd-digits-s0-fff", "lsd stop_gradient=none", "failed")]
    head, *found = status.cells(alike)
    assert head[:3] == ("run", "label", "state") and found[-1][:3] == ("lsd-digits-s0-fff", "lsd stop_gradient=none", "failed")
    assert len({len(row) for row in (head, *found)}) == 1
    drawn = ElementTree.fromstring(picture.draw(alike, status.cells(alike), status.totals(alike)))
    colours = {each.text: each.get("fill") for each in drawn.iter(f"{SVG}text")}
    assert colours["failed"] != colours["done"] and colours["lsd"] == colours["lsd stop_gradient=none"]
    assert status.cells([status.Row(name, name, "done") for name in "ab"])[0][:2] == ("run", "state")
