"""Finished runs are opened again for scoring where their rows are not those of the present protocol, and only there."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from small_runs import planned

from bench import run
from bench.job import execute
from bench.planning import reopen
from bench.planning.price import Prices
from results.records import read_run, write_run
from sweeps.plan import Plan


@pytest.mark.parametrize(("key", "was"), [("version", 1), ("grid", "method")])
def test_a_finished_run_is_scored_again_where_its_protocol_has_changed(key: str, was: object, tmp_path: Path) -> None:
    plan = Plan(planned("flow_matching", "data=digits", "budget.images=512"))
    for job in plan:
        assert execute(job.config, str(tmp_path / "runs" / job.id), lambda m: False) == "done"
    assert reopen(tmp_path, plan) == {}, "nothing has changed"
    for job in plan:
        folder = tmp_path / "runs" / job.id
        record = read_run(folder)
        config = record.config | {"protocol": record.config["protocol"] | {key: was}}
        write_run(folder, dataclasses.replace(record, config=config))
    assert reopen(tmp_path, plan) == dict.fromkeys(plan.ids, "its evaluation is asked for otherwise now") and len(plan.ids) == 2
    assert all(read_run(tmp_path / "runs" / job.id).status == "interrupted" for job in plan)


def test_a_plan_says_and_prices_what_finished_runs_are_taken_up_for_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep=none", "method=lsd", "data=mixture", "budget.images=5120", "evaluation.seeds=[0]", f"out={tmp_path}"]

    def plan(count: int) -> str:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert run.main([*words, f"evaluation.count={count}", "plan=true"]) == 0
        assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        return capsys.readouterr().out

    assert run.main([*words, "evaluation.count=64", "backend.workers=0"]) == 0
    capsys.readouterr()
    assert "cost to do: 0 s" in (said := plan(64)) and "taken up" not in said
    assert "1 finished run taken up again: its evaluation is asked for otherwise now" in (said := plan(128))
    assert "to do (was interrupted)" in said and "cost to do: 0 s" not in said
    (folder,) = tmp_path.glob("runs/lsd-*")
    shutil.rmtree(folder / "checkpoints")
    assert "1 finished run taken up again: the checkpoint that it ended with is gone: it is trained again" in plan(128)
    assert "taken up" not in plan(64), "all that is asked for is there"


def test_what_a_run_has_behind_it_costs_nothing_more() -> None:
    (job,) = (each for each in planned("lsd", "data=mixture", "budget.images=100000000") if each.kind == "method")
    whole, half, scored = (Prices(Path("nowhere"), "cpu", {job.id: share}).seconds(job) for share in (0.0, 0.5, 1.0))
    assert half == pytest.approx((whole + scored) / 2) and scored < whole / 10
    assert Prices(Path("nowhere"), "cpu", {job.id: 1.0}).gpu_hours(job) < Prices(Path("nowhere"), "cpu").gpu_hours(job)
