"""Claims about the disk that a plan names, against the files of small runs."""

from pathlib import Path

import pytest

from bench import run
from bench.config import request
from bench.planning import disk, jobs

SMALL = ["sweep=none", "budget.images=640", "budget.batch=32", "backbone.width=32", "evaluation.steps=[1]",
         "evaluation.seeds=[0]", "evaluation.count=32", "train.ema=[0.9,0.99]", "backend=debug"]  # fmt: skip


@pytest.mark.parametrize(("checkpoints", "milestones"), [(4, 3), (1, 0), (0, 2), (0, 0), (30, 7)])
def test_checkpoints_take_what_the_plan_says(tmp_path: Path, checkpoints: int, milestones: int) -> None:
    command = [*SMALL, "method=ect", f"train.checkpoints={checkpoints}", f"train.milestones={milestones}"]
    check(tmp_path, command)


@pytest.mark.parametrize("more", [
    "method=progressive,pfmm,tcm method.start=4", "method=ctm,shortcut", "method=dsno method.trajectories=256",
    "method=sct train.optimizer=radam",
    "method=lsd method.learned_weight=true backbone=unet_small backbone.channels=8",
])  # fmt: skip
def test_so_do_those_of_methods_with_more_networks(tmp_path: Path, more: str) -> None:
    small = [each for each in SMALL if "unet" not in more or "width" not in each]
    check(tmp_path, [*small, *more.split(), "train.checkpoints=4", "train.milestones=2"])


def check(out: Path, command: list[str]) -> None:
    plan = jobs(request(command).experiments)
    run.main([*command, f"out={out}"])
    for job in plan:
        taken = sum(file.stat().st_size for file in (out / "runs" / job.id).glob("checkpoints/*.pt"))
        assert disk.checkpoints([job]) == pytest.approx(taken, rel=0.05), job.label
    stored = sum(file.stat().st_size for file in out.rglob("*") if "trajectories" in str(file) and file.is_file())
    assert disk.trajectories(plan) == pytest.approx(stored, rel=0.05)


@pytest.mark.parametrize(("size", "said"), [(3e5, "under a MB"), (3.04e7, "30 MB"), (4.23e9, "4.2 GB"), (5.5e11, "550 GB"),
                                            (5.5e12, "5,500 GB")])
def test_a_size_is_said_to_two_digits(size: float, said: str) -> None:
    assert disk.gigabytes(size) == said
