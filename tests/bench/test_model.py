"""What a run folder loads as, and which one does not without a word."""

from pathlib import Path

import pytest
from small_runs import planned, run

from bench.model import load
from results.records import read_run


def test_a_run_that_was_interrupted_is_loaded_on_demand_alone(tmp_path: Path) -> None:
    made = planned("flow_matching", "budget.batch=128")
    folder = tmp_path / made[-1].id
    assert run(tmp_path, made, stop_after=0) == "interrupted"
    with pytest.raises(ValueError) as refused:
        load(folder)
    said = str(refused.value)
    assert said.startswith(f"{made[-1].id} is not a finished run (interrupted): its command goes on") and "\n" not in said
    assert "unfinished=True" in said
    assert load(folder, unfinished=True).sample(4).shape == (4, 1, 8, 8)
    assert run(tmp_path, made) == "done"
    assert load(folder).checkpoint == read_run(folder).final
