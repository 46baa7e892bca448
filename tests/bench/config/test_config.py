"""The command line: what it says wins, wrong names are named with their neighbours, YAML and classes agree."""

import dataclasses
import importlib
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from bench.config import Experiment, Local, Slurm, command, request
from bench.config import compose as config
from bench.config.errors import ConfigError
from bench.planning import backends
from bench.planning.jobs import jobs
from sweeps.plan.jobs import Plan

METHODS = config.names("method")


def plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"target": f"{type(value).__module__}:{type(value).__name__}", **fields}
    return value


def at_home(value: Any) -> Any:
    """With every knob's target where its class is defined: one that moved keeps its old address, and runs their identity."""
    if not isinstance(value, dict):
        return value
    if "target" in value:
        module, _, name = value["target"].partition(":")
        cls = getattr(importlib.import_module(module), name)
        value = {**value, "target": f"{cls.__module__}:{cls.__name__}"}
    return {k: at_home(v) for k, v in value.items()}


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_yaml_lists_every_knob_at_its_papers_default(name: str) -> None:
    composed = config.section("method", name)
    (made,) = request([f"method={name}", "sweep=none"]).experiments
    method = made.method
    assert composed["name"] == made.name == name
    target = composed["target"]
    default = dataclasses.replace(type(method)(), **({"uniform": True} if name == "psd_u" else {}))
    own = {field.name for field in dataclasses.fields(default) if field.init} - {"interpolant"}
    knobs = {k: list(v) if isinstance(v, tuple) else v for k, v in plain(default).items() if k in own}
    stated = {k: at_home(v) for k, v in composed.items() if k not in ("name", "target")}
    assert stated == knobs, target


def test_without_arguments_the_quickstart_runs_with_three_seeds() -> None:
    experiments = request([]).experiments
    assert request([]).sweep.name == "digits_quickstart"
    assert len(experiments) == 18
    assert {e.seed for e in experiments} == {0, 1, 2}


def test_the_command_line_narrows_and_overrides_a_sweep() -> None:
    experiments = request(["method=lsd", "seed=3", "budget.images=640", "backbone=unet_small"]).experiments
    assert [(e.name, e.seed, e.budget.images, e.backbone.name) for e in experiments] == [
        ("lsd", 3, 640, "unet")
    ]


def test_comma_lists_are_axes_and_knobs_reach_only_methods_that_have_them() -> None:
    experiments = request(["sweep=none", "method=lsd,psd_m,ect", "method.eta=0.5", "train.lr=1e-3,2e-3"]).experiments
    assert [e.label for e in experiments] == [
        f"{m} train.lr={lr}" for m in ("lsd", "psd_m", "ect") for lr in (0.001, 0.002)
    ]
    assert [getattr(e.method, "eta", None) for e in experiments] == [0.5] * 4 + [None] * 2


def test_a_knob_axis_labels_the_rows() -> None:
    experiments = request(["sweep=none", "method=lsd", "method.eta=0.25,0.75"]).experiments
    assert [e.label for e in experiments] == ["lsd eta=0.25", "lsd eta=0.75"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["method=lds"], ["method=lds", "lsd"]),
        (["sweep=digits_quickstrat"], ["sweep", "digits_quickstart"]),
        (["data=digit"], ["data=digit", "digits"]),
        (["train.lrr=1"], ["train.lrr", "train.lr"]),
        (["budget.image=1"], ["budget.image", "budget.images"]),
        (["method=lsd", "method.etaa=1"], ["etaa", "eta"]),
        (["method=ect", "method.eta=0.5"], ["eta"]),
        (["lsd"], ["key=value"]),
        (["seed=1", "train.optimizer=adm"], ["train.optimizer", "adam"]),
        (["method=lsd", "method.stop_gradient=convx"], ["method.stop_gradient", "convex"]),
        (["interpolant.name=lineal"], ["interpolant.name", "linear"]),
        (["budget.images=10"], ["budget.images", "budget.batch"]),
        (["method=imm", "budget.batch=126"], ["budget.batch", "4"]),
    ],
)
def test_a_wrong_name_or_value_is_named_with_its_neighbours(arguments: list[str], names: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        request(arguments)
    for name in names:
        assert name in str(error.value)


def test_a_sweep_composes_once_per_method_and_plans_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = config.composed
    for module in (config, command):
        monkeypatch.setattr(module, "composed", lambda *a, **k: calls.append(a) or original(*a, **k))
    seeds = ",".join(map(str, range(500)))
    experiments = request(["method=lsd,ect", f"seed={seeds}"]).experiments
    assert len(experiments) == 1000
    assert len(calls) <= 4


def test_every_yaml_ships_as_package_data() -> None:
    assert {p.stem for p in (Path(config.CONF) / "sweep").glob("*.yaml")} >= {
        "none", "digits_quickstart", "digits_all_methods", "cifar_all_methods"
    }


def test_ten_thousand_runs_are_planned_with_their_teachers() -> None:
    seeds = ",".join(map(str, range(2500)))
    plan = Plan(jobs(request(["method=lmd,cd,psd_m,ect", f"seed={seeds}"]).experiments))
    assert len(plan) == 12_501, "ten thousand runs, a teacher for each seed, and the reference rows"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["train.ema=0.999"], ["train.ema", "list"]),
        (["budget.images=abc"], ["budget.images", "number"]),
        (["train.lr=abc"], ["train.lr"]),
        (["backend.device=gpu"], ["backend.device", "cuda"]),
        (["method=progressive", "method.start=12"], ["start", "power of two"]),
        (["method=pfmm", "method.doublings=-1"], ["method.doublings", "at least 0"]),
        (["method=shortcut", "method.bootstrap=2"], ["method.bootstrap", "from 0 to 1"]),
        (["method=shortcut", "method.levels=0"], ["method.levels", "at least 1"]),
        (["method=dsno", "backbone=mlp_plain"], ["mlp_plain", "dsno", "unet"]),
        (["method=ctm", "method.denoising=0"], ["method.denoising", "method.balance=false"]),
        (["method=ect", "method.pairs.k=-8"], ["method.pairs", "k=-8"]),
        (["method=cd", "method.pairs.n=1"], ["method.pairs.n", "at least 2"]),
        (["interpolant.base_scale=0"], ["interpolant.base_scale", "above 0"]),
        (["method=imm", "method.particles=0"], ["particles"]),
        (["evaluation.seeds=0"], ["evaluation.seeds", "list"]),
        (["evaluation.chunk=0"], ["evaluation.chunk"]),
        (["evaluation.ema=0.5"], ["evaluation.ema", "0.999"]),
        (["evaluation.solvers=[huen]"], ["evaluation.solvers", "heun"]),
        (["backbone.classes=10"], ["backbone.classes"]),
        (["backbone.widht=10"], ["widht", "width"]),
        (["method=lsd", "method.stop_gradient=full"], ["method.stop_gradient", "convex"]),
        (["method=progressive", "train.ema=[0.999,0.9]", "evaluation.ema=0.9"], ["evaluation.ema", "train.ema"]),
    ],
)
def test_a_wrong_value_is_found_before_anything_starts(arguments: list[str], names: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        request(["sweep=none", *arguments])
    for name in names:
        assert name in str(error.value)


def test_what_cannot_change_a_weight_does_not_change_a_runs_identity() -> None:
    def identity(*arguments: str) -> str:
        return jobs(request(["sweep=none", "data=cifar10", "method=psd_m", *arguments]).experiments)[-1].id

    same = ["data.root=elsewhere", "data.download=true", "data.features=digits8", "out=x",
            "interpolant.base_scale=1", "budget.micro_batch=32", "evaluation.count=64", "train.logs=7", "backend.threads=2"]
    other = ["seed=1", "train.lr=1", "backbone.width=64", "method.eta=0.5", "interpolant.base_scale=0.5", "train.ema=[0.9]"]
    assert {identity(argument) for argument in same} == {identity()}
    assert len({identity(argument) for argument in [*other, "seed=0"]}) == 1 + len(other)


def test_a_teacher_is_the_flow_matching_row_also_with_knobs_of_the_command_line() -> None:
    made = jobs(request(["sweep=none", "method=flow_matching,lmd", "method.solver=heun"]).experiments)
    (row,) = [job for job in made if job.label == "flow_matching" and job.listed]
    (student,) = [job for job in made if job.label == "lmd"]
    assert student.parents == (row.id,)


def test_a_sweep_may_list_points_beside_its_axes_and_the_command_line_narrows_them_too() -> None:
    found = request(["sweep=ablation/stop_gradient"]).experiments
    assert len(found) == 21 and len({c.label for c in found}) == 7
    assert {c.seed for c in found} == {0, 1, 2}
    narrowed = request(["sweep=ablation/stop_gradient", "method=esd", "seed=1"]).experiments
    assert [c.label for c in narrowed] == [f"esd stop_gradient={p}" for p in ("none", "convex", "full", "detached")]
    assert [c.value("method.stop_gradient") for c in narrowed] == ["none", "convex", "full", "detached"]
    with pytest.raises(ConfigError, match=r"leaves none of its runs.*sweep\.also"):
        request(["sweep=ablation/stop_gradient", "method=cd"])


def test_the_papers_checkerboard_is_its_setting_in_full_and_has_a_size_for_two_cores() -> None:
    paper = request(["sweep=paper/checkerboard_self_distillation"])
    first = paper.experiments[0]
    assert first.value("budget") == {"images": 25_000_000_000, "batch": 100_000, "micro_batch": "auto"}
    assert (first.train.optimizer, first.train.lr, first.train.clip) == ("radam", 1e-3, 10.0)
    assert first.value("backbone.width") == 512 and first.value("data.count") == 10_000_000
    assert first.value("method.eta") == 0.75 and not first.value("method.learned_weight")
    small = request(["sweep=paper/checkerboard_self_distillation_cpu"])
    assert [c.label for c in small.experiments] == [c.label for c in paper.experiments]
    assert small.sweep.published == paper.sweep.published


def test_every_method_is_in_the_sweeps_of_all_methods() -> None:
    for sweep in ("digits", "mixture", "checkerboard", "cifar"):
        listed = config.composed([f"sweep={sweep}_all_methods"])["sweep"]["axes"]["method"]
        assert sorted(listed) == METHODS, sweep


def test_a_knob_of_a_listed_point_that_no_method_has_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    text = (config.CONF / "sweep" / "ablation" / "stop_gradient.yaml").read_text()
    (tmp_path / "sweep" / "typo.yaml").write_text(text.replace("method.stop_gradient: none", "method.stop_gradiant: none"))
    with pytest.raises(ConfigError, match=r"sweep\.also.*stop_gradiant"):
        request([f"plugins={tmp_path}", "sweep=typo"])


def own_sweep(folder: Path, text: str) -> list[Experiment]:
    (folder / "sweep").mkdir()
    (folder / "sweep" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    return request([f"plugins={folder}", "sweep=mine"]).experiments


def test_a_sweep_file_need_not_say_what_it_does_not_use(tmp_path: Path) -> None:
    made = own_sweep(tmp_path, "sweep: {name: mine, axes: {method: [lsd, ect], seed: [0, 1]}}")
    assert [(e.label, e.seed) for e in made] == [("lsd", 0), ("lsd", 1), ("ect", 0), ("ect", 1)]
    assert len(jobs(made)) >= 4


@pytest.mark.parametrize(("text", "named"), [
    ("sweep: {axes: {seed: [0]}}", r"sweep\.name"), ("train: {lr: 1e-3}", r"sweep\.name"),
    ("sweep: {name: mine, axes: {seed: [0]}, knobs: null}", r"sweep\.knobs=null must be a mapping"),
    ("sweep: {name: mine, axes: {seed: [0]}, onlly: {}}", r"sweep\.onlly is not valid; nearest: sweep\.only"),
    ("sweep: {name: mine, also: [{method: ect}, {method: [lsd, ect]}]}", r"sweep\.also\[1\]\.method=.*one value"),
    ("sweep: {name: mine, axes: [lsd]}", r"sweep\.axes=\[lsd\] must be a mapping"),
])  # fmt: skip
def test_a_sweep_file_without_what_it_needs_is_told(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        own_sweep(tmp_path, text)


def test_nested_knobs_reach_the_teacher_that_has_them() -> None:
    made = jobs(request(["sweep=none", "method=edm,cd", "teacher.method=edm", "method.levels.mean=-0.4"]).experiments)
    (row,) = [job for job in made if job.label == "edm" and job.listed]
    (student,) = [job for job in made if job.label == "cd"]
    assert student.parents == (row.id,) and row.config["method"]["levels"]["mean"] == -0.4


def test_points_that_the_command_line_makes_equal_are_one_row() -> None:
    made = Plan(jobs(request(["sweep=mixture_all_methods", "method=lmd", "seed=0", "teacher.method=exact"]).experiments))
    assert [job.label for job in made if job.listed] == ["lmd"]


def test_the_backend_is_chosen_by_name_and_does_not_change_a_run() -> None:
    local = request(["sweep=none", "backend.workers=2"])
    slurm = request(["sweep=none", "backend=slurm", "backend.partition=gpu", "backend.setup=['module load cuda']"])
    assert isinstance(local.backend, Local) and local.backend.workers == 2
    assert isinstance(slurm.backend, Slurm) and slurm.backend.partition == "gpu"
    assert backends.site(slurm.backend).setup == ["module load cuda"]
    assert [job.id for job in jobs(slurm.experiments)] == [job.id for job in jobs(local.experiments)]
    assert not {"detach", "plan", "out"} & set(jobs(slurm.experiments)[-1].config), "they are the command's, not the run's"
    assert backends.workers(request(["backend=debug"]).backend) == 0
    with pytest.raises(ConfigError, match=r"backend\.workers"):
        request(["backend=slurm", "backend.workers=2"])
    with pytest.raises(ConfigError, match=r"slurm.*Valid: debug, local, slurm"):
        request(["backend=slrm"])


@pytest.mark.parametrize(("argument", "says"), [
    ("backend.time=4:00", "minutes"), ("backend.nodes=0", "backend.nodes=0"), ("backend.setup=module", "list"),
    ("backend.sbatch=[exclusive]", "--exclusive"), ("backend.gpus=a100", "backend.gpus")])
def test_what_a_cluster_is_asked_for_is_checked_before_it_is_asked(argument: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        request(["backend=slurm", argument])


@pytest.mark.parametrize(("argument", "says"), [
    ("backend.workers=two", "backend.workers=two must be a whole number"), ("backend.workers=1.5", "backend.workers=1.5"),
    ("backend.attempts=x", "backend.attempts=x must be"), ("backend.threads=0", "backend.threads=0"),
    ("backend.max_gpu_hours=much", "backend.max_gpu_hours=much must be a number of GPU-hours, at least 0"),
    ("backend.quota_gb=0", "backend.quota_gb=0 must be a number of GB above 0")])
def test_settings_of_every_backend_are_checked_before_anything_starts(argument: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        request(["sweep=none", argument])
    assert backends.workers(request(["sweep=none", "backend.workers=2", "backend.max_gpu_hours=0"]).backend) == 2


@pytest.mark.parametrize(("arguments", "says"), [
    (["backend=slurm", "backend.partion=gpu"], r"backend\.partion is not valid; nearest: backend\.partition"),
    (["backend.partition=gpu"], r"backend\.partition belongs to backend=slurm"),
    (["data.path=pictures"], r"data\.path belongs to data=.*, arrays, .*folder, .*, and this is data=digits"),
    (["sweep=mine"], r"sweep=mine is not valid.*; one of your own needs plugins=FOLDER"),
    (["backend.workers=2", "backend=slurm"], r"backend\.workers belongs to backend=local")])
def test_a_key_of_a_backend_is_looked_for_among_those_of_backends(arguments: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        request(arguments)
    assert "method." not in str(error.value)


def test_a_method_whose_file_also_sets_something_else_is_composed_whole(tmp_path: Path) -> None:
    """Others are read from their files, beside the first of them: this one would lose what it says of the recipe."""
    (tmp_path / "method").mkdir()
    mine = "method: {name: mine, target: 'methods.self_distillation:LSD', eta: 0.5}"
    (tmp_path / "method" / "mine.yaml").write_text(f"# @package _global_\n{mine}\ntrain: {{lr: 0.125}}\n")
    found = request(["sweep=none", "method=ect,mine,lsd", f"plugins={tmp_path}"]).experiments
    assert [(each.name, each.train.lr) for each in found] == [("ect", 0.002), ("mine", 0.125), ("lsd", 0.002)]


def test_experiments_are_frozen_and_share_what_differs_in_nothing_but_the_seed() -> None:
    first, second = request(["sweep=none", "method=lsd", "seed=0,1"]).experiments
    assert first.plain is second.plain and first.method is second.method and (first.seed, second.seed) == (0, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.seed = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        first.train.lr = 1.0  # type: ignore[misc]


def test_all_faults_of_a_command_are_told_together() -> None:
    with pytest.raises(ConfigError) as error:
        wrong = ["train.lr=-1", "budget.batch=0", "method.etaa=1", "evaluation.steps=[0]", "seed=a"]
        request(["sweep=none", "method=lsd", *wrong])
    told = error.value.faults
    assert len(told) == 5
    for key in ("train.lr=-1", "budget.batch=0", "method.etaa", "evaluation.steps=[0]", "seed=a"):
        assert any(key in fault for fault in told), key


def test_many_faults_are_counted() -> None:
    of = ("steps", "seeds", "count", "reference_count", "chunk", "batch", "ema", "milestones")
    wrong = [f"evaluation.{key}=x" for key in of]
    wrong += [f"train.{key}=x" for key in ("lr", "betas", "weight_decay", "warmup", "clip", "ema", "dropout", "checkpoints")]
    with pytest.raises(ConfigError, match=r"and 5 faults more, once these are mended"):
        request(["sweep=none", *wrong])


@pytest.mark.parametrize("arguments", [["sweep=cifar_all_methods", "plan=true"], ["--help"], ["--help", "train"],
                                       ["--help", "method"]])
def test_planning_and_help_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """PyTorch is what methods are written in: a plan needs it, and help does not."""
    heavy = {"pandas", "matplotlib", "scipy", "sklearn", "optuna", "submitit", "torchvision", "cleanfid", "requests", "PIL"}
    heavy |= set() if "plan=true" in arguments else {"torch", "numpy"}
    given = [*arguments, f"out={tmp_path}"] if "plan=true" in arguments else arguments
    code = f"import sys; from bench import run; assert run.main({given!r}) == 0; "
    code += f"found = {heavy!r} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
