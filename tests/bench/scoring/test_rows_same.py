"""What only says how an evaluation is carried out leaves every row as it is: batch, processes, order, milestones, cache."""

from pathlib import Path
from typing import Any

import pytest

from bench import run
from results.records.store import read_rows

SMALL = ["sweep=none", "budget.images=2560", "backbone.width=32", "backbone.depth=1", "evaluation.count=150",
         "evaluation.seeds=[0,1]", "evaluation.chunk=64"]
ONE = [*SMALL, "method=psd_m", "evaluation.steps=[1,2]", "backend.workers=0"]
TWO = [*SMALL, "method=psd_m,ect", "evaluation.steps=[1,4]"]


def rows(out: Path, *arguments: str) -> list[dict[str, Any]]:
    """Every evaluation row below `out` after the command, sorted."""
    assert run.main([*arguments, f"out={out}"]) == 0
    found = [row.to_dict() for folder in sorted((out / "runs").iterdir()) for row in read_rows(folder)]
    keys = ("run_id", "label", "images_seen", "steps", "evaluation_seed", "metric")
    return sorted(found, key=lambda row: [row[key] for key in keys])


@pytest.fixture()
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own: features are computed by whoever comes first."""
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_batch_setting_and_the_order_of_evaluation_change_no_row(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows(fresh / "a", *ONE)
    expected = {"fd_digits8", "kid", "precision", "coverage", "fd_infinity", "fd_heldout", "nn_closer"}
    assert expected <= {r["metric"] for r in first}
    assert len({r["protocol"] for r in first}) == 1
    monkeypatch.setenv("FEWSTEP_CACHE", str(fresh / "other"))
    assert rows(fresh / "b", *ONE, "evaluation.batch=7", "evaluation.steps=[2,1]") == first


def test_one_and_two_worker_processes_give_the_same_rows(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rows(fresh / "a", *TWO, "backend.workers=1")
    monkeypatch.setenv("FEWSTEP_CACHE", str(fresh / "other"))
    assert rows(fresh / "b", *TWO, "backend.workers=2") == one
    assert len({r["run_id"] for r in one}) == 3, "two methods and the reference rows"


def test_several_ranks_share_the_images_and_give_the_rows_of_one(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of them for the three chunks of samples; trained by one, as sums over ranks round in another order."""
    command = [*ONE, "train.milestones=2", "evaluation.milestones=true", "evaluation.also=[cifar32]"]
    one = rows(fresh / "a", *command)
    assert {r["images_seen"] for r in one if r["label"] == "psd_m"} == {1280, 2560}
    others = rows(fresh / "b", *command, "evaluation.seeds=[7]")
    monkeypatch.setenv("FEWSTEP_CACHE", str(fresh / "other"))
    several = rows(fresh / "b", *command, "backend.processes=4")
    assert [r for r in several if r["protocol"] not in {r["protocol"] for r in others}] == one


def test_milestones_add_rows_of_earlier_checkpoints_under_the_same_protocol(tmp_path: Path) -> None:
    command = [*ONE, "train.milestones=2"]
    last = rows(tmp_path, *command)
    more = rows(tmp_path, *command, "evaluation.milestones=true")
    assert [r for r in more if r in last] == last
    added = [r for r in more if r not in last]
    assert {r["images_seen"] for r in added} == {1280} and len({r["checkpoint"] for r in added}) == 1
    assert {r["protocol"] for r in added} == {r["protocol"] for r in last}
    earlier, later = ({(r["steps"], r["metric"]): r["value"] for r in s if r["label"] == "psd_m"} for s in (added, last))
    assert set(earlier) == set(later) and earlier != later
    assert rows(tmp_path, *command, "evaluation.milestones=true") == more, "nothing is scored twice"


def test_a_milestone_without_all_networks_that_are_sampled_from_is_passed_over(tmp_path: Path) -> None:
    command = [*SMALL, "method=tcm", "evaluation.steps=[1]", "backend.workers=0", "train.milestones=4"]
    found = rows(tmp_path, *command, "evaluation.milestones=true")
    # tcm's first half trains the network that its second half samples from beside "net".
    assert {r["images_seen"] for r in found if r["label"] == "tcm"} == {1920, 2560}
