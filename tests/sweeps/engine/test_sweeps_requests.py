"""Claims about what the commands cancel and retry answer: a request is written only where there is something to act on."""

import json

import pytest

from sweeps.engine.files import Disk
from sweeps.engine.requests import command, planned
from sweeps.plan import Job


def sweep(out, **states):
    folder = out / "sweeps" / "night"
    folder.mkdir(parents=True)
    (folder / "attempts.jsonl").touch()
    (folder / "plan.json").write_text(json.dumps({"jobs": [{"id": id, "parents": []} for id in states]}))
    for id, state in states.items():
        (out / "runs" / id).mkdir(parents=True)
        (out / "runs" / id / "run.json").write_text(json.dumps({"status": state}))
    return folder


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_where_all_runs_have_ended_with_a_result_there_is_nothing_to_ask(tmp_path, verb, capsys):
    folder = sweep(tmp_path, a="done", b="diverged")
    assert command(verb, ["night", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"nothing to {verb}: every run of night is finished\n"
    assert not (folder / "requests").exists()


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_of_named_runs_only_theirs_counts(tmp_path, verb, capsys):
    folder = sweep(tmp_path, a="done", b="failed")
    assert command(verb, ["night", "a", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"nothing to {verb}: a of night is finished\n"
    for asked, said in (([], "all runs"), (["a", "b"], "2 runs")):
        assert command(verb, ["night", *asked, "--out", str(tmp_path)]) == 0
        assert capsys.readouterr().out.startswith(f"asked to {verb} {said} of night; ")
    assert len(list((folder / "requests").iterdir())) == 2


def test_a_sweep_whose_plan_is_not_known_is_asked(tmp_path, capsys):
    folder = sweep(tmp_path)
    assert command("retry", ["night", "--out", str(tmp_path)]) == 0
    assert len(list((folder / "requests").iterdir())) == 1


def test_a_plan_that_is_written_says_what_training_and_scoring_cost(tmp_path):
    Disk(tmp_path, "night").plan([Job("a", "A", {}, cost=3.0, scoring=1.0), Job("b", "B", {}, ("a",))])
    assert planned(tmp_path / "sweeps" / "night") == [
        {"id": "a", "label": "A", "parents": [], "cost": 3.0, "scoring": 1.0},
        {"id": "b", "label": "B", "parents": ["a"], "cost": 1.0, "scoring": 0.0}]
