"""A method of the user's with a critic, whose generator rests in most steps, goes the whole way of the packaged ones."""

import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from small_runs import bits

from bench import check, run
from bench.processes import dist
from bench.scoring.model import load
from bench.training.contract import CHECKS
from bench.training.step import Step
from results.records import read_run

METHOD = '''
from dataclasses import dataclass

import torch

from methods.base import Loss, Method, Needs, Stage
from methods.knobs import Count
from methods.tools import conditioned, deceived, jump, told_apart


@dataclass(frozen=True)
class Rival(Method):
    """every: steps to one of the generator."""

    every: Count = 3

    @property
    def needs(self):
        return Needs(reaches="data", rule="renoise", cost=1.5)

    @property
    def league(self):
        return "perceptual"

    def build(self, backbone):
        return {"net": backbone.net(), "critic": backbone.critic()}

    def stages(self, images):
        return [Stage("train", images, {"net": ("net",), "critic": ("critic",)}, every={"net": self.every})]

    def supports(self, steps):
        return steps == 1

    def losses(self, models, batch, context):
        moves, x_1 = "net" in context.stage.trained, batch.x_1
        noise, data = x_1.new_zeros(len(x_1)), x_1.new_ones(len(x_1))
        v, critic = (conditioned(models[role], batch.condition) for role in ("net", "critic"))
        with torch.set_grad_enabled(moves):
            x_g = jump(v, self.interpolant.base_scale * context.noise(x_1), noise, data)
        found = {"critic": Loss(told_apart(critic, x_1, x_g.detach(), data))}
        if moves:
            found["net"] = Loss(deceived(critic, x_g, data))
        return found
'''
BATCH, STEPS = 64, 20
STOP = 7  # a step after the generator's second and two before its third
SMALL = ["sweep=none", "sweep.name=both", f"budget.images={STEPS * BATCH}", f"budget.batch={BATCH}", "backbone.width=32",
         "backbone.depth=1", "evaluation.seeds=[0]", "evaluation.steps=[1,2]", "evaluation.count=64", "train.logs=2",
         "backend=debug"]


def written(folder: Path, name: str, edit: tuple[str, str] = ("", "")) -> str:
    """A folder with the method under a name of its own, which Python imports once."""
    (folder / "method").mkdir(parents=True)
    (folder / f"{name}_critic.py").write_text(METHOD.replace(*edit) if edit[0] else METHOD)
    (folder / "method" / f"{name}.yaml").write_text(f"name: {name}\ntarget: {name}_critic:Rival\nevery: 3\n")
    return f"plugins={folder}"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Where the method is, and an output folder that it was trained in beside flow matching."""
    folder = tmp_path_factory.mktemp("critic")
    plugins = written(folder / "mine", "rival")
    assert run.main([*SMALL, plugins, "method=rival,flow_matching", f"out={folder / 'out'}"]) == 0
    return plugins, folder / "out"


def folder_of(out: Path) -> Path:
    (found,) = (out / "runs").glob("rival-*")
    return found


def test_it_stands_in_its_league_with_every_row_of_its_critic_on_the_bill(calm: tuple[str, Path]) -> None:
    table = pd.read_csv(calm[1] / "sweeps" / "both" / "leaderboard.csv")
    first = table[table.metric == "fd_digits8"].drop_duplicates("method").set_index("method")
    assert dict(first.league[["rival", "flow_matching"]]) == {"rival": "perceptual", "flow_matching": "plain"}
    assert set(table[table.method == "rival"].steps) == {1}, "it is sampled in one step alone"
    took = STEPS // 3  # steps of the generator
    rows = BATCH * (STEPS + 2 * STEPS + took), BATCH * (2 * STEPS + 2 * took)
    record = asdict(read_run(folder_of(calm[1])))
    assert (record["forward_rows"], record["backward_rows"]) == rows
    assert first.compute["rival"] == rows[0] + 2 * rows[1] and first.compute["flow_matching"] == 3 * BATCH * STEPS
    assert first.params["rival"] == first.params["flow_matching"], "those that samples take"
    page = (calm[1] / "sweeps" / "both" / "leaderboard.md").read_text()
    assert page.index("; perceptual losses\n") < page.index("| rival |") < page.index("| flow_matching |")


def test_its_finished_run_is_sampled_from(calm: tuple[str, Path]) -> None:
    model = load(folder_of(calm[1]))
    samples = model.sample(8, steps=1, seed=0)
    assert samples.shape == (8, 1, 8, 8) and torch.equal(samples[:3], model.sample(3, steps=1, seed=0))


def test_the_command_stopped_between_two_steps_of_the_generator_goes_on_bitwise(
    calm: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*SMALL, calm[0], "method=rival", f"out={tmp_path}"]
    monkeypatch.setattr(dist, "PULSE", -1.0)  # looks after every step whether to stop
    monkeypatch.setattr(Step, "__call__", stopping(Step.__call__))
    assert run.main(command) == 130
    stopped = read_run(folder_of(tmp_path))
    assert (stopped.status, stopped.optimizer_steps) == ("interrupted", STOP)
    monkeypatch.undo()
    assert run.main(command) == 0
    whole, again = read_run(folder_of(calm[1])), read_run(folder_of(tmp_path))
    assert bits(folder_of(tmp_path)) == bits(folder_of(calm[1])) and again.forward_rows == whole.forward_rows


def stopping(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step after whose seventh somebody at the keyboard stops the command."""

    def stopped(self: Step, progress: Any) -> None:
        step(self, progress)
        if progress.step == STOP:
            signal.raise_signal(signal.SIGINT)

    return stopped


def test_it_keeps_the_contract(calm: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["method=rival", calm[0], "backbone.width=16", "backbone.depth=1", "budget.batch=16"]) == 0
    assert capsys.readouterr().out.count("  holds   ") == len(CHECKS)


WRONG: dict[str, tuple[tuple[str, str], str]] = {
    "league": (('"perceptual"', '"gan"'), "league='gan', none of plain, extra networks, perceptual"),
    "precise": (("cost=1.5", 'precision="fp16"'), "precision='fp16', none of float32, tf32, bf16"),
    "costly": (("cost=1.5", 'cost="1.5"'), "cost='1.5', not a positive number"),
    "ruled": (('"renoise"', '"noise"'), "rule='noise', none of hop, renoise; reaches='data', whose samples can only"),
    "grouped": (("cost=1.5", "group=0"), "group=0, not a number of samples"),
    "paced": (('every={"net"', 'every={"nets"'), "stages or supports cannot be read: ValueError: stage train takes 'nets'"),
    "resting": (("net\": self.every", "net\": 3, \"critic\": 2"), "ValueError: stage train takes no loss in its first step"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_it_says_of_itself_wrongly_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit, said = WRONG[name]
    asked = [written(tmp_path / "mine", name, edit), f"method={name}"]
    for command in (run.main, check.main):
        assert command([*asked, *([*SMALL, f"out={tmp_path}"] if command is run.main else [])]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: method={name}: ") and said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
