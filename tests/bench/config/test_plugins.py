"""Adding a method is one Python file and one YAML: it runs in a sweep, and its finished run can be sampled from."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from places import ROOT

from bench import run
from bench.config import request
from bench.planning import backends
from bench.planning.jobs import jobs
from bench.scoring.model import load
from results.records.store import write_json
from sweeps.engine import snapshot
from sweeps.engine.seam import SweepError

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
    (file,) = (out / "sweeps").glob("none-*/leaderboard.csv")
    table = file.read_text()
    assert "\nlate," in table and "\nflow_matching," in table
    (folder,) = [f for f in (out / "runs").glob("late-*") if "-s0-" in f.name]
    model = load(folder)
    samples = model.sample(10, steps=2, seed=0)
    assert samples.shape == (10, 1, 8, 8)
    assert torch.equal(samples[:3], model.sample(3, steps=2, seed=0))


def test_its_knobs_are_checked_like_those_of_shipped_methods(plugins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([*SMALL, f"plugins={plugins}", "method=late", "method.earlyest=0.1"]) == 2
    assert "earliest" in capsys.readouterr().err


SWEEP = """# @package _global_
sweep:
  name: two
  axes: {method: [flow_matching, late], seed: [0]}
"""


@pytest.mark.parametrize("words", [
    ["sweep=none", "method=late", "method.latest=0.5"],
    ["sweep=none", "method=flow_matching,late", "method.latest=0.5,0.7"],
    ["sweep=two", "method.latest=0.5"],
    ["sweep=none", "method=late", "method.eta=0.5"],  # a knob of others, whose files list it
    ["sweep=knobs"],
])  # fmt: skip
def test_a_knob_that_its_yaml_leaves_out_is_told_as_one(
    plugins: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    knob = "eta" if "method.eta=0.5" in words else "latest"
    code = textwrap.dedent(METHOD).replace("earliest: float = 0.5", f"earliest: float = 0.5\n    {knob}: float = 0.9")
    (plugins / f"late_{knob}.py").write_text(code)
    (plugins / "method" / "late.yaml").write_text(YAML.replace("late_method", f"late_{knob}"))
    (plugins / "sweep").mkdir()
    (plugins / "sweep" / "two.yaml").write_text(SWEEP)
    (plugins / "sweep" / "knobs.yaml").write_text(SWEEP.replace("two", "knobs") + "  knobs: {late: {latest: 0.5}}\n")
    assert run.main([*words, f"plugins={plugins}", "plan=true"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    where = words[-1] if knob in words[-1] else "sweep.knobs.late.latest"
    assert said == (f"error: {where}: method=late has a knob {knob}, but its file does not list it; add the line "
                    f"`{knob}: 0.9` to {plugins / 'method' / 'late.yaml'}")


@pytest.mark.parametrize("module", ["inspect", "sys", "numpy", "methods.edm"])
def test_a_file_that_python_has_another_of_is_refused(plugins: Path, capsys: pytest.CaptureFixture[str], module: str) -> None:
    mine = plugins / f"{module.replace('.', '/')}.py"
    mine.parent.mkdir(exist_ok=True)
    (plugins / "late_method.py").rename(mine)
    (plugins / "method" / "late.yaml").write_text(YAML.replace("late_method", module))
    assert run.main([*SMALL, f"plugins={plugins}", "method=late", "plan=true"]) == 2
    said = capsys.readouterr().err
    assert f"method.target={module}:Late is " in said and f"and not {mine}: give your file another name" in said


def test_a_run_that_fails_names_the_file_with_its_traceback(
    plugins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "late_failing"
    (plugins / f"{name}.py").write_text(textwrap.dedent(METHOD).replace("self.earliest +", "self.latest +"))
    (plugins / "method" / "late.yaml").write_text(YAML.replace("late_method", name))
    out = tmp_path / "out"
    assert run.main([*SMALL, f"plugins={plugins}", "method=late", f"out={out}"]) == 1
    (file,) = (out / "runs").glob("late-*/error.txt")
    assert f"AttributeError: 'Late' object has no attribute 'latest' (more in {file})" in capsys.readouterr().err
    assert f"{name}.py" in file.read_text(encoding="utf-8")


def test_a_cluster_s_jobs_import_the_folder_as_it_was_when_they_were_submitted(plugins: Path, tmp_path: Path) -> None:
    out = plugins / "outputs"  # it is not copied with the folder that it is in
    (out / "runs").mkdir(parents=True)
    (plugins / ".git").mkdir()
    (plugins / ".git" / "config").touch()
    wanted = request([*SMALL, f"plugins={plugins}", "method=late", "backend=slurm", f"out={out}"])
    kept = backends.keep_plugins(wanted.experiments, str(plugins), out)
    (job,) = [job for job in jobs(kept) if job.listed]
    (copy,) = (out / "plugins").iterdir()
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*.*")) == ["late_method.py", "method/late.yaml"]

    (plugins / "late_method.py").write_text("raise SystemExit('the edits of tomorrow')")
    write_json(out / "runs" / job.id / "job.json", {"config": job.config, "attempt": 1, "tag": "t"})
    done = subprocess.run([sys.executable, "-m", "sweeps.backends.attempt", "bench.job:execute",
                           str(out / "runs" / job.id), "1"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert load(out / "runs" / job.id).sample(3, steps=1, seed=0).shape == (3, 1, 8, 8)


def test_a_folder_with_more_than_code_is_not_copied(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST", 100)
    with pytest.raises(SweepError, match="a folder of their own"):
        backends.keep_plugins([], str(plugins), tmp_path / "out")


def test_a_copy_of_code_passes_over_links_to_nowhere_and_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    empty = snapshot.take_folder(tmp_path / "code", tmp_path / "out" / "plugins")
    assert empty.is_dir() and not list(empty.iterdir())
    (tmp_path / "code" / "a.py").write_text("")
    (tmp_path / "code" / "#a.py").symlink_to("somebody@somewhere.1")  # as an editor marks a file that is being changed
    copy = snapshot.take_folder(tmp_path / "code", tmp_path / "out" / "plugins")
    assert [path.name for path in copy.iterdir()] == ["a.py"]
