"""What a training is billed is what its networks did, whether it was stopped, sliced or run in stages."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import METHODS, TRUTH, batch_of, built, few, losses, made
from fake_ranks import FACTORY
from oracle import data, teacher_of
from small_runs import planned, run
from torch import Tensor, nn

from bench.accounts import bill
from bench.data import Dataset
from bench.nets import counting
from bench.scoring.model import load
from bench.training import checkpoint
from bench.training.train import Recipe, Trainer
from methods.base import Method
from results.records.record import RunRecord
from results.records.store import read_run

CPU, BATCH, STEPS = torch.device("cpu"), 16, 8
# Calls per step, and rows per image: forward, backward, forward mode.
KNOWN: dict[str, tuple[int, float, float, int, float]] = {
    "flow_matching": (1, 1, 1, 0, 0),
    "meanflow": (2, 2, 1, 1, 1),  # its derivative without gradient, then the plain call
    "lmd": (2, 2, 1, 1, 1),  # the teacher, and one call differentiated both ways
    "lsd": (3, 1.25, 1, 1, 0.25),  # three quarters on the diagonal; the rest in forward mode, and its end without gradient
    "cd": (4, 4, 1, 0, 0),  # two teacher calls for a Heun step, and the target
    "dsno": (1, 4, 4, 0, 0),  # the rows of its operator
    "imm": (2, 2, 1, 0, 0),
    "progressive": (3, 3, 1, 0, 0),
}


def trainer(method: Method, folder: Path | None = None, steps: int = STEPS, **recipe: Any) -> Trainer:
    """A short training that has not begun."""
    train = data(TRUTH, 500).float()
    points = Dataset("gaussian", "points", (2,), train, train[:10], "0" * 64, truth=TRUTH)
    net, paths = FACTORY.net(), None
    if method.needs.trajectories:
        paths = batch_of(method, train, teacher_of(TRUTH)).states
    return Trainer(method, method.build(FACTORY), points, Recipe(steps * BATCH, BATCH, **recipe), 0, CPU, folder,
                   lambda x, t, condition: net(x, t, t), {"net": net}, lambda message: False, trajectories=paths,
                   weak_teacher=lambda x, t, condition: net(x, t, t), frozen=[net])


def short(name: str) -> Method:
    """The method, with few rounds where it has many."""
    return dataclasses.replace(made(name), start=4) if name == "progressive" else few(name)  # type: ignore[call-arg]


def billed(made: Trainer) -> tuple[int, ...]:
    made.run()
    return tuple(made.bill()[name] for name in bill.NAMES)


@pytest.mark.parametrize("name", KNOWN)
def test_the_bill_is_what_the_method_is_known_to_use(name: str) -> None:
    calls, rows, backward, jvp_calls, jvp_rows = KNOWN[name]
    per_image = [STEPS * calls, *(STEPS * BATCH * n for n in (rows, backward)), STEPS * jvp_calls, STEPS * BATCH * jvp_rows]
    assert billed(trainer(short(name))) == tuple(per_image)


@pytest.mark.parametrize("name", METHODS)
def test_backward_rows_are_those_that_a_gradient_reaches(name: str) -> None:
    """Seen by the gradient itself, on its way through each call's output."""
    models, reached = built(few(name)), dict[int, int]()
    x_1 = data(TRUTH, BATCH)

    def watch(module: nn.Module, _: Any, output: Tensor) -> None:
        if output.requires_grad:
            call = len(reached)
            reached[call] = 0
            output.register_hook(lambda gradient: reached.__setitem__(call, len(gradient)))

    networks = [module for role, module in models.items() if role != "weight"]
    handles = [net.register_forward_hook(watch) for net in networks]
    with counting(*networks) as count:
        torch.stack([loss.per_sample.sum() for loss in losses(few(name), models, x_1).values()]).sum().backward()
    for handle in handles:
        handle.remove()
    assert count.backward_rows == sum(reached.values()) > 0


def test_backward_rows_of_a_method_that_differentiates_by_torch_func_are_counted() -> None:
    """A plug-in may: its outputs are then wrapped, and say that no gradient reaches them."""
    net, x, t = FACTORY.net(), data(TRUTH, BATCH).float(), torch.rand(BATCH)
    with counting(net) as count:
        torch.func.jvp(lambda t: net(x, t, t), (t,), (torch.ones_like(t),))
        with torch.no_grad():
            torch.func.jvp(lambda t: net(x, t, t), (t,), (torch.ones_like(t),))
    assert (count.rows, count.jvp_rows, count.backward_rows) == (2 * BATCH, 2 * BATCH, BATCH)


@pytest.mark.parametrize("name", ["ctm", "tcm", "progressive"])
def test_a_repeated_step_is_billed_once(name: str, tmp_path: Path) -> None:
    calm = billed(trainer(short(name), tmp_path, checkpoints=4))
    newest = checkpoint.newest(tmp_path / "checkpoints")
    assert newest is not None and newest[1]["step"] == STEPS
    newest[0].unlink()
    assert billed(trainer(short(name), tmp_path, checkpoints=4)) == calm
    assert billed(trainer(short(name), tmp_path, checkpoints=4)) == calm, "a finished training is billed as it was"


@pytest.mark.parametrize("name", ["ctm", "imm", "lsd", "dsno"])
def test_micro_batches_do_not_change_the_bill(name: str) -> None:
    assert billed(trainer(made(name), micro_batch=4)) == billed(trainer(made(name)))


def test_a_training_that_began_before_evaluations_were_counted_is_billed_nothing(tmp_path: Path) -> None:
    billed(trainer(made("ect"), tmp_path, checkpoints=2))
    for path in (tmp_path / "checkpoints").glob("*.pt"):
        state = checkpoint.load(path)
        path.unlink()
        if state["step"] < STEPS:
            del state["bill"]
            checkpoint.save(tmp_path / "checkpoints", state["step"], state)
    assert billed(trainer(made("ect"), tmp_path, checkpoints=2)) == (0,) * len(bill.NAMES)


def recorded(tmp_path: Path, method: str, *more: str) -> list[RunRecord]:
    """The records of a small sweep's runs: teacher, then student."""
    jobs = planned(method, "budget.images=1280", "backbone.width=16", "backbone.depth=1", *more)
    run(tmp_path, jobs)
    return [read_run(tmp_path / job.id) for job in jobs if job.kind == "method"]


def test_a_record_bills_its_teacher_and_trajectories_in_full(tmp_path: Path) -> None:
    teacher, student = recorded(tmp_path, "dsno", "method.trajectories=100")
    assert (teacher.forward_rows, teacher.backward_rows, teacher.teacher_forward_rows) == (1280, 1280, 0)
    assert student.trajectory_evaluations > 0
    assert student.teacher_forward_rows == 1280 + student.trajectory_evaluations
    assert student.teacher_backward_rows == 1280
    assert (student.forward_rows, student.backward_rows, student.forward_calls) == (4 * 1280, 4 * 1280, 10)
    assert student.parents == {"teacher": teacher.run_id, "trajectories": teacher.run_id}
    assert student.peak_memory > 2**20 and student.gpus == 0 and student.league == "plain"


def test_both_teachers_are_on_the_bill(tmp_path: Path) -> None:
    *teachers, student = recorded(tmp_path, "ayf_emd", "method.guidance_high=3.0")
    assert len(teachers) == 2 and student.teacher_forward_rows == sum(t.forward_rows for t in teachers)
    assert student.forward_rows == 4 * 1280, "the student, its derivative, the teacher and the weak one"
    assert set(student.parents) == {"teacher", "weak_teacher"}


def test_every_network_that_is_sampled_from_is_counted_and_exported(tmp_path: Path) -> None:
    (one,) = recorded(tmp_path, "ect")
    (two,) = recorded(tmp_path, "tcm")
    assert two.params == 2 * one.params
    for record, roles in ((one, None), (two, {"net", "first"})):
        model = load(tmp_path / record.run_id)
        model.export(tmp_path / "weights.pt")
        weights = torch.load(tmp_path / "weights.pt")
        if roles is None:
            model.models["net"].load_state_dict(weights)
        else:
            assert set(weights) == roles
            for role in roles:
                model.models[role].load_state_dict(weights[role])


def test_a_run_in_a_stage_before_its_networks_are_made_is_not_sampled_from(tmp_path: Path) -> None:
    (job,) = [job for job in planned("tcm") if job.kind == "method"]
    run(tmp_path, [job], stop_after=0)
    with pytest.raises(ValueError, match=r"stage 'first' \(1 of 2\).*net, first.* complete in the last"):
        load(tmp_path / job.id)
