"""The choice of teachers: planned before their students, part of their identity, on their bill, and their parametrisation."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from oracle import on_clock

from bench import run
from bench.config import ConfigError, recorded_experiment, request
from bench.job import _Run, execute
from bench.planning.jobs import jobs
from bench.scoring.model import load, load_teacher
from methods.tools.preconditioning import Preconditioned
from results.records.store import read_run
from sweeps.plan.jobs import Job

SMALL = ["sweep=none", "data=gaussian", "budget.images=2560", "budget.batch=128", "backbone.width=16",
         "backbone.depth=1", "evaluation.seeds=[0]", "evaluation.steps=[1,4]", "evaluation.count=200", "backend.workers=0"]
METHOD = '''
from dataclasses import dataclass
from typing import Any, ClassVar

from methods.base import Loss, Method, Needs
from methods.tools.shapes import squared


@dataclass(frozen=True)
class Guided(Method):
    """Regresses the diagonal on the teacher's velocity, led away from the weak one's."""

    scale: float = 2.0
    seen: ClassVar[list[Any]] = []

    @property
    def needs(self):
        return Needs(teacher=True, weak_teacher=True)

    def losses(self, models, batch, context):
        t = context.draws.uniform("t")
        x = self.interpolant.point(self.interpolant.base_scale * context.noise(batch.x_1), batch.x_1, t)
        strong, weak = context.teach(x, t), context.teach_weakly(x, t)
        self.seen.append((x, t, strong, weak))
        return {"net": Loss(squared(models["net"](x, t, t) - weak - self.scale * (strong - weak)))}
'''


@pytest.fixture
def guided(tmp_path: Path) -> Iterator[str]:
    """A plug-in folder with a method that needs a weak teacher."""
    folder = tmp_path / "mine"
    (folder / "method").mkdir(parents=True)
    (folder / "guided_method.py").write_text(textwrap.dedent(METHOD))
    (folder / "method" / "guided.yaml").write_text("name: guided\ntarget: guided_method:Guided\nscale: 2.0\n")
    yield str(folder)
    sys.path.remove(str(folder))
    sys.modules.pop("guided_method", None)


def planned(*arguments: str) -> list[Job]:
    """The jobs without the reference rows."""
    return [job for job in jobs(request([*SMALL, *arguments]).experiments) if job.kind != "reference"]


def identity(*arguments: str) -> str:
    """Of the last row."""
    return planned(*arguments)[-1].id


def test_flow_matching_teaches_unless_another_is_chosen() -> None:
    (teacher, student) = planned("method=lmd")
    assert teacher.id.startswith("flow_matching-") and student.parents == (teacher.id,)
    (teacher, student) = planned("method=lmd", "teacher.method=edm")
    assert teacher.id.startswith("edm-") and student.parents == (teacher.id,) and not teacher.listed


def test_the_teacher_is_the_row_of_its_method() -> None:
    made = planned("method=edm,cd,lmd", "teacher.method=edm", "method.sigma_data=1.5")
    (row,) = {job.id for job in made if job.label == "edm"}
    assert {job.parents for job in made if job.listed and job.label != "edm"} == {(row,)}
    assert {job.config["teacher"]["made_by"]["sigma_data"] for job in made if job.listed and job.label != "edm"} == {1.5}


def test_the_teacher_is_part_of_its_students_identity_and_of_nobody_elses() -> None:
    assert identity("method=lmd", "teacher.method=flow_matching", "teacher.weak_share=0.5") == identity("method=lmd")
    assert identity("method=lmd", "teacher.method=edm") != identity("method=lmd")
    for method in ("psd_m", "flow_matching"):
        assert identity(f"method={method}", "teacher.method=edm") == identity(f"method={method}")
    chosen = ("method=edm,lmd", "teacher.method=edm")
    assert identity(*chosen) != identity(*chosen, "method.sigma_data=1.0"), "another teacher of the same method"


def test_a_choice_of_teachers_can_be_an_axis() -> None:
    labels = [job.label for job in planned("method=lmd", "teacher.method=flow_matching,edm") if job.listed]
    assert labels == ["lmd teacher.method=flow_matching", "lmd teacher.method=edm"]


def test_a_weak_teacher_is_the_same_method_on_a_share_of_the_budget(guided: str) -> None:
    use = ("method=guided", f"plugins={guided}")
    teacher, weak, student = planned(*use, "teacher.method=edm", "teacher.seed=5")
    assert student.parents == (teacher.id, weak.id)
    assert (teacher.config["budget"]["images"], weak.config["budget"]["images"]) == (2560, 640)
    assert weak.config["method"] == teacher.config["method"] and weak.config["seed"] == teacher.config["seed"] == 5
    assert weak.cost == teacher.cost / 4 and not weak.listed
    assert len({identity(*use), identity(*use, "teacher.weak_share=0.5"), identity(*use, "teacher.method=edm")}) == 3


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["method=lmd", "teacher.method=edn"], ["teacher.method=edn", "nearest: edm", "flow_matching"]),
        (["method=lmd", "teacher.method=lsd"], ["teacher.method=lsd", "Valid: edm, exact, flow_matching"]),
        (["method=lmd", "teacher.methd=edm"], ["teacher.methd", "teacher.method"]),
        (["method=lmd", "teacher.weak_share=0"], ["teacher.weak_share", "above 0 and below 1"]),
        (["method=lmd", "teacher.weak_share=1"], ["teacher.weak_share", "above 0 and below 1"]),
        (["method=lmd", "teacher.weak_share=much"], ["teacher.weak_share"]),
        (["method=edm", "method.sigma_data=0"], ["method.sigma_data", "above 0"]),
        (["method=edm", "method.solver=huen"], ["method.solver", "heun"]),
    ],
)
def test_an_impossible_teacher_is_named_before_anything_starts(arguments: list[str], names: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        planned(*arguments)
    for name in names:
        assert name in str(error.value)


def test_a_weak_teacher_of_less_than_a_batch_is_refused_with_the_least_share(guided: str) -> None:
    use = ("method=guided", f"plugins={guided}")
    with pytest.raises(ConfigError, match=r"teacher.weak_share=0.01.* at least 0.05"):
        planned(*use, "teacher.weak_share=0.01")
    assert len(planned(*use, "teacher.weak_share=0.05")) == 3
    assert len(planned("method=lmd", "teacher.weak_share=0.01")) == 2, "nobody needs it"


def test_a_method_of_the_users_can_teach(guided: str) -> None:
    folder = Path(guided)
    text = "from methods.flow_matching import FlowMatching\n\n\nclass Mine(FlowMatching):\n    pass\n"
    (folder / "mine_method.py").write_text(text)
    (folder / "method" / "mine.yaml").write_text("name: mine\ntarget: mine_method:Mine\n")
    (folder / "method" / "broken.yaml").write_text("name: broken\ntarget: nowhere:Broken\n")
    teacher, _ = planned("method=lmd", f"plugins={guided}", "teacher.method=mine")
    assert teacher.id.startswith("mine-")
    with pytest.raises(ConfigError, match="Valid: edm, exact, flow_matching, mine"):
        planned("method=lmd", f"plugins={guided}", "teacher.method=guided")


def test_students_of_edm_are_trained_loaded_and_sampled_with_its_parametrisation(tmp_path: Path) -> None:
    command = [*SMALL, "method=edm,cd,pfmm,psd_m", "method.doublings=1", "teacher.method=edm", "evaluation.solvers=[euler]"]
    assert run.main([*command, f"out={tmp_path}"]) == 0
    (file,) = (tmp_path / "sweeps").glob("*/leaderboard.csv")
    table = pd.read_csv(file)
    table = table[table["metric"] == "kl"]
    assert (table["status"].dropna() == "done").all()
    rows = table[table["steps"] == 4].set_index("sampler")
    assert rows["nfe"][["hop:heun", "hop:euler"]].tolist() == [7, 4], "Heun's last step is Euler's"
    for name in ("edm", "cd", "pfmm", "psd_m"):
        (folder,) = (tmp_path / "runs").glob(f"{name}-*")
        model = load(folder)
        parametrised = [isinstance(module, Preconditioned) for module in model.models.values()]
        assert parametrised == [name != "psd_m"] * len(parametrised), "a method without a teacher keeps its own network"
        assert model.sample(5, steps=2).isfinite().all()


def test_a_student_begins_as_its_teacher(tmp_path: Path) -> None:
    """With a learning rate of nothing it also ends so."""
    for job in planned("method=cd", "teacher.method=edm"):
        job.config["train"]["lr"] = 1e-3 if job.id.startswith("edm") else 1e-30
        assert execute(job.config, str(tmp_path / job.id), lambda m: False) == "done"
    student, teacher = (load(next(tmp_path.glob(f"{name}-*"))).models["net"] for name in ("cd", "edm"))
    x, t = torch.randn((32, 2), generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 32)
    assert torch.equal(student(x, t, t), teacher(x, t, t))
    assert (student(x, t, t) - Preconditioned(lambda *a, **k: 0, teacher.interpolant, 0.5)(x, t, t)).abs().max() > 0.02


def test_both_teachers_are_handed_in_and_on_the_bill(guided: str, tmp_path: Path) -> None:
    teacher, weak, student = planned("method=guided", f"plugins={guided}")
    for job in (teacher, weak, student):
        assert execute(job.config, str(tmp_path / job.id), lambda m: False) == "done"
    x, t, from_strong, from_weak = sys.modules["guided_method"].Guided.seen[-1]
    nets = [load(tmp_path / job.id).models["net"] for job in (teacher, weak)]
    torch.testing.assert_close(from_strong, nets[0](x, t, t))
    torch.testing.assert_close(from_weak, nets[1](x, t, t))
    assert (from_strong - from_weak).abs().max() > 1e-3
    records = {job.id: read_run(tmp_path / job.id) for job in (teacher, weak, student)}
    paid = records[student.id]
    assert paid.teacher == teacher.id and paid.teacher_images == 2560 + 640
    assert paid.teacher_seconds == pytest.approx(records[teacher.id].train_seconds + records[weak.id].train_seconds)
    assert load(tmp_path / student.id).sample(3).shape == (3, 2)


EXACT = ["data=gaussian", "teacher.method=exact"]


def test_the_exact_velocity_teaches_without_a_parent_and_is_another_run() -> None:
    exact, trained = (jobs(request([*SMALL, "method=lmd", f"teacher.method={m}"]).experiments)
                      for m in ("exact", "flow_matching"))
    assert exact[-1].parents == () and len(trained[-1].parents) == 1
    assert exact[-1].id != trained[-1].id


@pytest.mark.parametrize("clock", ["linear", "trigonometric"])
def test_a_student_of_the_exact_velocity_is_handed_the_truth_on_its_clock(tmp_path: Path, clock: str) -> None:
    job = jobs(request([*SMALL, *EXACT, "method=emd", f"interpolant.name={clock}"]).experiments)[-1]
    made = _Run(recorded_experiment(job.config), tmp_path / job.id, lambda message: False)
    b, path = made.teaching.velocity(), made.experiment.method.interpolant
    assert b is not None
    truth = on_clock(made.data.truth, path)
    t = torch.linspace(0, 1, 50, dtype=torch.float64)
    x = torch.randn((50, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(b(x, t, None), truth.velocity(x, t) if clock == "linear" else truth.average_velocity(x, t, t))
    assert made.execute() == "done"
    assert read_run(tmp_path / job.id).teacher_images == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["data=digits", "method=lmd"], ["digits", "mixture"]), (["data=gaussian", "method=cd"], ["initialise=false"]),
     (["data=gaussian", "method=dsno", "method.initialise=false"], ["run it ahead"])],
)
def test_the_exact_velocity_is_refused_where_it_cannot_teach(arguments: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        jobs(request(["sweep=none", *arguments, "teacher.method=exact"]).experiments)
    for word in ("teacher.method=exact", *words):
        assert word in str(error.value)


def test_a_student_without_its_teachers_weights_may_learn_from_the_exact_velocity() -> None:
    assert jobs(request([*SMALL, *EXACT, "method=cd", "method.initialise=false"]).experiments)[-1].parents == ()


def test_a_teacher_teaches_with_its_first_average_however_it_is_evaluated(tmp_path: Path) -> None:
    command = [*SMALL, "data=gaussian", "method=flow_matching", "train.ema=[0.9,0.5]", "evaluation.ema=0.5"]
    job = jobs(request(command).experiments)[-1]
    execute(job.config, str(tmp_path / job.id), lambda message: False)
    first = load(tmp_path / job.id, ema=0.9).models["net"].state_dict()
    taught = load_teacher(tmp_path / job.id, torch.device("cpu")).net.state_dict()
    assert all(torch.equal(first[k], taught[k]) for k in first)
