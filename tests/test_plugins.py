"""Adding a method is one Python file and one YAML: it runs in a sweep, and its finished run can be sampled from."""

import textwrap
from pathlib import Path

import pytest
import torch

from bench import run
from bench.model import load

METHOD = '''
from dataclasses import dataclass

from methods.base import Loss, Needs
from methods.flow_matching import FlowMatching, velocity_loss


@dataclass(frozen=True)
class Late(FlowMatching):
    """Flow matching on late times only."""

    earliest: float = 0.5

    @property
    def needs(self):
        return Needs(truth="C")

    def losses(self, models, batch, context):
        x_0 = self.interpolant.base_scale * context.noise(batch.x_1)
        t = self.earliest + (1 - self.earliest) * context.draws.uniform("t")
        v = lambda x, s, t: models["net"](x, s, t)
        return {"net": Loss(velocity_loss(v, self.interpolant, x_0, batch.x_1, t))}
'''
YAML = """
name: late
target: late_method:Late
earliest: 0.5
solver: euler
"""
SMALL = ["sweep=none", "budget.images=2560", "backbone.width=32", "backbone.depth=1", "evaluation.seeds=[0]",
         "evaluation.steps=[1,2]", "evaluation.count=64"]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "method").mkdir(parents=True)
    (folder / "late_method.py").write_text(textwrap.dedent(METHOD))
    (folder / "method" / "late.yaml").write_text(YAML)
    return folder


def test_a_method_from_a_folder_runs_in_a_sweep_beside_the_shipped_ones(plugins: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [*SMALL, f"plugins={plugins}", "method=late,flow_matching", "seed=0,1", f"out={out}"]
    assert run.main(command) == 0
    table = (out / "sweeps" / "none" / "leaderboard.csv").read_text()
    assert "\nlate," in table and "\nflow_matching," in table
    (folder,) = [f for f in (out / "runs").glob("late-*") if "-s0-" in f.name]
    model = load(folder)
    samples = model.sample(10, steps=2, seed=0)
    assert samples.shape == (10, 1, 8, 8)
    assert torch.equal(samples[:3], model.sample(3, steps=2, seed=0))


def test_its_knobs_are_checked_like_those_of_shipped_methods(plugins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([*SMALL, f"plugins={plugins}", "method=late", "method.earlyest=0.1"]) == 2
    assert "earliest" in capsys.readouterr().err
