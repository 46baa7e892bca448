"""What a finished run has lost comes back with the same command and with the same numbers; a changed record is not believed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench import model, run
from results.records import StoreError, read_rows, read_run

SMALL = [
    "sweep=none", "method=lsd,lmd", "data=digits", "seed=0", "budget.images=512", "budget.batch=64", "evaluation.steps=[1,2]",
    "evaluation.count=64", "evaluation.chunk=64", "backbone.width=16", "backbone.depth=1", "backend.workers=0",
]


def command(out: Path) -> int:
    return run.main([*SMALL, f"out={out}"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("damage")
    assert command(out) == 0
    return out


def numbers(out: Path) -> pd.DataFrame:
    frame = pd.read_csv(next(out.glob("sweeps/*/leaderboard.csv")))
    return frame[[column for column in frame if not any(word in column for word in ("seconds", "hours", "memory"))]]


def rows(folder: Path) -> Path:
    return folder / "evals.jsonl"


def cut(path: Path, begin: int, end: int | None) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[begin:end]
    path.write_bytes(b"".join(lines))


def flipped(path: Path, found: bytes, put: bytes) -> None:
    content = path.read_bytes()
    assert found in content and len(found) == len(put)
    path.write_bytes(content.replace(found, put, 1))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "rows removed": lambda f: rows(f).unlink(),
    "rows emptied": lambda f: rows(f).write_bytes(b""),
    "last line torn": lambda f: rows(f).write_bytes(rows(f).read_bytes()[:-40]),
    "last line gone": lambda f: cut(rows(f), -1, None),
    "first line gone": lambda f: cut(rows(f), 0, 1),
    "a line unreadable": lambda f: flipped(rows(f), b'{"run_id"', b'\x00"run_id"'),
    "rows replaced by an object": lambda f: rows(f).write_bytes(b"{}"),
    "a value changed": lambda f: flipped(rows(f), b'"value": ', b'"value":9'),
    "the record's config changed": lambda f: flipped(f / "run.json", b'"evaluation": {', b'"evaluatiom": {'),
    "the record's status changed": lambda f: flipped(f / "run.json", b'"done"', b'"dome"'),
    "the record cut": lambda f: (f / "run.json").write_bytes((f / "run.json").read_bytes()[:200]),
    "the record emptied": lambda f: (f / "run.json").write_bytes(b""),
    "the record a list": lambda f: (f / "run.json").write_bytes(b"[]"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["lsd", "flow_matching", "reference"])
@pytest.mark.parametrize("what", DAMAGE)
def test_what_was_lost_comes_back_as_it_was(what: str, kind: str, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, out := tmp_path / "out")
    folder = next((out / "runs").glob(f"{kind}-*"))
    before = numbers(out), read_rows(folder), sorted(p.name for p in folder.glob("checkpoints/*"))
    DAMAGE[what](folder)
    assert command(out) == 0
    pd.testing.assert_frame_equal(numbers(out), before[0])

    assert sorted(map(repr, read_rows(folder))) == sorted(map(repr, before[1]))
    assert sorted(p.name for p in folder.glob("checkpoints/*")) == before[2], "nothing is trained twice"
    assert read_run(folder).status == "done"


@pytest.mark.filterwarnings("ignore")
def test_rows_that_a_record_of_before_has_lost_come_back_too(finished: Path, tmp_path: Path) -> None:
    """Its record does not say how many there were, and has no checksum: a line that does not read tells."""
    shutil.copytree(finished, out := tmp_path / "out")
    folder = next((out / "runs").glob("lsd-*"))
    before, record = numbers(out), read_run(folder).to_dict()
    (folder / "run.json").write_text(json.dumps({**record, "rows": None}))
    assert command(out) == 0
    pd.testing.assert_frame_equal(numbers(out), before)
    assert read_run(folder).rows is None, "whole, and left alone"
    DAMAGE["a line unreadable"](folder)
    assert command(out) == 0
    pd.testing.assert_frame_equal(numbers(out), before)


def test_whole_runs_are_not_touched(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("runs/*/*") if path.is_file()}
    assert command(finished) == 0
    assert "taken up again" not in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_model_is_the_checkpoint_that_its_run_ended_with_and_no_other(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, out := tmp_path / "out")
    folder = next((out / "runs").glob("flow_matching-*"))
    newest = folder / "checkpoints" / read_run(folder).final
    assert model.load(folder).checkpoint == newest.name
    older = newest.with_name(newest.name.replace("step-00000008", "step-00000004"))
    newest.rename(older)
    with pytest.raises(ValueError, match=f"lost the checkpoint that it ended with .{newest.name}"):
        model.load(folder)


def test_a_teacher_without_its_last_checkpoint_is_trained_again_where_a_student_needs_it(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, out := tmp_path / "out")
    before = numbers(out)
    shutil.rmtree(next((out / "runs").glob("flow_matching-*")) / "checkpoints")
    assert command(out) == 0
    assert "taken up again" not in capsys.readouterr().out, "who needs it is done"
    shutil.rmtree(next((out / "runs").glob("lmd-*")))
    assert command(out) == 0
    assert "the checkpoint that it ended with is gone" in capsys.readouterr().out
    pd.testing.assert_frame_equal(numbers(out), before)


def test_a_record_that_was_changed_is_not_believed(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(next((finished / "runs").glob("lsd-*")), folder := tmp_path / "run")
    flipped(folder / "run.json", b'"images_seen": 512', b'"images_seen": 513')
    with pytest.raises(StoreError, match=r"run\.json: damaged"):
        read_run(folder)
