"""Compiled losses: one graph for a stage, the numbers and the bill of the eager step, and a line where there is none."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import METHODS, few, made
from specs import network
from torch import Tensor, nn
from torch._dynamo.utils import counters

from bench.compiling import Compiled, NotCompiled
from bench.data import Dataset
from bench.nets import Backbone, counting
from bench.training import Recipe, Trainer
from bench.training import step as steps
from bench.training.rng import StepDraws
from bench.training.state import billed

SHAPE, BATCH, STEPS = (1, 4, 4), 16, 3
NOT = {"ct": "the number of intervals grows", "ctm": "draws 'substeps' on the host",
       "ctm_gan": "draws 'substeps' on the host",
       "alphaflow": "alpha chooses between a second call and a derivative"}
"""What is not compiled, and why: the levels of consistency training and CTM's substeps change shapes on the way, and alpha-Flow
what is computed."""
OPTIONS = {"name": "mlp", "width": 16, "depth": 1, "embedding": 8, "dropout": 0.1}


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Graphs of one test only, traced and differentiated by the compiler, run by PyTorch: seconds, not minutes."""
    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(Compiled, "backend", "aot_eager")
    yield
    torch._dynamo.reset()


def trainer(name: str, dtype: torch.dtype = torch.float32, **recipe: Any) -> Trainer:
    """At the first step of the last stage, not at zero."""
    g, method = torch.Generator().manual_seed(0), few(name)
    networks, needs = Backbone(network(OPTIONS), SHAPE, 0), method.needs
    taught = stirred(networks.net()).to(dtype).requires_grad_(False)

    def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        out: Tensor = taught(x, t, t, condition=condition)
        return out

    images = torch.randint(0, 256, (64, *SHAPE), generator=g, dtype=torch.uint8)
    paths = torch.randn((32, 1 + len(needs.trajectories.kept), *SHAPE), generator=g).to(dtype) if needs.trajectories else None
    found = Trainer(
        method, {role: stirred(net).to(dtype) for role, net in method.build(networks).items()},
        Dataset("made up", "images", SHAPE, images, images, "0" * 64, flip=True),
        Recipe(4000 * BATCH, BATCH, logs=0, checkpoints=0, **recipe), 0, torch.device("cpu"), None,
        b if needs.teacher else None, {"net": taught} if needs.teacher else {}, trajectories=paths,
        weak_teacher=b if needs.weak_teacher else None, frozen=[taught],
    )  # fmt: skip
    decode = found.step.batches.decode
    assert decode is not None
    found.step.batches = replace(found.step.batches, decode=lambda pixels: decode(pixels).to(dtype))
    ends = found.progress.ends
    found.progress.step = ends[-2] if len(ends) > 1 else 0
    found.begin_stage(len(ends) - 1)
    return found


def stirred(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i)))
    return net


def run(subject: Trainer, count: int = STEPS) -> tuple[Tensor, dict[str, int], list[str]]:
    """The parameters after so many steps, the bill, and what was said."""
    called = counting(*billed(subject.state), *subject.frozen, into=subject._bill.count)
    with warnings.catch_warnings(record=True) as seen, called:
        warnings.simplefilter("always")
        for _ in range(count):
            subject.step(subject.progress)
    told = [str(each.message) for each in seen if each.category is NotCompiled]
    return torch.cat([p.detach().flatten() for net in subject.models.values() for p in net.parameters()]), subject.bill(), told


@pytest.mark.parametrize("name", METHODS)
def test_a_compiled_step_has_the_numbers_and_the_bill_of_the_eager_one(name: str) -> None:
    stage = made(name).stages(100)[-1]
    count = max(STEPS, stage.cycle)
    weights, bill, told = run(trainer(name, compile=True), count)
    expected, owed, _ = run(trainer(name), count)
    assert torch.equal(weights, expected) and bill == owed
    if name in NOT:
        assert len(told) == 1 and NOT[name] in told[0] and "\n" not in told[0]
        return
    assert told == [] and counters["stats"]["unique_graphs"] == len(stage.different)
    assert not counters["graph_break"], "one graph for each set of losses, and the same for all steps"


@pytest.mark.parametrize("name", ["dsno", "tcm"])
def test_a_second_training_of_a_method_compiles_as_the_first(name: str) -> None:
    """What is made once for equal methods may not leave the second one without it."""
    run(trainer(name), 1)
    made.cache_clear()
    _, _, told = run(trainer(name, compile=True), 1)
    assert told == []


def test_there_is_no_limit_to_the_stages_and_trainings_of_a_process() -> None:
    """Nor to the graphs of one of them: slices of two sizes, the last one smaller."""
    for _ in range(torch._dynamo.config.recompile_limit + 1):
        _, _, told = run(trainer("flow_matching", compile=True, micro_batch=12), 1)
        assert told == []


@pytest.mark.parametrize("name", ["ect", "ict", "sct", "soflow", "ayf_emd"])
def test_what_changes_with_progress_is_an_input_of_the_one_graph(name: str) -> None:
    subjects = [trainer(name, compile=True), trainer(name)]
    for share in (0.0, 0.3, 0.9):
        for subject in subjects:
            subject.progress.step = int(share * subject.progress.steps)
            subject.step(subject.progress)
    compiled, eager = (torch.cat([p.detach().flatten() for p in subject.models["net"].parameters()]) for subject in subjects)
    assert torch.equal(compiled, eager) and counters["stats"]["unique_graphs"] == 1


def test_slices_of_the_batch_share_their_graphs() -> None:
    """40 % of four rows is one or two of them: what is of another shape is another graph, and no step makes more."""
    weights, bill, told = run(trainer("lsd", compile=True, micro_batch=4), 4)
    expected, owed, _ = run(trainer("lsd", micro_batch=4), 4)
    assert torch.equal(weights, expected) and bill == owed and told == []
    assert counters["stats"]["unique_graphs"] == 1
    _, bill, _ = run(trainer("lsd", compile=True, micro_batch=6), 2)
    assert bill == run(trainer("lsd", micro_batch=6), 2)[1]


def test_a_compiled_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    recipe = replace(trainer("meanflow").recipe, images=6 * BATCH, checkpoints=2, compile=True)
    whole = replace(trainer("meanflow"), folder=tmp_path, recipe=recipe)
    assert whole.run().status == "done"
    (last,) = (tmp_path / "checkpoints").glob("step-00000006-*")
    last.unlink()
    torch._dynamo.reset()
    again = replace(trainer("meanflow"), folder=tmp_path, recipe=recipe)
    assert again.run().status == "done" and again.bill() == whole.bill()
    for a, b in zip(whole.models["net"].parameters(), again.models["net"].parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_decided_on_the_host_is_said_once_and_trains_as_it_is() -> None:
    weights, _, told = run(trainer("ct", compile=True), 4)
    assert len(told) == 1 and told[0].startswith("train is not compiled: the number of intervals grows")
    assert torch.equal(weights, run(trainer("ct"), 4)[0])


SLOW = pytest.mark.skipif(os.environ.get("FEWSTEP_SLOW") != "1", reason="compiles for minutes; set FEWSTEP_SLOW=1")


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.float64, marks=SLOW)])
@pytest.mark.parametrize(
    "name",
    [
        "cd",  # whose loss is, after the compiler's simplifications, its own part
        *(pytest.param(name, marks=SLOW) for name in METHODS if name not in ("cd", *NOT)),
    ],
)
def test_the_compilers_own_kernels_agree(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiled, "backend", "inductor")
    # Adam's first step moves a weight whose gradient is zero up to rounding by the whole rate, and tcm has three of them.
    error = 1e-12 if dtype == torch.float64 else 1e-3 if name == "tcm" else 1e-5
    monkeypatch.setattr(steps, "StepDraws", partial(StepDraws, dtype=dtype))
    (weights, bill, told), (expected, owed, _) = (run(trainer(name, dtype, compile=c), 20) for c in (True, False))
    assert told == [] and bill == owed
    assert (weights - expected).norm() < error * expected.norm()


def test_a_graph_that_carries_no_gradient_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inductor does that where the loss is an output twice (PyTorch 2.14)."""
    inside = Compiled._inside

    def lost(self: Compiled, *args: Any) -> Any:
        return {name: (value.detach(), parts) for name, (value, parts) in inside(self, *args).items()}

    monkeypatch.setattr(Compiled, "_inside", lost)
    weights, bill, told = run(trainer("flow_matching", compile=True))
    expected, owed, _ = run(trainer("flow_matching"))
    assert torch.equal(weights, expected) and bill == owed
    assert told == ["train is not compiled: the compiler has lost the gradient of a loss"]
