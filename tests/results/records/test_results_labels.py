"""A run that two sweeps share is called in each table what that sweep calls it; a narrowed sweep loses no line."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_results import record, row, write

from bench import run
from results import report
from results.records import archive
from results.records.labels import distinct_labels, relabelled

Config = dict[str, Any]

SMALL = ["data=gaussian", "budget.images=1280", "backbone.width=8", "backbone.depth=1", "evaluation.seeds=[0]",
         "evaluation.steps=[1]", "evaluation.count=64", "backend.workers=0"]


def shared(tmp_path: Path, labels: dict[str, str] | None) -> Path:
    """A sweep of one run, which another sweep ran first under another label."""
    made = record("lsd stop_gradient=convex")
    write(tmp_path / "runs", made, [row(made)])
    place = tmp_path / "sweeps" / "second"
    place.mkdir(parents=True)
    about = {"runs": [made.run_id], "order": ["lsd share=0.75"]} | ({"labels": labels} if labels is not None else {})
    (place / "runs.json").write_text(json.dumps(about))
    return place


def methods(place: Path) -> list[str]:
    return pd.read_csv(place / "leaderboard.csv")["method"].tolist()


def test_the_sweeps_file_names_its_rows(tmp_path: Path) -> None:
    place = shared(tmp_path, {record("lsd stop_gradient=convex").run_id: "lsd share=0.75"})
    assert report.main([str(place)]) == 0
    assert methods(place) == ["lsd share=0.75"]


def test_a_sweeps_file_of_before_keeps_the_labels_of_the_records(tmp_path: Path) -> None:
    place = shared(tmp_path, None)
    assert report.main([str(place)]) == 0
    assert "lsd stop_gradient=convex" in methods(place)


def test_an_archive_carries_the_labels(tmp_path: Path) -> None:
    made = record("first")
    archive.write(tmp_path / archive.FILE, [(made, [row(made)])], {"order": ["second"], "labels": {made.run_id: "second"}})
    assert report.main([str(tmp_path / archive.FILE)]) == 0
    assert methods(tmp_path) == ["second"]


def test_relabelling_leaves_other_runs_and_references_alone() -> None:
    mine, other, reference = record("a"), record("b"), record("references", kind="reference")
    runs = relabelled([(r, [row(r)]) for r in (mine, other, reference)], {mine.run_id: "x", reference.run_id: "y"})
    assert [made.label for made, _ in runs] == ["x", "b", "references"]


@pytest.mark.parametrize(("one", "other", "labels"), [
    ({"w": 1, "lr": 0.1}, {"w": 1.0, "lr": 0.2}, ["a (lr=0.1)", "a (lr=0.2)"]),
    ({"w": [1, 2]}, {"w": [1.0, 2.0]}, ["a (run=0)", "a (run=1)"]),  # another version of the code: the id alone tells
    ({"w": 1}, {"w": True}, ["a (w=1)", "a (w=True)"]),
])  # fmt: skip
def test_a_number_written_otherwise_tells_no_experiments_apart(one: Config, other: Config, labels: list[str]) -> None:
    runs = [record("a", run_id=str(place), config=config) for place, config in enumerate((one, other))]
    assert list(distinct_labels(runs).values()) == labels


def place(out: Path, name: str) -> Path:
    """The folder of a sweep, whose name goes on with what the command changed."""
    (found,) = (out / "sweeps").glob(f"{name}-*")
    return found


@pytest.fixture
def sweeps(tmp_path: Path) -> Path:
    """Two sweeps that share psd_m as it stands."""
    folder = tmp_path / "plugins" / "sweep"
    folder.mkdir(parents=True)
    for name, points in {"one": "[{method: psd_m, method.eta: 0.75}, {method: psd_m, method.eta: 0.5}]",
                         "two": "[{method: psd_m}, {method: flow_matching}, {method: psd_u}]"}.items():
        (folder / f"{name}.yaml").write_text(
            f"# @package _global_\nsweep: {{name: {name}, axes: {{seed: [0]}}, also: {points}, knobs: {{}}, note: ''}}\n")
    return tmp_path


def test_a_second_sweep_calls_a_shared_run_by_its_own_label(sweeps: Path) -> None:
    for name in ("one", "two method=psd_m,flow_matching"):
        assert run.main([*f"sweep={name}".split(), f"plugins={sweeps / 'plugins'}", *SMALL, f"out={sweeps}"]) == 0
    assert {"psd_m", "flow_matching"} <= set(methods(place(sweeps, "two")))
    assert {"psd_m eta=0.75", "psd_m eta=0.5"} <= set(methods(place(sweeps, "one")))
    found, about = archive.read(place(sweeps, "two") / archive.FILE)
    assert set(about["labels"].values()) == {"psd_m", "flow_matching"} and len(found) == 3


def test_a_narrowed_sweep_keeps_the_rows_that_exist_and_plans_no_others(sweeps: Path) -> None:
    command = ["sweep=two", f"plugins={sweeps / 'plugins'}", *SMALL, f"out={sweeps}"]
    assert run.main([*command, "method=psd_m,flow_matching"]) == 0
    two = place(sweeps, "two")
    assert "psd_u" not in methods(two), "what was never run is not missing from a narrowed table"
    assert run.main([*command, "method=flow_matching,psd_u"]) == 0
    assert {"psd_m", "flow_matching", "psd_u"} <= set(methods(two))
    assert report.main([str(two)]) == 0
    assert {"psd_m", "flow_matching", "psd_u"} <= set(methods(two))
    kept = (two / "leaderboard.csv").read_bytes()
    assert run.main([*command, "method=psd_u"]) == 0, "one experiment has a table of its own"
    assert (two / "leaderboard.csv").read_bytes() == kept
