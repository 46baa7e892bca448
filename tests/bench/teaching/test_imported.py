"""Teachers of others: a file's network gives the velocity it was trained for, is known by its content and runs nothing."""

import math
import os
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from foreign_nets import Part, denoised, edm, edm2, modules, snapshot
from torch import Tensor

from bench import run
from bench.config import ConfigError, Experiment, recorded_experiment, request
from bench.job import execute
from bench.nets import factory
from bench.planning import Campaign, jobs
from bench.scoring import load
from bench.teaching import imported
from methods.tools import Linear, Trigonometric, convert_point, convert_velocity, derivative
from results.records import read_run
from sweeps.plan import Job

CPU = torch.device("cpu")
DIGITS = ["sweep=none", "data=digits", "budget.images=128", "budget.batch=32", "evaluation.seeds=[0]", "evaluation.steps=[1]",
          "evaluation.count=32", "evaluation.batch=32", "evaluation.chunk=32", "backend.workers=0"]
SMALL = ["backbone.channels=64", "backbone.multipliers=[1,2]", "backbone.blocks=1", "backbone.attention=[4]",
         "backbone.dropout=0"]
EDM2 = ["backbone=edm2", "backbone.published=true", "backbone.data_scale=1.0"]
POINTS = ["sweep=none", "data=gaussian", "budget.images=2560", "budget.batch=128", "backbone.width=16", "backbone.depth=1",
          "evaluation.seeds=[0]", "evaluation.steps=[1]", "evaluation.count=200", "backend.workers=0"]


def of(name: str, *more: str) -> list[str]:
    return [*DIGITS, *(EDM2 if name == "edm2" else [f"backbone={name}"]), *SMALL, *more]


def network(name: str, **options: Any) -> Part:
    torch.manual_seed(7)
    return edm2(colours=1, **options) if name == "edm2" else edm(name, colours=1, **options)


def student(*arguments: str) -> Job:
    return jobs(request(list(arguments)).experiments)[-1]


def teacher(experiment: Experiment, file: Path) -> imported.Teacher:
    """As a run has it, for networks that no evaluation takes yet too."""
    named = experiment.changed({"teacher.import": str(file), "teacher.imported": imported._name(
        experiment.changed({"teacher.import": str(file)}))})
    return imported.load(named, (1, 8, 8), CPU)


def probed(seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x, s) where a network was trained: between its noise levels."""
    s = torch.tensor([0.0125, 0.1, 0.35, 0.7, 0.98], dtype=torch.float64)
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), s


def velocity(net: Part, x: Tensor, s: Tensor, condition: Tensor | None = None) -> Tensor:
    """b_s(x) of the foreign denoiser: the clock's sigma = (1 - s) / s at y = x / s, along the ends that it predicts."""
    at = s[:, None, None, None]
    with torch.no_grad():
        data = denoised(net.double(), x / at, (1 - s) / s, condition)
    return data - (x - at * data) / (1 - at)


@pytest.mark.parametrize(
    ("name", "classes", "augment", "clock"),
    [("ddpmpp", 0, 0, "linear"), ("ddpmpp", 3, 9, "linear"), ("ncsnpp", 0, 9, "linear"), ("adm", 0, 0, "trigonometric"),
     ("adm", 3, 2, "linear"), ("edm2", 0, 0, "trigonometric"), ("edm2", 3, 0, "linear")],
)
def test_the_velocity_is_the_foreign_denoisers(tmp_path: Path, name: str, classes: int, augment: int, clock: str) -> None:
    net = network(name, classes=classes, sigma_data=0.4, **({"augment": augment} if augment else {}))
    told = {"backbone.classes": classes, **({"backbone.augment": augment} if augment else {})}
    experiment = request(of(name, "method=cd", f"interpolant.name={clock}")).experiments[0].changed(told)
    b = teacher(experiment, snapshot(tmp_path / "net.pkl", net))
    b.net.double()
    x, s = probed()
    condition = None
    if classes or augment:
        hot = torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1, 0]][:, :classes]
        condition = torch.cat([hot, probed(3)[0].flatten(1)[:, :augment]], 1)
    wanted = velocity(net, x, s, condition)
    if clock == "trigonometric":
        wanted = convert_velocity(wanted, x, s, Linear(), Trigonometric())
        x, s = convert_point(x, s, Linear(), Trigonometric())
    if name == "edm2" and condition is not None:
        condition = torch.tensor([0, 2, 1, 1, 0])
    torch.testing.assert_close(b.velocity(x, s, condition), wanted, rtol=1e-6, atol=1e-6)  # of float32's frequencies
    if classes and name != "edm2":
        torch.testing.assert_close(b.velocity(x, s, None), velocity(net, *probed()), rtol=1e-6, atol=1e-6)


def test_the_ends_of_the_clock_are_finite_and_the_second_time_starts_at_zero(tmp_path: Path) -> None:
    for name in ("adm", "edm2"):
        experiment = request(of(name, "method=cd")).experiments[0]
        net = teacher(experiment, snapshot(tmp_path / f"{name}.pkl", network(name))).net
        x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        s, t = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.3, 0.9, 1.0])
        assert net(x, s, t).isfinite().all() and torch.equal(net(x, s, s), net(x, s, t))
        assert derivative(net, x, s, t, dx=x, ds=1.0, dt=1.0)[1].isfinite().all()


@pytest.mark.parametrize(("name", "method"), [("ddpmpp", "cd"), ("edm2", "lmd")])
def test_a_student_distils_from_it_and_its_bill_says_what_is_not_known(tmp_path: Path, name: str, method: str) -> None:
    net = network(name, sigma_data=0.4, channels=16)
    file = snapshot(tmp_path / "net.pkl", net)
    small = ("backbone.channels=16", f"backbone.attention={[4] if name == 'ddpmpp' else []}".replace(" ", ""))
    command = of(name, *small, f"method={method}", f"teacher.import={file}", f"out={tmp_path / 'out'}", "train.lr=1e-30")
    assert run.main(command) == 0
    (folder,) = (tmp_path / "out" / "runs").glob(f"{method}-*")
    record = read_run(folder)
    assert record.status == "done" and record.teacher_images is None and math.isnan(record.teacher_seconds)
    assert record.teacher == student(*command).config["teacher"]["imported"] == record.parents["teacher"]
    (file,) = (tmp_path / "out" / "sweeps").glob("*/leaderboard.md")
    (line,) = [line for line in file.read_text().splitlines() if line.startswith(f"| {method} ")][:1]
    assert line.count("unknown") == 3 and "NaN" not in line, line
    table = pd.read_csv(file.with_suffix(".csv"))
    assert table[table["method"] == method]["teacher_images"].isna().all()
    if method == "cd":  # it starts from its teacher, and learned nothing: it samples by the same map
        x, s = (value.float() for value in probed())
        torch.testing.assert_close(load(folder).models["net"](x, s, s), velocity(net, *probed()).float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("made", ["flow_matching", "edm"])
@pytest.mark.parametrize("kind", ["export", "checkpoint"])
def test_what_our_runs_leave_teaches_as_they_do(tmp_path: Path, made: str, kind: str) -> None:
    trained = student(*POINTS, f"method={made}")
    folder = tmp_path / trained.id
    assert execute(trained.config, str(folder), lambda message: False) == "done"
    model, file = load(folder), tmp_path / "exported.pt"
    model.export(file)
    if kind == "checkpoint":
        file = folder / "checkpoints" / model.checkpoint
    job = student(*POINTS, "method=lmd", f"teacher.method={made}", f"teacher.import={file}")
    assert job.parents == ()
    taught = imported.load(recorded_experiment(job.config), (2,), CPU)
    x, t = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 8)
    assert torch.equal(taught.velocity(x, t, None), model.models["net"](x, t, t))


def test_a_file_is_known_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    first, other = snapshot(tmp_path / "a.pkl", network("adm")), snapshot(tmp_path / "b.pkl", network("adm", sigma_data=0.4))
    moved = tmp_path / "moved.pkl"
    moved.write_bytes(first.read_bytes())
    ids = [student(*of("adm", "method=cd", f"teacher.import={file}")).id for file in (first, moved, other)]
    assert ids[0] == ids[1] != ids[2] and student(*of("adm", "method=cd")).id not in ids
    alone = student(*of("adm", "method=flow_matching"))
    assert student(*of("adm", "method=flow_matching", f"teacher.import={first}")).id == alone.id, "it learns from nobody"
    job = student(*of("adm", "method=cd", f"teacher.import={moved}"))
    moved.write_bytes(other.read_bytes())
    with pytest.raises(ConfigError, match=r"moved.pkl has changed since the run was planned"):
        imported.load(recorded_experiment(job.config), (1, 8, 8), CPU)


def test_a_plan_names_the_student_and_no_teacher(tmp_path: Path) -> None:
    file = snapshot(tmp_path / "net.pkl", network("adm"))
    plan = Campaign.of(request(of("adm", "method=cd", f"teacher.import={file}", f"out={tmp_path}")), preview=True)
    text = plan.text(1)
    assert [job.label for job in plan.plan.jobs if job.kind == "method"] == ["cd"] and "flow_matching" not in text


class _Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder / "ran"),)


def _bad(folder: Path, kind: str) -> Path:
    """A file with one fault."""
    file = folder / "bad.pkl"
    if kind == "executes":
        return snapshot(file, network("adm"), more=_Evil(folder))
    if kind == "executes inside":
        net = network("adm")
        net.model.out_conv.weight_decay = _Evil(folder)
        return snapshot(file, net)
    if kind == "executes, saved by torch":
        torch.save({"net": _Evil(folder)}, file)
    elif kind == "truncated":
        file.write_bytes(snapshot(file, network("adm")).read_bytes()[:-5000])
    elif kind == "truncated, saved by torch":
        torch.save({"net": torch.randn(9)}, file)
        file.write_bytes(file.read_bytes()[:-50])
    elif kind == "executes, saved by an old torch":
        torch.save({"net": _Evil(folder)}, file, _use_new_zipfile_serialization=False)
    elif kind == "a whole network":
        torch.save(torch.nn.Linear(2, 2), file)
    elif kind == "another network of ours":
        torch.save({"net.first.weight": torch.ones(3, 4)}, file)
    elif kind == "another width of ours":
        exported = factory(request(of("adm", "method=flow_matching", "backbone.channels=32")).experiments[0], (1, 8, 8))
        torch.save(exported.net().state_dict(), file)
    elif kind == "a folder":
        file.mkdir()
    elif kind == "empty":
        file.touch()
    elif kind == "text":
        file.write_text("not a network")
    elif kind == "another dictionary":
        torch.save({"optimizer": {}, "step": 3}, file)
    elif kind == "another preconditioning":
        net = network("adm")
        net.kind = "VPPrecond"
        return snapshot(file, net)
    elif kind == "another balance":
        net = network("edm2")
        net.unet.enc["8x8_block0"].res_balance = 0.5
        return snapshot(file, net)
    elif kind == "wide":
        return snapshot(file, network("adm", channels=128))
    elif kind == "deep":
        return snapshot(file, network("adm", blocks=2))
    elif kind == "filters":
        net = network("ddpmpp")
        for part in net.modules():
            if getattr(part, "resample_filter", None) is not None:
                part.resample_filter = torch.ones(1, 1, 4, 4) / 16
        return snapshot(file, net)
    elif kind == "heads":
        net = network("adm")
        net.model.enc["4x4_block0"].num_heads = 1
        return snapshot(file, net)
    elif kind == "colours":
        return snapshot(file, edm("adm"))
    elif kind == "whole":
        return snapshot(file, network("adm"))
    return file


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("missing", of("adm", "method=cd"), ["bad.pkl does not exist"]),
        ("executes", of("adm", "method=cd"), ["bad.pkl asks for posix.mkdir", "do not trust this file"]),
        ("executes inside", of("adm", "method=cd"), ["bad.pkl asks for posix.mkdir"]),
        ("executes, saved by torch", of("adm", "method=cd"), ["bad.pkl asks for posix.mkdir"]),
        ("executes, saved by an old torch", of("adm", "method=cd"), ["before 2020", "save its state_dict()"]),
        ("a whole network", of("adm", "method=cd"), ["asks for torch.nn.modules.linear.Linear", "state_dict()"]),
        ("another network of ours", of("adm", "method=cd"), ["its net.first.weight, (3, 4), has no place"]),
        ("another width of ours", of("adm", "method=cd"), ["is (16,), and", "backbone=adm is (32,): set the"]),
        ("a folder", of("adm", "method=cd"), ["bad.pkl is a folder", "name the file in it"]),
        ("empty", of("adm", "method=cd"), ["bad.pkl is no pickle, or a damaged one", "fetch it again"]),
        ("truncated", of("adm", "method=cd"), ["bad.pkl is no pickle, or a damaged one", "fetch it again"]),
        ("truncated, saved by torch", of("adm", "method=cd"), ["bad.pkl is damaged", "fetch it again"]),
        ("text", of("adm", "method=cd"), ["bad.pkl is no pickle"]),
        ("another dictionary", of("adm", "method=cd"), ["unknown layout (optimizer, step)", "EDM and EDM2"]),
        ("another preconditioning", of("adm", "method=cd"), ["unknown layout (DhariwalUNet in VPPrecond)"]),
        ("another balance", of("edm2", "method=cd"), ["res_balance=0.5 and not 0.3"]),
        ("wide", of("adm", "method=cd"), ["its map_layer0.weight is (512, 128)", "net.time.first.weight", "(256, 64)"]),
        ("deep", of("adm", "method=cd"), ["its enc.4x4_", "encoder."]),
        ("filters", of("ddpmpp", "method=cd"), ["4 taps", "set it to binomial"]),
        ("heads", of("adm", "method=cd"), ["has 1 heads", "has 2"]),
        ("colours", of("adm", "method=cd"), ["makes images (3, 8, 8)", "data=digits are (1, 8, 8)"]),
        ("whole", of("ddpmpp", "method=cd"), ["network of backbone=adm", "this is backbone=ddpmpp"]),
        ("whole", of("adm", "method=lsd"), ["lsd learns from a teacher", "no"]),
        ("whole", of("adm", "method=cd", "teacher.method=exact"), ["give one of the two"]),
        ("whole", of("adm", "method=cd", "teacher.preset=edm"), ["teacher.preset=edm trains another teacher"]),
    ],
)
def test_a_file_that_cannot_teach_is_refused_in_one_line(
    tmp_path: Path, kind: str, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = _bad(tmp_path, kind), tmp_path / "out"
    assert run.main([*arguments, f"teacher.import={file}", f"out={out}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: teacher.import={file}") and len(line) < 400 + len(str(file))
    assert [word for word in words if word not in line] == [], line
    assert not (tmp_path / "ran").exists() and not out.exists()


def test_such_a_pickle_would_have_run(tmp_path: Path) -> None:
    """The proof that the refusals above refuse something."""
    file = _bad(tmp_path, "executes")
    with modules(), open(file, "rb") as opened:
        pickle.load(opened)
    assert (tmp_path / "ran").exists()
