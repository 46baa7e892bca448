"""Losses that are taken in every n-th step only: what is computed, moved, billed, logged, planned for and kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import TRUTH
from oracle import data
from specs import network
from torch import Tensor, nn
from trainings import live_of

from bench.compiling import Compiled
from bench.data import Dataset
from bench.fitting.slices import count
from bench.nets import Backbone
from bench.training import Recipe, Trainer, checkpoint
from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage
from methods.flow_matching import velocity_loss
from methods.tools import conditioned
from results.records import read_jsonl

CPU, BATCH, STEPS = torch.device("cpu"), 16, 14
EVERY = {"net": 3, "slow": 2}
NETWORK = {"name": "mlp", "width": 16, "depth": 1, "embedding": 8}
FACTORY = Backbone(network(NETWORK), (2,), seed=0)


@dataclass(frozen=True)
class Paced(Method):
    """Three velocities, each a network of its own, of which one is moved in every step. It notes what is taken."""

    every: Mapping[str, int] = field(default_factory=lambda: EVERY)
    seen: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def needs(self) -> Needs:
        return Needs()

    def build(self, backbone: Any) -> dict[str, nn.Module]:
        return {role: backbone.net() for role in ("net", "slow", "fast")}

    def stages(self, images: int) -> list[Stage]:
        return [Stage("train", images, {role: (role,) for role in ("net", "slow", "fast")}, every=self.every)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_0, t = self.interpolant, context.noise(batch.x_1), context.draws.uniform("t")
        self.seen.append(tuple(context.stage.trained))
        return {role: Loss(velocity_loss(conditioned(models[role]), path, x_0, batch.x_1, t)) for role in context.stage.trained}


def trainer(folder: Path | None = None, method: Paced | None = None, **recipe: Any) -> Trainer:
    train = data(TRUTH, 200).float()
    points = Dataset("gaussian", "points", (2,), train, train[:10], "0" * 64, truth=TRUTH)
    method = method or Paced()
    settings = {"lr": 1e-2, "ema": (0.9,), "checkpoints": 0, **recipe}
    return Trainer(method, method.build(FACTORY), points, Recipe(STEPS * BATCH, BATCH, **settings), 0, CPU, folder)


def due(step: int) -> tuple[str, ...]:
    """What the step of that number, from 1 on, takes."""
    return tuple(role for role in ("net", "slow", "fast") if step % EVERY.get(role, 1) == 0)


def weights(made: Trainer) -> dict[str, Tensor]:
    return {role: live_of(module) for role, module in made.models.items()}


def test_a_stage_says_what_each_of_its_steps_takes() -> None:
    (stage,) = Paced().stages(100)
    assert stage.cycle == 6 and [tuple(stage.at(step).trained) for step in range(12)] == [due(n) for n in range(1, 13)]
    assert {step: tuple(taken.trained) for step, taken in stage.different.items()} == {k: due(k + 1) for k in (0, 1, 2, 5)}
    plain = Stage("train", 100)
    assert plain.cycle == 1 and plain.at(7) is plain and plain.different == {0: plain}


def test_a_balanced_loss_is_taken_with_the_one_that_it_is_balanced_with() -> None:
    stage = Stage("train", 100, {"net": ("net",), "fast": ("fast",)}, balanced={"more": "net"}, every={"net": 2})
    assert stage.at(0).balanced == {} and stage.at(1).balanced == {"more": "net"}


@pytest.mark.parametrize(("every", "said"), [
    ({"nets": 2}, "name one of \\['fast', 'net', 'slow'\\]"), ({"net": 0}, "every 0 steps"),
    ({"net": 2, "slow": 3, "fast": 2}, "no loss in its first step"),
])
def test_a_cadence_that_cannot_be_kept_is_refused(every: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Paced(every=every).stages(100)


def test_what_a_step_does_not_take_is_not_computed_and_moves_nothing() -> None:
    made = trainer()
    step, seen = made.step, made.method.seen  # type: ignore[attr-defined]
    moved: list[tuple[str, ...]] = []

    def watched(progress: Any) -> None:
        before = weights(made)
        step(progress)
        moved.append(tuple(role for role, now in weights(made).items() if not torch.equal(before[role], now)))

    made.step = watched  # type: ignore[assignment]
    made.run()
    assert seen == [due(n) for n in range(1, STEPS + 1)]
    assert moved == [*seen[:-1], moved[-1]], "the last step's rate is not zero"
    for name, optimizer in made.state.optimizers.items():
        assert {int(each["step"]) for each in optimizer.state.values()} == {STEPS // EVERY.get(name, 1)}


def test_the_bill_has_what_was_taken_and_no_more() -> None:
    made = trainer()
    made.run()
    calls = sum(len(due(n)) for n in range(1, STEPS + 1))
    assert made.bill() == {"forward_calls": calls, "forward_rows": calls * BATCH, "backward_rows": calls * BATCH,
                           "jvp_calls": 0, "jvp_rows": 0}  # fmt: skip


@pytest.mark.parametrize("stop", range(7, 13))
def test_a_run_killed_anywhere_in_a_cycle_goes_on_bitwise(stop: int, tmp_path: Path) -> None:
    whole = trainer()
    whole.run()
    stopped = trainer(tmp_path, checkpoints=STEPS)
    stopped.rungs = {stop: killed}  # after the step, and before its checkpoint
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    found = checkpoint.newest(tmp_path / "checkpoints")
    assert found is not None and found[1]["step"] == stop - 1
    made = trainer(tmp_path, checkpoints=STEPS)
    made.run()
    for role, expected in weights(whole).items():
        assert torch.equal(weights(made)[role], expected), role
    assert torch.equal(live_of(made.averaged()), live_of(whole.averaged())) and made.bill() == whole.bill()


def killed() -> None:
    raise KeyboardInterrupt


def test_micro_batches_change_nothing_but_rounding() -> None:
    """RAdam's first steps follow the gradient itself; Adam's would follow its sign."""
    whole, sliced = (trainer(micro_batch=size, optimizer="radam", clip=0.0) for size in (None, 5))
    whole.run()
    sliced.run()
    assert whole.bill() == sliced.bill()
    for role, expected in weights(whole).items():
        torch.testing.assert_close(weights(sliced)[role], expected, rtol=1e-4, atol=1e-5)


def test_the_logged_loss_is_the_sum_of_each_ones_mean_over_the_steps_that_took_it(tmp_path: Path) -> None:
    made = trainer(tmp_path, lr=0.0, logs=1)
    seen: dict[str, list[float]] = {}
    add = made.meter.add

    def noted(name: str, value: Tensor) -> None:
        seen.setdefault(name, []).append(value.item())
        add(name, value)

    made.meter.add = noted  # type: ignore[method-assign]
    made.run()
    logged = [line["loss"] for line in read_jsonl(tmp_path / "progress.jsonl") if "loss" in line]
    assert {name: len(values) for name, values in seen.items()} == {"fast": STEPS, "slow": STEPS // 2, "net": STEPS // 3}
    assert logged == [pytest.approx(sum(sum(values) / len(values) for values in seen.values()))]


def test_a_compiled_run_has_a_graph_for_each_set_of_losses_and_the_numbers_of_the_eager_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch._dynamo.reset()
    monkeypatch.setattr(Compiled, "backend", "eager")
    quiet = Paced(seen=Forgetful())
    compiled, eager = trainer(method=quiet, compile=True), trainer(method=quiet)
    compiled.run()
    eager.run()
    assert len(compiled.step._functions) == 4 and not any(of._failed for of in compiled.step._functions.values())  # type: ignore[attr-defined]
    for role, expected in weights(eager).items():
        assert torch.equal(weights(compiled)[role], expected), role
    assert compiled.bill() == eager.bill()
    torch._dynamo.reset()


class Forgetful(list[Any]):
    """Keeps nothing: what a graph wrote down would be another graph each time."""

    def append(self, each: Any) -> None:
        return None


def test_the_memory_that_is_planned_for_is_that_of_the_step_that_takes_most() -> None:
    images = Backbone(network(NETWORK), (3, 8, 8), 0, device="meta")
    recipe = Recipe(1000 * BATCH, BATCH)
    alone, cycle = (count(Paced(every=every), images, recipe, [BATCH])[BATCH]
                    for every in ({}, {"net": 7, "slow": 7}))  # fmt: skip
    assert alone == cycle > count(OneOf(), images, recipe, [BATCH])[BATCH]


@dataclass(frozen=True)
class OneOf(Paced):
    """The same, of which one network alone is ever moved."""

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        return super().losses(models, batch, replace(context, stage=context.stage.at(0)))

    def stages(self, images: int) -> list[Stage]:
        return [replace(super().stages(images)[0].at(0))]
