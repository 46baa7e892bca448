"""Published numbers stand beside ours with their own budget, and a metric with a floor is shown as excess too."""

import json
from pathlib import Path

import pandas as pd
import pytest
from fake_results import sweep

from results import beside, report
from results.store import StoreError

NAME = "self_distillation_checkerboard"


def ours(count: int = 64000) -> pd.DataFrame:
    rows = [
        {"method": method, "steps": n, "metric": metric, "value": floor + 0.01 * k + 0.001, "floor": floor, "low": low,
         "high": 0.2, "images_seen": 1024000, "sampler": "hop", "count": count}
        for k, method in enumerate(("lsd", "psd_m"), 1) for n in (1, 2, 4, 8, 16)
        for metric, floor, low in (("kl_50", 0.0663, float("nan")), ("kl", 0.0062, 0.0072))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cells(page: str, start: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ours_and_theirs_stand_line_by_line_with_their_excess() -> None:
    page = beside.markdown(ours(), beside.load(NAME), NAME)
    lines = [line for line in page.splitlines() if line.startswith("|")]
    first = next(i for i, line in enumerate(lines) if line.startswith("| lsd | ours"))
    mine, mine_above, theirs, theirs_above = (
        [c.strip() for c in line.strip("|").split("|")] for line in lines[first : first + 4]
    )
    assert mine[2] == "0.0773" and float(mine[-1]) == 1.02e6
    assert theirs[2:4] == ["0.0864", "0.0765"] and float(theirs[-1]) == 2.5e10
    assert mine_above[2] == "0.0110" and theirs_above[2] == "0.0201"


def test_a_published_number_of_another_sample_count_has_no_excess_over_our_floor() -> None:
    page = beside.markdown(ours(20_000), beside.load(NAME), NAME)
    assert "| lsd | ours - floor" in page and "published - floor" not in page


def test_a_method_that_was_not_run_leaves_its_published_line() -> None:
    page = beside.markdown(ours(), beside.load(NAME), NAME)
    assert cells(page, "| esd | ours")[2] == "–"
    assert "0.0983" in page


def test_the_aligned_grid_shows_the_excess_with_its_interval() -> None:
    page = beside.markdown(ours(), beside.load(NAME), NAME)
    aligned = page.split("## kl: ")[1]
    assert cells(aligned, "| lsd")[1] == "0.0110 [0.0010, 0.1938]"


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(StoreError, match=NAME):
        beside.load("self_distilation")


def test_the_report_of_a_sweep_writes_the_page_that_its_file_names(tmp_path: Path) -> None:
    runs = [path.name for path in sweep(tmp_path)]
    place = tmp_path / "sweeps" / "board"
    place.mkdir(parents=True)
    (place / "runs.json").write_text(json.dumps({"runs": runs, "order": ["lsd", "cd"], "published": NAME}))
    assert report.main([str(place)]) == 0
    assert "0.0864" in (place / "published.md").read_text()
