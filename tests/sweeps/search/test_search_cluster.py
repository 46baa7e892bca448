"""Claims about a search whose trials are jobs that outlive the controller and speak through files alone."""

import json
import os
import re

import pytest
from fake_detached import Processes
from fake_search import contenders, run_id
from places import ROOT, SUPPORT

from bench.config import request
from bench.planning.tune import tuned
from sweeps import status
from sweeps.engine.loop import reconcile
from sweeps.engine.rules import Rules
from sweeps.plan.jobs import Job, Plan
from sweeps.search.source import Search, Settings
from sweeps.search.study import open_storage


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    path = os.pathsep.join([str(SUPPORT), str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


def jobs(name, params):
    return [Job(run_id(name, params), name, {"act": "climb", **params})]


def finals(name, params):
    return [Job(f"final-{run_id(name, params)}", name, {"act": "done", **params})]


def search(out, owner="me"):
    def scores(run):
        file = out / "runs" / run / "scores.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        for images in found:
            (file.parent / f"read-{images}").touch()
        return {int(images): value for images, value in found.items()}

    settings = Settings("random", startup=3, reduction=2, parallel=2)
    return Search("night", contenders("a"), settings, open_storage(None, out / "log"),
                  owner, jobs, finals, scores)


def drive(out, source, detach=False):
    rules = Rules(attempts=2, gone=0.5, absent=2.0, unseen=2.0)
    return reconcile(Plan([]), Processes(out, slots=3), out, "night", None, rules, source=source, detach=detach, lease=2.0,
                     tell=lambda text: None)


def test_trials_are_asked_as_others_end_pruned_ones_are_stopped_and_a_second_controller_goes_on(tmp_path):
    first = drive(tmp_path, search(tmp_path), detach=True)
    assert first.detached and len(first.left) == 2, "no more than `parallel` at a time, though there is room for three"
    again = search(tmp_path)
    found = drive(tmp_path, again)
    trials = again.trials()
    assert len(trials) == 6 and {t["state"] for t in trials} == {"done", "pruned"} and trials[0]["chosen"]
    pruned = {t["run"] for t in trials if t["state"] == "pruned"}
    assert set(found.pruned) == pruned and not found.failed and not found.left
    assert set(found.done) == {t["run"] for t in trials if t["state"] == "done"} | {f"final-{trials[0]['run']}"}
    for run in pruned:
        record = json.loads((tmp_path / "runs" / run / "attempts" / "0001.json").read_text())
        told = re.match(r"pruned at (\d+)", found.pruned[run])
        assert told and record["outcome"] == "interrupted" and record["images"] <= int(told[1]) < 100
    for t in trials:
        assert len(list((tmp_path / "runs" / t["run"] / "attempts").glob("*.json"))) == 1, "no trial was started twice"
    shown = {row.run: row.state for row in status.rows(tmp_path / "sweeps" / "night", 0.0)}
    assert all(shown[run] == "pruned" for run in pruned) and shown[f"final-{trials[0]['run']}"] == "done"


@pytest.mark.parametrize(("arguments", "parallel"), [(["backend=slurm"], 3 * 4), (["backend=local"], None),
                                                     (["backend=slurm", "sweep.search.parallel=5"], 5)])
def test_on_a_cluster_as_many_trials_go_on_at_a_time_as_could_not_learn_from_each_other_anyway(tmp_path, arguments, parallel):
    made = tuned(request(["sweep=digits_tuned", *arguments]), preview=True)
    assert made.search.settings.parallel == parallel
