"""How the loss of a running run goes is seen in the status table, in letters that any terminal can show."""

import io
import json
import math
import sys
from pathlib import Path

import pytest

from results import terminal
from results.records import CURVES_FILE
from sweeps import status
from sweeps.display import spark


@pytest.mark.parametrize(("values", "shown"), [
    ([], ""), ([3.0], "▁ 3"), ([9, 5, 1], "█▅▁ 1"), ([2, 2], "▁▁ 2"), ([1, 2, math.nan], "▁█  nan"), ([math.inf], "  inf"),
    ([*[8.0] * 50, *[1.5] * 50], "████▁▁▁▁ 1.5"),
])  # fmt: skip
def test_a_curve_is_eight_blocks_and_its_last_value(values: list[float], shown: str) -> None:
    assert spark(values) == shown


def test_where_blocks_cannot_be_shown_they_are_heights(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.ready()
    print(spark([9, 5, 1]))
    assert out.buffer.getvalue() == b"851 1\n"  # type: ignore[attr-defined]


def test_a_running_run_shows_its_loss_and_no_other_does(tmp_path: Path) -> None:
    folder = tmp_path / "sweeps" / "night"
    folder.mkdir(parents=True)
    lines = [{"event": "intent", "job": job, "attempt": 1, "tag": "t", "time": 1.0} for job in ("a", "b")]
    (folder / "attempts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "runs" / "a" / "attempts").mkdir(parents=True)
    record = {"tag": "t", "outcome": "", "reason": "", "node": "n1", "started": 100.0, "ended": 0.0, "beat": 160 * 10**9}
    (tmp_path / "runs" / "a" / "attempts" / "0001.json").write_text(json.dumps({**record, "stage": "train"}))
    assert all("loss" not in line for line in status.cells(status.rows(folder, 160.0))[0])
    (tmp_path / "runs" / "a" / CURVES_FILE).write_text("step,images,loss\n1,10,9\n2,20,5\n3,30,1\n")
    head, a, b = status.cells(status.rows(folder, 160.0))
    at = head.index("loss")
    assert (a[at], b[at]) == ("█▅▁ 1", "-") and head[at - 1 : at + 2] == ("left", "loss", "tries")
