"""Each prepared set trains the papers' networks and is scored, from its official files to a table."""

from pathlib import Path

import numpy as np
import official_sets as sets
import pytest
from small_runs import ended

from bench import prepare

SMOKE = [
    "sweep=none", "method=flow_matching", "backend=debug", "backbone.channels=8", "backbone.multipliers=[1,2]",
    "backbone.blocks=1", "backbone.attention=[]", "budget.images=80", "budget.batch=4", "train.logs=20",
    "data.features=cifar32", "evaluation.count=8", "evaluation.steps=[1]", "evaluation.seeds=[0]", "evaluation.chunk=8",
]  # fmt: skip


def official(name: str, folder: Path) -> tuple[Path, list[str]]:
    """Small official files, and what says that they are a subset."""
    if name.startswith("imagenet"):
        return sets.batches(folder, int(name[8:])), ["--count", "40", "--heldout-count", "6"]
    if name == "celeba64":
        return sets.faces(folder), ["--count", "20", "--heldout-count", "4"]
    return sets.zipped(folder / "afhq_v2.zip", sets.animals()), ["--count", "27"]


@pytest.mark.parametrize("backbone", ["ddpmpp", "edm2"])
@pytest.mark.parametrize("name", ["imagenet32", "imagenet64", "celeba64", "afhq64"])
def test_twenty_steps_on_a_prepared_set_end_in_a_score(name: str, backbone: str, tmp_path: Path) -> None:
    source, options = official(name, tmp_path / "official")
    assert prepare.main([name, "--source", str(source), "--out", str(tmp_path / "set"), "--workers", "1", *options]) == 0
    command = [*SMOKE, f"data={name}", f"data.path={tmp_path / 'set'}", f"backbone={backbone}"]
    ((record, rows, losses),) = ended(tmp_path / "runs", *command)
    assert record.status == "done" and record.optimizer_steps == 20 and np.isfinite(losses).all()
    assert [row.metric for row in rows].count("fd_cifar32") == 1 and all(np.isfinite(row.value) for row in rows)
