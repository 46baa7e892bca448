"""A line under the table on what a method's number comes from (sweep.remarks), wherever the table stands."""

import json
import shutil
from pathlib import Path

import pytest

from bench import run
from results import report

WORD = "a quarter of its images go to a warm-up"
FILE = """# @package _global_
# Two methods, one with a remark.
defaults:
  - override /data: digits
  - override /backbone: mlp
budget: {images: 128, batch: 64}
backbone: {width: 8, depth: 1}
evaluation: {steps: [1], seeds: [0], count: 16}
sweep:
  name: mine
  axes: {method: [flow_matching, lsd], seed: [0]}
  remarks: {%s: %s}
"""


def sweep(folder: Path, method: str) -> list[str]:
    (own := folder / "own" / "sweep").mkdir(parents=True)
    (own / "mine.yaml").write_text(FILE % (method, WORD))
    return ["sweep=mine", f"plugins={own.parent}", f"out={folder / 'out'}", "backend=debug"]


def test_a_remark_stands_under_every_table_and_goes_with_the_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*sweep(tmp_path, "lsd"), "sweep.name=mine"]) == 0
    printed, (folder,) = capsys.readouterr().out, (tmp_path / "out" / "sweeps").iterdir()
    assert f"\nlsd: {WORD}\n" in printed
    page = folder / "leaderboard.md"
    assert f"- lsd: {WORD}\n" in page.read_text().partition("\n## ")[2].partition("\n## ")[0]
    assert json.dumps(f"lsd: {WORD}") in (folder / "index.html").read_text()
    away = tmp_path / "away"
    away.mkdir()
    shutil.copy(folder / "records.jsonl.gz", away)
    assert report.main([str(away / "records.jsonl.gz")]) == 0
    assert (away / "leaderboard.md").read_text() == page.read_text().replace(folder.name, away.name)
    assert report.main([str(folder), "--methods", "flow_matching"]) == 0
    assert WORD not in (folder / "methods=flow_matching" / "leaderboard.md").read_text(), "nothing is said of what is not shown"
    assert report.main([str(folder), "--metric", "recall", "--out", str(away)]) == 0
    assert WORD not in (away / "leaderboard.md").read_text(), "and it is said of the first metric"


def test_a_command_with_another_budget_is_told_nothing_of_the_sweeps_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*sweep(tmp_path, "lsd"), "budget.images=192"]) == 0
    (folder,) = (tmp_path / "out" / "sweeps").iterdir()
    assert not any(WORD in text for text in (capsys.readouterr().out, (folder / "leaderboard.md").read_text()))


def test_a_remark_on_no_method_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(sweep(tmp_path, "lsdd")) == 2
    assert "sweep.remarks" in (told := capsys.readouterr().err) and "lsdd" in told and "lsd" in told
