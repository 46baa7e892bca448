"""A sweep is found by its name, or as the newest; a name that others begin with tells those."""

import os
from pathlib import Path

import pytest

from sweeps import status
from sweeps.engine.requests import RequestError, find_sweep, newest


def test_the_sweeps_that_differ_from_a_named_one_are_told_before_others(tmp_path: Path) -> None:
    for name in ("quick-evaluation.count=300-budget.images=1280", "quack", "other"):
        (tmp_path / "sweeps" / name).mkdir(parents=True)
        (tmp_path / "sweeps" / name / "attempts.jsonl").touch()
    assert find_sweep("other", tmp_path).name == "other"
    with pytest.raises(RequestError, match=r"there are: quick-evaluation\.count=300-budget\.images=1280; --out"):
        find_sweep("quick", tmp_path)


def test_without_a_name_the_status_is_that_of_the_sweep_that_was_written_to_last(tmp_path: Path, capsys) -> None:
    assert status.main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: no sweep has begun in {tmp_path}/sweeps; --out names another output folder\n"
    for age, name in enumerate(("second", "first", "third")):
        journal = tmp_path / "sweeps" / name / "attempts.jsonl"
        journal.parent.mkdir(parents=True)
        journal.touch()
        os.utime(journal, (1000 - age, 1000 - age))
    assert newest(tmp_path).name == "second"
    assert status.main(["--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/sweeps/second, the newest sweep\n\n")


def test_a_picture_is_no_other_kind_of_file_than_its_name_says(tmp_path: Path, capsys) -> None:
    (tmp_path / "sweeps" / "night").mkdir(parents=True)
    (tmp_path / "sweeps" / "night" / "attempts.jsonl").touch()
    assert status.main(["night", "--out", str(tmp_path), "--picture", str(tmp_path / "s.png")]) == 2
    assert f"it draws SVG; name it {tmp_path}/s.svg" in capsys.readouterr().err and not (tmp_path / "s.png").exists()
