"""The command from end to end: plans without data, runs, repeats nothing, survives failures, writes its four files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from places import ROOT

from bench import run
from bench.config import compose as config
from bench.scoring.model import load
from results.records import read_json, read_run, short, write_json
from sweeps.engine.loop import Outcome
from sweeps.status import rows as status_rows

SMALL = ["budget.images=2560", "backbone.width=32", "backbone.depth=1", "evaluation.seeds=[0]", "evaluation.steps=[1,4]",
         "evaluation.count=64", "backend.workers=0"]
FILES = ("leaderboard.csv", "leaderboard.md", "metric_vs_steps.png", "samples.png")
COLUMNS = "method,steps,nfe,metric,value,low,high,seeds,images_seen,train_seconds,params,protocol,status"


def table_file(out: Path) -> Path:
    """The one leaderboard below `out`."""
    (file,) = (out / "sweeps").glob("*/leaderboard.csv")
    return file


def test_the_cifar_plan_needs_no_data_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", "sweep=cifar_all_methods", "method=flow_matching,lmd,emd", "plan=true",
         f"out={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    assert done.stdout.count("flow_matching-cifar10-s0-") >= 3, "flow matching is its own row and the teacher of two"
    assert not list(tmp_path.iterdir())


def test_a_sweep_writes_its_files_and_the_same_command_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep=digits_quickstart", "method=flow_matching,lmd,psd_m", "seed=0", *SMALL, f"out={tmp_path}"]
    assert run.main(command) == 0
    (folder,) = (tmp_path / "sweeps").glob("digits_quickstart-backbone.depth=1-*")
    assert all((folder / f).stat().st_size > 0 for f in FILES)
    table = pd.read_csv(folder / "leaderboard.csv")
    assert ",".join(table.columns).startswith(COLUMNS)
    assert {"flow_matching", "lmd", "psd_m", "noise", "gaussian fit", "held-out data"} <= set(table["method"])
    lmd = table[table["method"] == "lmd"].iloc[0]
    assert lmd["teacher_images"] == 2560, "the teacher is on the bill"
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("run.json")}
    assert run.main(command) == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("run.json")}
    assert "metric_vs_steps.png" in capsys.readouterr().out


def test_a_new_protocol_rescores_and_does_not_retrain(tmp_path: Path) -> None:
    command = ["sweep=none", "method=psd_m", *SMALL, f"out={tmp_path}"]
    assert run.main(command) == 0
    (folder,) = (tmp_path / "runs").glob("psd_m-*")
    trained = json.loads((folder / "run.json").read_text())["train_seconds"]
    assert run.main([*command, "evaluation.count=96"]) == 0
    record = json.loads((folder / "run.json").read_text())
    rows = [json.loads(line) for line in (folder / "evals.jsonl").read_text().splitlines()]
    assert {row["count"] for row in rows} == {64, 96}
    assert record["train_seconds"] == trained
    for count in (64, 96):
        place = f"{folder.name}-evaluation.count={count}-evaluation.seeds=0-evaluation.steps=1+4"
        table = pd.read_csv(tmp_path / "sweeps" / place / "leaderboard.csv")
        assert set(table["protocol"].dropna()) == {row["protocol"] for row in rows if row["count"] == count}


def test_a_velocity_model_is_scored_with_several_solvers_and_their_calls_are_counted(tmp_path: Path) -> None:
    command = ["sweep=none", "method=flow_matching", "evaluation.solvers=[heun,rk4]", *SMALL, f"out={tmp_path}"]
    assert run.main(command) == 0
    table = pd.read_csv(table_file(tmp_path))
    rows = table[(table["metric"] == "fd_digits8") & (table["steps"] == 4)].set_index("sampler")
    assert rows["nfe"][["hop:euler", "hop:heun", "hop:rk4"]].tolist() == [4, 8, 16]
    assert rows["method"].nunique() == 3


def test_a_diverged_run_is_a_result_with_its_reason_and_its_siblings_finish(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep=none", "method=psd_m,ect", "train.lr=1e12,1e-3", "train.clip=0", *SMALL, f"out={tmp_path}"]
    assert run.main(command) == 0
    told = capsys.readouterr().err
    table = pd.read_csv(table_file(tmp_path))
    status = table[table["status"].notna()].groupby("method")["status"].first()
    (dead,) = (r for r in map(read_run, (tmp_path / "runs").glob("psd_m-*")) if r.status == "diverged")
    assert re.fullmatch(r"(loss|the gradient of loss) 'net' was not finite at step \d+ of \d+, stage '\w+'; learning rate "
                        r"\S+, largest gradient norm before it \S+ \(step \d+\)", dead.reason), dead.reason
    assert f"diverged: {dead.run_id}: {dead.reason}" in told
    assert status["psd_m train.lr=1000000000000.0"] == f"diverged 1 of 1 ({short(dead.reason)})"
    (sweep,) = (tmp_path / "sweeps").iterdir()
    (row,) = (r for r in status_rows(sweep, 0.0) if r.run == dead.run_id)
    assert (row.state, row.reason) == ("diverged", dead.reason)
    assert status["psd_m train.lr=0.001"] == "done"


def test_a_loss_that_explodes_is_divergence_though_it_is_a_number_and_no_number_at_all_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep=none", "method=lsd", "train.lr=1.0", "train.clip=0", *SMALL, "budget.images=12800", f"out={tmp_path}"]
    assert run.main(command) == 1
    out, err = capsys.readouterr()
    assert "no method has a number: lsd diverged 1 of 1 (loss 'net'" in err.splitlines()[-1] and out.startswith("fd_digits8")
    assert "diverged 1 of 1 (loss 'net' was " in next(line for line in out.splitlines() if line.startswith("lsd"))
    assert set(pd.read_csv(table_file(tmp_path)).query("method == 'lsd'")["steps"]) == {1, 4}


def test_another_average_in_the_same_folder_is_another_row_and_not_an_empty_table(tmp_path: Path) -> None:
    for decay in ("0.999", "0.99"):
        assert run.main(["sweep=none", "method=psd_m", f"train.ema=[{decay}]", *SMALL, f"out={tmp_path}"]) == 0
    for file in (tmp_path / "sweeps").glob("*/leaderboard.csv"):
        assert "psd_m" in set(pd.read_csv(file)["method"])


def test_a_table_that_loses_runs_to_another_command_of_its_name_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep=none", "sweep.name=mine", "budget.images=256", *SMALL[1:], f"out={tmp_path}"]
    for methods in ("psd_m,flow_matching", "psd_m,flow_matching"):
        assert run.main([*command, f"method={methods}"]) == 0
        assert "earlier table" not in capsys.readouterr().err
    listed = tmp_path / "sweeps" / "mine" / "runs.json"
    known = read_json(listed)
    write_json(listed, known | {"labels": known["labels"] | {"never-begun": "never begun"}})
    assert run.main([*command, "method=psd_m"]) == 0
    assert ("the earlier table of mine has 1 run that this command's will not have (flow_matching): sweep.name=NAME keeps both"
            in capsys.readouterr().err)  # fmt: skip


def test_a_sweep_over_two_data_sets_is_refused_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["sweep=none", "method=psd_m", "data=gaussian,skewed", *SMALL, f"out={tmp_path}"]) == 2
    assert "one sweep for each" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_tiny_cifar_sweep_on_a_users_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (200, 1, 1, 3))
    images = np.clip(colours + rng.normal(0, 20, (200, 16, 16, 3)), 0, 255).astype(np.uint8)
    np.save(tmp_path / "mine.npy", images)
    command = [
        "sweep=cifar_all_methods", "data=arrays", f"data.path={tmp_path / 'mine.npy'}", "seed=0", "backbone.channels=8",
        "backbone.multipliers=[1,1]", "backbone.blocks=1", "backbone.attention=[8]", "backbone.embedding=16",
        "budget.images=64", "budget.batch=8", "evaluation.count=20", "evaluation.chunk=20", "evaluation.steps=[1,2,8]",
        "method.start=32", "method.doublings=1", "method.trajectories=16", "method.particles=4",
        "backend.workers=0", f"out={tmp_path}",
    ]
    assert run.main(command) == 0
    table = pd.read_csv(table_file(tmp_path))
    assert (table["status"].dropna() == "done").all()
    axes = OmegaConf.load(config.CONF / "sweep" / "cifar_all_methods.yaml").sweep.axes
    assert table["method"].nunique() == len(axes.method) + 3, "and noise, a Gaussian fit, held-out data"
    (tmp_path / "mine.npy").unlink()
    (folder,) = (tmp_path / "runs").glob("psd_u-*")
    assert load(folder).sample(2).shape == (2, 3, 16, 16), "a finished model needs no data"


def test_points_are_scored_against_the_exact_map(tmp_path: Path) -> None:
    command = ["sweep=none", "method=lsd", "data=checkerboard", "budget.images=10240", "backbone.width=32",
               "evaluation.steps=[1]", "evaluation.seeds=[0]", "evaluation.count=2000", "backend.workers=0",
               f"out={tmp_path}"]
    assert run.main(command) == 0
    table = pd.read_csv(table_file(tmp_path))
    assert {"kl", "sliced_w2", "w2", "map_error", "one_jump_error"} <= set(table["metric"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["method=lds"], "lsd"),
        (["sweep=none", "data=arrays", "data.path=nowhere.npy", "method=lsd"], "data.path"),
        (["backend.name=slrm"], "backend=slurm"),
    ],
)
def test_a_wrong_command_is_one_clear_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([*arguments, "plan=true"]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error


def test_an_output_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run.main(["sweep=none", f"out={tmp_path / 'file' / 'below'}"]) == 2
    assert "out=" in capsys.readouterr().err


def test_a_finished_run_samples_and_exports(tmp_path: Path) -> None:
    assert run.main(["sweep=none", "method=psd_u", *SMALL, f"out={tmp_path}"]) == 0
    (folder,) = (tmp_path / "runs").glob("psd_u-*")
    model = load(folder)
    found = model.sample(5, steps=3, seed=1)
    assert found.shape == (5, 1, 8, 8)
    raw = next(model.sampler(1, model.experiment.evaluation.chunk).batches(5, 3, 5))
    assert raw.abs().max() > 1, "a network that is hardly trained leaves the range"
    assert torch.equal(found, raw.clamp(-1, 1))
    model.export(tmp_path / "weights.pt")
    assert (tmp_path / "weights.pt").stat().st_size > 1000


@pytest.mark.parametrize("decay", ["0", "0.0", "0.9"])
def test_an_average_of_any_decay_is_taught_scored_loaded_and_sampled(decay: str, tmp_path: Path) -> None:
    """`train.ema=[0]`, no averaging, is a common wish; written as an integer it once trained what could not be loaded."""
    methods = ["sweep=none", "method=lmd,progressive", "method.start=4"]
    assert run.main([*methods, f"train.ema=[{decay}]", *SMALL, f"out={tmp_path}"]) == 0
    assert set(pd.read_csv(table_file(tmp_path))["method"]) >= {"lmd", "progressive"}
    for folder in (tmp_path / "runs").glob("*-s0-*"):
        model = load(folder)
        assert model.sample(n=3, steps=1, seed=0).shape == (3, 1, 8, 8)
        if decay != "0.9" and folder.name.startswith("lmd"):
            state = torch.load(next(folder.glob(f"checkpoints/{read_run(folder).final}")), weights_only=True)
            live = state["models"]["net"]
            assert all(torch.equal(live[name], value) for name, value in state["ema"]["0.0"].items()), "the live weights"


def test_a_cancelled_run_is_told_of_and_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = Outcome(("a",), (), {}, {}, (), False, cancelled={"b": "cancelled on request"})
    assert run._tell(ended, [], "", tmp_path) == 1 and "cancelled: b: cancelled on request" in capsys.readouterr().err
    assert run._tell(Outcome(("a",), (), {}, {}, (), False), [], "", tmp_path) == 0


def test_a_device_that_is_not_there_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run.main(["sweep=none", "method=psd_m", "backend.device=cuda", *SMALL, f"out={tmp_path}"]) == 2
    assert capsys.readouterr().err == "error: backend.device=cuda: PyTorch sees no GPU here; use auto or cpu\n"
    assert not (tmp_path / "sweeps").exists()


def test_weights_that_the_last_update_took_out_of_the_numbers_are_divergence_though_every_loss_was_a_number(
    tmp_path: Path,
) -> None:
    command = ["sweep=none", "method=psd_m", "train.lr=1e39", "train.warmup=0", "train.schedule=constant", *SMALL,
               "budget.images=128", f"out={tmp_path}"]
    run.main(command)
    (folder,) = (tmp_path / "runs").glob("psd_m-*")
    assert read_run(folder).status == "diverged"
    assert read_run(folder).reason.startswith("a parameter of loss 'net' was not finite at step 1 of 1, ")
