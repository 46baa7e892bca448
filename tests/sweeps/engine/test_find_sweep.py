"""A sweep is found by its name, and a name that others begin with tells those."""

from pathlib import Path

import pytest

from sweeps.engine.requests import RequestError, find_sweep


def test_the_sweeps_that_differ_from_a_named_one_are_told_before_others(tmp_path: Path) -> None:
    for name in ("quick-evaluation.count=300-budget.images=1280", "quack", "other"):
        (tmp_path / "sweeps" / name).mkdir(parents=True)
        (tmp_path / "sweeps" / name / "attempts.jsonl").touch()
    assert find_sweep("other", tmp_path).name == "other"
    with pytest.raises(RequestError, match=r"there are: quick-evaluation\.count=300-budget\.images=1280; --out"):
        find_sweep("quick", tmp_path)
