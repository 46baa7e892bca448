"""Claims about cleaning: only what nothing needs, only as much as asked for."""

import json
from pathlib import Path

import fake_jobs
import pytest

from bench.config import ConfigError, request
from bench.planning import backends
from sweeps.clean import Quota, clean, main, waste
from sweeps.engine.seam import Ended, Tick
from sweeps.plan.jobs import Job, Plan
from sweeps.plan.states import State


def run(out, id, status, steps=(1, 2), teacher=None, trajectories=0):
    folder = out / "runs" / id
    fake_jobs.write_status(folder, status)
    (folder / "run.json").write_text(json.dumps({"status": status, "parents": {"teacher": teacher} if teacher else {}}))
    (folder / "checkpoints").mkdir()
    for step in steps:
        (folder / "checkpoints" / f"step-{step:08d}-abc.pt").write_bytes(b"x" * 100 * step)
    (folder / "checkpoints" / "milestone-00000001-abc.pt").write_bytes(b"m")
    if trajectories:
        (folder / "trajectories").mkdir()
        (folder / "trajectories" / "states.npy").write_bytes(b"t" * trajectories)


def test_the_newest_checkpoint_milestones_and_unfinished_runs_stay(tmp_path):
    run(tmp_path, "done", "done", (1, 2, 3))
    run(tmp_path, "half", "interrupted")
    clean(tmp_path)
    names = sorted(path.name[:13] for path in tmp_path.glob("runs/done/checkpoints/*"))
    assert names == ["milestone-000", "step-00000003"]
    assert len(list(tmp_path.glob("runs/half/checkpoints/*"))) == 3


def test_trajectories_stay_while_a_run_that_learns_from_them_is_unfinished(tmp_path):
    run(tmp_path, "teacher", "done", (1,), trajectories=1000)
    run(tmp_path, "student", "running", teacher="teacher")
    assert waste(tmp_path) == []
    fake_jobs.write_status(tmp_path / "runs" / "student", "done")
    assert [each.path.name for each in clean(tmp_path, ["teacher"])] == ["trajectories"]


def test_under_a_quota_the_largest_goes_first_and_no_more_than_needed(tmp_path):
    run(tmp_path, "a", "done", (5, 6))
    run(tmp_path, "b", "done", (1, 2))
    total = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert [each.size for each in clean(tmp_path, quota=total - 400)] == [500]
    assert clean(tmp_path, quota=total) == []


def test_without_yes_nothing_is_removed(tmp_path, capsys):
    run(tmp_path, "a", "done")
    assert main(["--out", str(tmp_path)]) == 0 and "would be removed" in capsys.readouterr().out
    assert len(waste(tmp_path)) == 1 and main(["--out", str(tmp_path), "--yes"]) == 0 and waste(tmp_path) == []


def test_trajectories_stay_for_students_that_are_only_planned(tmp_path):
    run(tmp_path, "teacher", "done", (1,), trajectories=1000)
    plan = tmp_path / "sweeps" / "night" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"jobs": [{"id": "teacher", "parents": []}, {"id": "student", "parents": ["teacher"]}]}))
    assert waste(tmp_path) == []
    run(tmp_path, "student", "done", (1,), teacher="teacher")
    assert [each.path.name for each in waste(tmp_path)] == ["trajectories"]


def size(out):
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def test_a_quota_is_looked_after_when_runs_end_and_not_more_often_than_told(tmp_path):
    told, passed, clock = [], [], [0.0]
    quota = Quota(tmp_path, 2000, passed.append, told.append, every=60.0, clock=lambda: clock[0])
    quota(Tick())
    run(tmp_path, "a", "done", (9, 10))
    run(tmp_path, "b", "interrupted", (9, 10))
    clock[0] = 61.0
    for event in (Tick(), Ended("b", State.INTERRUPTED, "", 1.0), Ended("a", State.DONE, "", 1.0)):
        assert size(tmp_path) > 3800
        quota(event)
    assert sorted(path.name[:13] for path in tmp_path.glob("runs/*/checkpoints/step*")) == [
        "step-00000009", "step-00000010", "step-00000010"] and len(told) == 1
    run(tmp_path, "c", "done", (9, 10))
    quota(Ended("c", State.DONE, "", 1.0))
    assert len(waste(tmp_path)) == 1, "it has looked a moment ago"
    clock[0] = 122.0
    quota(Ended("c", State.DONE, "", 1.0))
    assert waste(tmp_path) == [] and len(passed) == 6
    for clock[0] in (200.0, 300.0):
        quota(Ended("c", State.DONE, "", 1.0))
    assert len(told) == 3 and "all of it is needed" in told[2]


def test_files_that_go_while_they_are_counted_take_nothing(tmp_path, monkeypatch):
    run(tmp_path, "done", "done", (1, 2))
    (tmp_path / "runs" / "done" / ".run.json.1.tmp").write_text("renamed before its size is asked")
    real = Path.lstat

    def lstat(path):
        if path.name.endswith(".tmp"):
            path.unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert [each.path.name[:13] for each in clean(tmp_path, quota=1)] == ["step-00000001"]


def test_the_key_of_the_backend_cleans_before_and_during_a_sweep(tmp_path, monkeypatch):
    run(tmp_path, "old", "done", (5, 6))
    monkeypatch.setattr(backends, "EXECUTE", "fake_jobs:execute")
    settings = request(["sweep=none", "backend=debug", "backend.quota_gb=1e-9"]).backend
    with pytest.warns(UserWarning, match="quota_gb"):
        found = backends.execute(Plan([Job("new", "new", {"act": "done"})]), settings, tmp_path, "night")
    assert found.done == ("new",) and waste(tmp_path) == []
    with pytest.raises(ConfigError, match=r"backend\.quota_gb"):
        request(["sweep=none", "backend.quota_gb=5GB"])
