"""Finished runs are opened again for scoring where their rows are not those of the present protocol, and only there."""

import dataclasses
from pathlib import Path

import pytest
from small_runs import planned

from bench.job import execute
from bench.planning import reopen
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
    assert reopen(tmp_path, plan) == dict.fromkeys(plan.ids, "scored under another protocol") and len(plan.ids) == 2
    assert all(read_run(tmp_path / "runs" / job.id).status == "interrupted" for job in plan)
