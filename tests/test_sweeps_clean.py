"""Claims about cleaning: only what nothing needs, only as much as asked for."""

import json

import fake_jobs

from sweeps.clean import clean, main, waste


def run(out, id, status, steps=(1, 2), teacher=None, trajectories=0):
    folder = out / "runs" / id
    fake_jobs.write_status(folder, status)
    (folder / "run.json").write_text(json.dumps({"status": status, "config": {"teacher": {"run": teacher}}}))
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
