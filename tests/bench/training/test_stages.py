"""What the loop carries from one stage of training to the next, and what it begins anew, for every method.

Stages, optimizers, schedules, averages and slow copies are the loop's: each claim runs over all methods of the configuration
folder at few steps a stage, and over one of two stages that has a slow copy, which none of those has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import METHODS, TRUTH, batch_of, few
from oracle import data, teacher_of
from specs import network
from torch import Tensor, nn
from trainings import live_of

from bench.data import Dataset
from bench.nets import Backbone
from bench.training import Recipe, Trainer
from methods.base import Method, Models, Stage
from methods.consistency import CD
from methods.reflow import Reflow

CPU, BATCH, STEPS = torch.device("cpu"), 16, 8  # steps of an average stage
RATE, DECAYS, WARMUP = 1e-2, (0.9, 0.05), 0.4
FACTORY = Backbone(network({"name": "mlp", "width": 8, "depth": 1, "embedding": 8}), (2,), seed=0)


@dataclass(frozen=True)
class TwoStages(CD):
    """Consistency distillation with a slow copy that is trained twice; the second training begins from the first's average."""

    target_ema: float = 0.5

    def stages(self, images: int) -> Sequence[Stage]:
        (first,) = super().stages(images // 2)
        return [first, replace(first, name="second", images=images - images // 2)]


SHORT: dict[str, dict[str, Any]] = {
    "progressive": {"start": 4, "keep": 4}, "tract": {"start": 9, "shrink": 3},
    "pfmm": {"doublings": 2}, "ctm": {"n": 4}, "ctm_gan": {"n": 4}, "dsno": {"trajectories": 64},
    "cmt": {"trajectories": 64}, "reflow": {"trajectories": 64}, "re_meanflow": {"trajectories": 64},
}
CASES: dict[str, Method] = {name: replace(few(name), **SHORT.get(name, {})) for name in METHODS}
CASES |= {"cd_slow": CD(target_ema=0.5), "two_stages": TwoStages()}
CASES |= {"reflow_rounds": Reflow(trajectories=64, rounds=2, round_steps=2, distilled=0.25)}
EACH = pytest.mark.parametrize("name", CASES)
STAGED = pytest.mark.parametrize("name", [name for name, method in CASES.items() if len(method.stages(100)) > 1])
SLOW = pytest.mark.parametrize("name", [name for name, method in CASES.items() if method.needs.target_ema])
FROM_TEACHER = pytest.mark.parametrize(
    "name", [name for name, method in CASES.items() if method.needs.teacher and method.stages(100)[0].prepare is not None]
)


@dataclass
class Moment:
    """The state before a step (and after it, in `after`): networks and averages as one vector each."""

    stage: int
    share: float  # of the stage that was done
    nets: dict[str, Tensor]
    averages: dict[float, Tensor]
    slow: Tensor | None
    moments: int  # parameters that have any state in an optimizer
    frozen: set[str]
    rates: list[float] = field(default_factory=list)
    after: "Moment | None" = None


class Stopped(Exception):
    """The run is killed."""


def perturbed(net: nn.Module, seed: int = 3) -> nn.Module:
    """Moved off its start, so that no two networks agree by chance."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))
    return net


def trainer(method: Method, folder: Path | None = None, **recipe: Any) -> Trainer:
    train = data(TRUTH, 200).float()
    points = Dataset("gaussian", "points", (2,), train, train[:10], "0" * 64, truth=TRUTH)
    teacher = perturbed(FACTORY.net())
    velocity = lambda x, t, condition: teacher(x, t, t)  # noqa: E731
    paths = batch_of(method, train[:64], teacher_of(TRUTH)).states if method.needs.trajectories else None
    stages = len(method.stages(1000))
    settings = {"lr": RATE, "ema": DECAYS, "warmup": WARMUP, "clip": 0.0, "checkpoints": 0, **recipe}
    return Trainer(method, method.build(FACTORY), points, Recipe(stages * STEPS * BATCH, BATCH, **settings), 0, CPU, folder,
                   velocity, {"net": teacher}, trajectories=paths, weak_teacher=velocity)


def moment(made: Trainer) -> Moment:
    state = made.state
    return Moment(
        made.progress.index, made.progress.stage_share, {role: live_of(net) for role, net in state.models.items()},
        {d: torch.cat([w.flatten() for w in weights]) for d, weights in state.average.weights.items()},
        None if state.slow is None else live_of(state.slow.net), sum(len(o.state) for o in state.optimizers.values()),
        {role for role, net in state.models.items() if not any(p.requires_grad for p in net.parameters())},
    )  # fmt: skip


def watched(made: Trainer, stop_at: int | None = None) -> tuple[list[Moment], list[dict[str, Tensor]]]:
    """Train, and note every step and the networks that each stage's preparation is handed."""
    found: list[Moment] = []
    handed: list[dict[str, Tensor]] = []
    step, begin = made.step, made.state.begin

    def noted_step(progress: Any) -> None:
        if made.progress.step == stop_at:
            raise Stopped
        found.append(moment(made))
        step(progress)
        progress.step -= 1  # the moment after a step belongs to its stage
        found[-1].after = moment(made)
        progress.step += 1
        found[-1].rates = [group["lr"] for o in made.state.optimizers.values() for group in o.param_groups]

    def noted_begin(stage: Stage, previous: Models) -> None:
        handed.append({role: live_of(net) for role, net in previous.items()})
        begin(stage, previous)

    made.step, made.state.begin = noted_step, noted_begin  # type: ignore[assignment, method-assign]
    made.run()
    return found, handed


def firsts(found: list[Moment]) -> list[Moment]:
    """The first step of every stage."""
    return [each for k, each in enumerate(found) if k == 0 or each.stage != found[k - 1].stage]


@EACH
def test_every_stage_begins_with_an_optimizer_that_remembers_nothing(name: str) -> None:
    found, _ = watched(trainer(CASES[name]))
    assert len(firsts(found)) == len(CASES[name].stages(1000))
    for each in found:
        assert (each.moments == 0) == (each.share == 0)


@EACH
def test_every_stage_has_a_learning_rate_of_its_own_from_warm_up_to_nothing(name: str) -> None:
    made = trainer(CASES[name])
    found, _ = watched(made)
    begin = 0
    for index, end in enumerate(made.progress.ends):
        for step in range(begin, end):
            p = (step - begin) / (end - begin)
            factor = p / WARMUP if p < WARMUP else (1 + cos(pi * (p - WARMUP) / (1 - WARMUP))) / 2
            assert found[step].stage == index
            assert found[step].rates == [pytest.approx(RATE * factor)] * len(found[step].rates)
        begin = end


@EACH
def test_averages_begin_every_stage_at_the_network_and_warm_up_anew(name: str) -> None:
    found, _ = watched(trainer(CASES[name]))
    for each in found:
        assert each.after is not None
        n = each.share * (len([other for other in found if other.stage == each.stage]))  # steps of this stage before it
        for decay, average in each.averages.items():
            if each.share == 0:
                assert torch.equal(average, each.nets["net"])
            own = min(decay, (2 + n) / (11 + n))
            expected = own * average + (1 - own) * each.after.nets["net"]
            torch.testing.assert_close(each.after.averages[decay], expected, rtol=1e-5, atol=1e-7)


@SLOW
def test_a_slow_copy_begins_every_stage_as_the_network_and_follows_by_the_methods_decay(name: str) -> None:
    made = trainer(CASES[name])
    found, _ = watched(made)
    for step, each in enumerate(found):
        assert each.slow is not None and each.after is not None and each.after.slow is not None
        if each.share == 0:
            assert torch.equal(each.slow, each.nets["net"])
        decay = CASES[name].target_decay(step / len(found))
        expected = decay * each.slow + (1 - decay) * each.after.nets["net"]
        torch.testing.assert_close(each.after.slow, expected, rtol=1e-5, atol=1e-7)
    assert not torch.equal(found[-1].after.slow, found[-1].after.nets["net"])  # type: ignore[union-attr, arg-type]


@EACH
def test_a_stage_trains_the_roles_that_it_names_and_no_other(name: str) -> None:
    made = trainer(CASES[name])
    found, _ = watched(made)
    for first in firsts(found):
        trained = {role for roles in made.progress.stages[first.stage].trained.values() for role in roles}
        last = [each for each in found if each.stage == first.stage][-1].after
        assert last is not None and first.frozen == set(first.nets) - trained
        for role, before in first.nets.items():
            assert torch.equal(before, last.nets[role]) == (role not in trained), role


@EACH
def test_a_network_that_no_stage_trains_is_one_that_a_stage_hands_on(name: str) -> None:
    """A learned weight that nobody moves would stay at zero."""
    made = trainer(CASES[name])
    start = {role: live_of(perturbed(net)) for role, net in made.models.items()}
    found, _ = watched(made)
    assert found[-1].after is not None
    for role, end in found[-1].after.nets.items():
        assert not torch.equal(start[role], end), role


@EACH
def test_a_stage_is_handed_the_average_of_the_stage_before_and_the_first_its_teacher(name: str) -> None:
    made = trainer(CASES[name])
    found, handed = watched(made)
    assert torch.equal(handed[0]["net"], live_of(perturbed(FACTORY.net())))
    for previous, first in zip(handed[1:], firsts(found)[1:], strict=True):
        last = next(each for each in reversed(found) if each.stage == first.stage - 1).after
        assert last is not None
        assert torch.equal(previous["net"], last.averages[DECAYS[0]]) and not torch.equal(previous["net"], last.nets["net"])
        for role in set(previous) - {"net"}:
            assert torch.equal(previous[role], last.nets[role])


@STAGED
def test_the_student_of_a_later_stage_and_its_frozen_teacher_are_the_average_of_the_one_before(name: str) -> None:
    found, handed = watched(trainer(CASES[name]))
    for previous, first in zip(handed[1:], firsts(found)[1:], strict=True):
        for role in {"net", "teacher", "first"} & set(first.nets):
            assert torch.equal(first.nets[role], previous["net"]), role


def test_every_kept_student_of_progressive_distillation_is_that_of_its_own_round() -> None:
    found, handed = watched(trainer(CASES["progressive"]))
    end = found[-1].after
    assert end is not None
    for n, previous in ((4, handed[1]), (2, handed[2])):
        assert torch.equal(end.nets[f"student_{n}"], previous["net"])


@FROM_TEACHER
def test_a_student_that_starts_from_its_teacher_is_it_and_so_are_its_average_and_slow_copy(name: str) -> None:
    made = trainer(CASES[name])
    made.begin_stage(0)
    own, teacher = made.models["net"].state_dict(), made.teacher_models["net"].state_dict()
    assert all(torch.equal(own[key], value) for key, value in teacher.items())  # a neural operator has blocks besides
    begun = moment(made)
    for copy in (*begun.averages.values(), *([] if begun.slow is None else [begun.slow])):
        assert torch.equal(copy, begun.nets["net"])


@EACH
def test_a_run_killed_in_its_last_stage_goes_on_bitwise(name: str, tmp_path: Path) -> None:
    """With everything that moves along: optimizers, averages, the slow copy, frozen networks."""
    method = CASES[name]
    calm = trainer(method, checkpoints=0)
    expected, _ = watched(calm)
    stop = calm.progress.ends[-1] - 3
    with pytest.raises(Stopped):
        watched(trainer(method, tmp_path, checkpoints=calm.progress.steps), stop)
    found, handed = watched(trainer(method, tmp_path, checkpoints=calm.progress.steps))
    assert not handed and len(found) == 3
    for ours, theirs in zip(found, expected[stop:], strict=True):
        for a, b in ((ours, theirs), (ours.after, theirs.after)):
            assert a is not None and b is not None
            assert (a.stage, a.share, a.frozen, a.rates) == (b.stage, b.share, b.frozen, b.rates)
            assert all(torch.equal(a.nets[role], b.nets[role]) for role in b.nets)
            assert all(torch.equal(a.averages[d], b.averages[d]) for d in DECAYS)
            assert (a.slow is None and b.slow is None) or torch.equal(a.slow, b.slow)  # type: ignore[arg-type]
