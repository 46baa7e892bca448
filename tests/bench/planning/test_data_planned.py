"""What can be known of the data is told once, while planning."""

from pathlib import Path

import numpy as np
import pytest

from bench import run


def planned(tmp_path: Path, *arguments: str) -> int:
    return run.main(["sweep=none", *arguments, f"out={tmp_path / 'out'}", "plan=true"])


def stored(tmp_path: Path, *shape: int) -> str:
    np.save(tmp_path / "x.npy", np.random.RandomState(0).randint(0, 256, shape, dtype=np.uint8))
    return f"data.path={tmp_path / 'x.npy'}"


@pytest.mark.parametrize(("side", "takes"), [(8, True), (31, False)])
def test_a_unet_takes_images_whose_sides_it_can_halve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], side: int, takes: bool
) -> None:
    code = planned(tmp_path, "data=arrays", stored(tmp_path, 40, 8, side), "backbone=unet_small")
    out, err = capsys.readouterr()
    if takes:
        assert code == 0 and out.startswith("data=arrays: 36 images of 1 x 8 x 8 to train on, 4 held out\n")
    else:
        assert code == 2 and err.startswith("error: backbone.multipliers=") and "8 x 31" in err and err.count("\n") == 1


@pytest.mark.parametrize("argument", ["evaluation.reference_count=37", "data.heldout=nowhere.npy", "data.path=nowhere.npy"])
def test_what_the_data_do_not_allow_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    assert planned(tmp_path, "data=arrays", stored(tmp_path, 40, 8, 8), argument) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {argument}") and err.count("\n") == 1 and not out


def test_cifar10_that_is_not_there_can_be_planned_and_not_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data=cifar10", f"data.root={tmp_path}", "backbone=unet_small"]
    assert planned(tmp_path, *command) == 0
    assert "nothing can start yet: data.root=" in capsys.readouterr().out.split("\n")[0]
    assert run.main(["sweep=none", *command, f"out={tmp_path / 'out'}"]) == 2
    assert "data.download=true" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("command", "said"), [
    ("method=dsno", "evaluation.steps: dsno defines no sample of 2, 4, 8, 16 steps, which stay without a number"),
    ("method=dsno,progressive evaluation.steps=[1,3]", "none of the 2 methods defines a sample of 3 steps"),
    ("method=dsno,lmd evaluation.steps=[1,3]", ""), ("", ""),
])  # fmt: skip
def test_steps_in_which_no_method_can_sample_are_told_before_anything_runs(
    command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not refused: a command that narrows a sweep to one method keeps the sweep's columns."""
    assert run.main([*command.split(), "plan=true"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("evaluation.steps")]
    assert len(told) == bool(said) and all(said in line for line in told)


@pytest.mark.parametrize(("command", "said", "runs"), [
    ("sweep=digits_all_methods method=multistep_cm,lsd,dmd2 seed=0 evaluation.steps=[1,2]",
     "evaluation.steps=[1,2] leaves out: multistep_cm (8 steps)", "dmd2 flow_matching lsd"),
    ("sweep=none method=progressive,dmd2,lsd evaluation.steps=[3]",
     "evaluation.steps=[3] leaves out: progressive (1, 2, 4, 8, 16 steps), dmd2 (1 step)", "lsd"),
])  # fmt: skip
def test_methods_without_a_number_in_any_of_the_steps_are_left_out_and_told(
    command: str, said: str, runs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once for all; the others run."""
    assert run.main([*command.split(), "plan=true"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line.startswith("evaluation.steps")] == [said]
    assert sorted({line.split("-")[0] for line in out if "-digits-s0-" in line.split(" ")[0]} - {"references"}) == runs.split()
