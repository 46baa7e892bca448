"""`python -m bench.perf`: what it writes plans can read, one method's failure is one line, and its time is a limit."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench import perf
from bench.compiling import Compiled
from bench.config import records, request
from bench.measuring import Asked, Tour, cases
from bench.perf import main
from bench.planning import chain, price, rates, work

SMALL = ["sweep=none", "backbone.width=8", "backbone.depth=1", "budget.batch=8"]
KEYS = ["time", "device", "kind", "alike", "network", "method", "precision", "compiled", "channels_last", "batch",
        "micro_batch", "images_per_second", "gflop_per_image", "peak_memory", "step_ms"]  # fmt: skip
BRIEF = ["--minutes", "0.05"]
PLUGIN = '''
from dataclasses import dataclass
from methods.flow_matching import FlowMatching

@dataclass(frozen=True)
class Torn(FlowMatching):
    def losses(self, models, batch, context):
        raise ValueError("torn to pieces")
'''


@dataclass
class Clock:
    """Looks at it are a tick apart, in seconds, however busy the machine is."""

    tick: float
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


@pytest.fixture(autouse=True)
def its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's limit is not the machine's to reach: compiling alone once took it all."""
    monkeypatch.setattr(perf, "time", SimpleNamespace(perf_counter=Clock(0.1)))


def written(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "perf.jsonl").read_text(encoding="utf-8").splitlines()]


def test_lines_are_what_plans_are_priced_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [*SMALL, f"out={tmp_path}", "method=lsd"]
    assert main([*settings, *BRIEF, "--sweep"]) == 0
    lines = written(tmp_path)
    assert [line["method"] for line in lines] == ["flow_matching", "lsd"]
    assert all(list(line) == KEYS for line in lines)
    (job,) = chain(request(settings).experiments[0])
    assert lines[1]["alike"] == records.kind(job.config)
    assert lines[1]["network"] == records.network(job.config)
    assert lines[1]["gflop_per_image"] == pytest.approx(work.per_image(job.config))
    assert lines[1]["step_ms"] == pytest.approx(1000 * 8 / lines[1]["images_per_second"])
    assert (lines[1]["precision"], lines[1]["micro_batch"], lines[1]["compiled"]) == ("float32", None, False)
    assert {each.alike for each in rates.measured(tmp_path, "cpu")} == {line["alike"] for line in lines}
    assert price.Prices(tmp_path, "cpu").price(job).way == price.MEASURED
    assert "at rates measured by bench.perf" in capsys.readouterr().out


def test_a_method_that_raises_is_one_line_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    (mine / "method").mkdir(parents=True)
    (mine / "torn_perf.py").write_text(PLUGIN)
    (mine / "method" / "torn_perf.yaml").write_text("name: torn_perf\ntarget: torn_perf:Torn\n")
    assert main([*SMALL, "method=torn_perf,ect", f"plugins={mine}", f"out={tmp_path}", *BRIEF]) == 1
    told = capsys.readouterr().out
    assert "failed: torn_perf: ValueError: torn to pieces" in told
    assert [line["method"] for line in written(tmp_path)] == ["flow_matching", "ect"]


def test_when_its_time_is_up_the_rest_is_named() -> None:
    chosen = cases(request([*SMALL, "method=flow_matching,lsd,ect,imm"]).experiments)
    entries = list(Tour(chosen, torch.device("cpu"), Asked(minutes=0.2), Clock(1.0)))
    assert [each.case.label for each in entries] == [each.label for each in chosen], "everyone is told of"
    assert entries[0].found and not entries[0].left
    assert entries[-1].left and entries[-1].reason and entries[-1].found is None


def test_a_step_that_alone_takes_too_long_is_not_begun() -> None:
    chosen = cases(request([*SMALL, "budget.batch=100000000", "budget.images=1000000000"]).experiments)
    (entry,) = Tour(chosen, torch.device("cpu"), Asked(minutes=0.01), lambda: 0.0)
    assert entry.left and entry.reason.startswith("a step of 100,000,000 takes some ")


def test_profile_and_bare_are_further_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--profile", "--against", "bare", f"out={tmp_path}", *BRIEF]) == 0
    told = capsys.readouterr().out
    assert "× bare" in told and "optimizer  averages  copies  the rest  busy" in told


@pytest.mark.parametrize("other", ["compiled", "channels_last"])
def test_a_setting_is_compared_with_the_step_without_it(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Compiled, "backend", "aot_eager")
    assert main([*SMALL, "method=ect,ct", "--against", other, f"out={tmp_path}", "--minutes", "0.2"]) == 0
    told = capsys.readouterr().out.splitlines()
    ect, ct = (next(line for line in told if line.startswith(name)) for name in ("ect ", "ct "))
    assert re.search(r"× \d+\.\d\d after [\d.]+ m?s$" if other == "compiled" else r"× \d+\.\d\d$", ect)
    assert ct.endswith("does not") == (other == "compiled"), "its grid grows on the host"


@pytest.mark.parametrize(("arguments", "said"), [
    (["method=lds"], ["method=lds", "lsd"]),
    (["sweep=cifar_all_method"], ["cifar_all_method", "cifar_all_methods"]),
    (["train.lr=-1"], ["train.lr=-1"]),
    (["--minutes", "0"], ["--minutes 0"]),
    (["--minutes", "soon"], ["--minutes", "soon"]),
    (["--against", "nothing"], ["--against", "nothing", "bare"]),
    (["--profil"], ["--profil", "--help"]),
    (["method"], ["method", "key=value"]),
    (["backbone=unet_55m", "sweep=none", "data=gaussian"], ["unet_55m|unet"]),
])  # fmt: skip
def test_a_wrong_command_is_refused_in_a_line(
    arguments: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert not told.out
    assert told.err.startswith("error: ") and told.err.count("\n") == 1
    assert all(any(each in told.err for each in word.split("|")) for word in said), told.err


def test_help_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "python -m bench.perf sweep=cifar_all_methods" in capsys.readouterr().out
