"""Claims about the price of a sweep and the micro-batch of a run that had no memory."""

import pytest

from bench import run
from bench.identity import run_id
from bench.micro_batch import smaller
from methods.registry import ConfigError


class Stdin:
    def __init__(self, tty):
        self.tty = tty

    def isatty(self):
        return self.tty


def test_a_sweep_beyond_the_price_is_refused_where_nobody_can_answer(monkeypatch):
    monkeypatch.setattr(run.sys, "stdin", Stdin(False))
    run._agree(10.0, None)
    run._agree(10.0, 10.0)
    with pytest.raises(ConfigError, match=r"about 10\.5 GPU-hours.*go on with backend\.max_gpu_hours=11"):
        run._agree(10.5, 10)


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("yes", True), ("", False), ("n", False)])
def test_a_person_is_asked(monkeypatch, answer, agreed):
    monkeypatch.setattr(run.sys, "stdin", Stdin(True))
    monkeypatch.setattr("builtins.input", lambda text: answer)
    if agreed:
        run._agree(11, 10)
    else:
        with pytest.raises(ConfigError, match="nothing was started"):
            run._agree(11, 10)


def test_the_command_refuses_and_starts_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run.sys, "stdin", Stdin(False))
    assert run.main([f"out={tmp_path}", "sweep=none", "method=lsd", "backend.max_gpu_hours=0"]) == 2
    assert "backend.max_gpu_hours=1" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_micro_batch_is_halved_down_to_one_row_and_the_run_stays_the_same_run():
    config = {"budget": {"batch": 12, "micro_batch": None, "images": 9}, "data": {"name": "d"}, "backbone": {},
              "method": {"name": "m"}, "interpolant": {}, "train": {}, "seed": 0}
    assert [smaller(config, n)["budget"]["micro_batch"] for n in (1, 2, 3)] == [6, 3, 1] and smaller(config, 4) is None
    assert run_id(smaller(config, 2), 1, None, ()) == run_id(config, 1, None, ())
    assert smaller({"kind": "reference"}, 1) is None
