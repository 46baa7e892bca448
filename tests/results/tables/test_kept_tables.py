"""A table of runs that keep their best checkpoint says so, bills the whole training, and is never one with the last's."""

from pathlib import Path

import pandas as pd
import pytest
from fake_results import record, row, write

from results import report
from results.compared import beside
from results.records import At, ProtocolError, RunRecord, Runs
from results.tables import plain
from results.tables.table import KEPT, leaderboard

RULE = "best of 10 by fd_digits8 to 597 held-out images (noise seed 1000, 1 step)"
COUNTS = {"forward_rows": 300_000, "backward_rows": 200_000}


def runs(label: str = "lsd", rule: str = RULE, protocol: str = "best01") -> Runs:
    """Three seeds; their checkpoints had seen 80,000, 100,000 and 120,000 of 200,000 images."""
    made: list[RunRecord] = [record(label, seed, **COUNTS) for seed in range(3)]
    extra = [{"primary": True, **({"kept": rule, "kept_images": 80_000 + 20_000 * each.seed} if rule else {})} for each in made]
    return [(each, [row(each, 1, 5.0 + each.seed, extra=about, protocol=protocol)])
            for each, about in zip(made, extra, strict=True)]


def test_every_form_of_the_table_says_which_checkpoint_was_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run, rows in runs():
        write(tmp_path / "runs", run, rows)
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    said = f"Checkpoint: {RULE}, taken at 100k images."
    assert said in capsys.readouterr().out
    for name in ("leaderboard.md", "leaderboard.tex", "leaderboard_compact.tex", "index.html"):
        assert said in (tmp_path / "out" / name).read_text().replace(r"\_", "_"), name
    frame = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert (frame["checkpoint"] == RULE).all() and (frame["kept_images"] == 100_000).all()


def test_the_last_is_not_mentioned() -> None:
    frame = leaderboard(runs(rule="", protocol="last01"))
    assert not set(KEPT) & set(frame) and "Checkpoint" not in plain(frame)


def test_the_bill_is_that_of_the_whole_training_and_a_smaller_budget_is_not_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cell,) = leaderboard(runs()).to_dict("records")
    assert (cell["images_seen"], cell["compute"], cell["train_seconds"]) == (200_000, 700_000, 42.0)
    (cell,) = leaderboard(runs(), at=At.parse("images=150000")).to_dict("records")
    assert cell["status"] == "beyond the budget 3 of 3" and cell["value"] != cell["value"]
    for run, rows in runs():
        write(tmp_path / "runs", run, rows)
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--at", "images=150000"]) == 1
    told = "A checkpoint that was chosen (evaluation.checkpoint=best) took its whole training"
    assert told in capsys.readouterr().out and told in (tmp_path / "out" / "leaderboard.md").read_text()


def test_runs_of_both_rules_are_refused_in_one_table() -> None:
    with pytest.raises(ProtocolError, match="'best01' and 'last01'"):
        leaderboard([*runs(), *runs("esd", "", "last01")])


def test_a_published_number_of_another_rule_is_not_comparable() -> None:
    same = {"label": "lsd", "dataset": "digits", "metric": "fd_digits8", "steps": 1, "checkpoint": ""}
    published = beside.load("cifar10").iloc[:1].assign(**same)
    (why,) = beside.marked(leaderboard(runs()), published)["because"]
    assert f"checkpoint the last, ours {RULE}" in why
    (why,) = beside.marked(leaderboard(runs(rule="")), published)["because"]
    assert "checkpoint" not in why
