"""Every way to break the contract of the loop is found, and told with what to do; what keeps it passes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import NETWORKS
from trainings import points

from bench.check import main
from bench.training.contract import CHECKS, OF_LOSSES, Broken, Subject
from bench.training.rng import StepDraws
from methods.base import Loss, Method, Needs, Stage
from methods.edm import EDM
from methods.flow_matching import FlowMatching
from methods.progressive import Progressive

CALLS = []


@dataclass(frozen=True)
class Plain(FlowMatching):
    """Flow matching, as a method to be spoiled."""

    def changed(self, models: Any, batch: Any, context: Any, change: Callable[[torch.Tensor], Any]) -> dict[str, Loss]:
        loss = super().losses(models, batch, context)["net"].per_sample
        return {"net": Loss(change(loss))}


class Random(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss * torch.rand(len(loss)))


class Counting(Plain):
    def losses(self, models, batch, context):
        CALLS.append(1)
        return self.changed(models, batch, context, lambda loss: loss * len(CALLS))


class Moving(Plain):
    def losses(self, models, batch, context):
        with torch.no_grad():
            next(models["net"].parameters()).mul_(0.99)
        return super().losses(models, batch, context)


class Centred(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss / loss.detach().mean())


class Positions(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss * torch.arange(len(loss)))


class Detached(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss.detach())


class Infinite(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss / 0)


class Overflowing(Plain):
    """Finite where training begins, and not in its middle."""

    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss / max(0.0, 0.5 - context.progress))


class Unlogged(Plain):
    """Its loss is finite, and what is logged of it is not."""

    def losses(self, models, batch, context):
        loss = super().losses(models, batch, context)["net"].per_sample
        return {"net": Loss(loss, {"ratio": (loss / 0).detach(), "loss": loss.detach()})}


class Rooted(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, lambda loss: loss + (loss - loss.detach()).sqrt())


class Reduced(Plain):
    def losses(self, models, batch, context):
        return self.changed(models, batch, context, torch.mean)


class Misnamed(Plain):
    def losses(self, models, batch, context):
        return {"loss": super().losses(models, batch, context)["net"]}


class Graphed(Plain):
    def losses(self, models, batch, context):
        loss = super().losses(models, batch, context)["net"].per_sample
        return {"net": Loss(loss, {"velocity": loss})}


class Scalar(Plain):
    def losses(self, models, batch, context):
        loss = super().losses(models, batch, context)["net"].per_sample
        return {"net": Loss(loss, {"velocity": loss.mean().detach()})}


class Spending(Plain):
    def stages(self, images):
        return [Stage("one", images // 2), Stage("two", images // 3)]


class Training(Plain):
    def stages(self, images):
        return [Stage("train", images, {"net": ("nets",)})]


class Balanced(Plain):
    def stages(self, images):
        return [Stage("train", images, balanced={"further": "other"})]


class Nameless(Plain):
    def build(self, backbone):
        return {"student": backbone.net()}


class Decaying(Plain):
    needs = Needs(target_ema=1.0)


class Reaching(Plain):
    needs = Needs(reaches="everything")


class Unteachable(Plain):
    needs = Needs(weak_teacher=True)


class Landing(Plain):
    def jump(self, models, x, s, t, condition=None):
        return models["net"](x, s, t)


class Flat(Plain):
    def jump(self, models, x, s, t, condition=None):
        return super().jump(models, x, s, t, condition).flatten()


class Apart(EDM):
    """Samples are drawn by the jump that it inherits."""

    def jump(self, models, x, s, t, condition=None):
        return x + (t - s)[:, None] * models["net"](x, s, t)


class Backwards(Plain):
    def grid(self, steps):
        return super().grid(steps).flip(0)


class Nowhere(Plain):
    def supports(self, steps):
        return False


class Remembering(Plain):
    """Only a restart finds it: within a process the losses of a step are the same."""

    def losses(self, models, batch, context):
        steps = vars(self).setdefault("seen", {})
        first = steps.setdefault(context.progress, len(steps))
        return self.changed(models, batch, context, lambda loss: loss * (1 + first))


class Unseeded(Plain):
    def build(self, backbone):
        return {"net": backbone.net(), "critic": torch.nn.Linear(2, 2)}


class Coupled(Plain):
    """What one sample's loss hides in another's that is ten thousand times as large."""

    def losses(self, models, batch, context):
        u = context.draws.uniform("large")
        return self.changed(models, batch, context,
                            lambda loss: loss * torch.where(u < 0.1, 1e4, 1.0) + 1e-2 * (u[:8].mean() if len(u) > 8 else 0))


BROKEN: dict[type[Method], tuple[str, str]] = {
    Unseeded: ("build", "the network critic starts from other weights each time .*fork_rng"),
    Coupled: ("slices", "of a slice of the batch is not that of the whole batch"),
    Random: ("pure", "move PyTorch's global generator: take every random number from `context`"),
    Counting: ("pure", "differs between two calls of one step"),
    Moving: ("pure", "change the network net .*: only the optimizer does"),
    Centred: ("slices", "depends on no other sample"),
    Positions: ("slices", "shares of the batch come from context.split"),
    Detached: ("gradients", "no gradient of net reaches the network net"),
    Infinite: ("losses", "net is not finite in 16 of 16 samples; the first of them, sample 0, drew t=0\\.\\d+$"),
    Overflowing: ("losses", "stage train, 50% of the budget: net is not finite in 16 of 16 samples"),
    Unlogged: ("losses", "the part ratio of net: not finite, where net itself is"),
    Rooted: ("gradients", "the gradient of net is not finite"),
    Reduced: ("losses", "shape \\(\\), not one number for each of the 16 samples"),
    Misnamed: ("losses", "\\['loss'\\], not a dictionary of \\['net'\\]"),
    Graphed: ("losses", "the part velocity holds the graph of the step: .detach\\(\\) it"),
    Scalar: ("losses", "the part velocity has shape \\(\\)"),
    Spending: ("stages", "spend 873813 images: they must sum to the budget"),
    Training: ("stages", "trains \\['nets'\\], and build makes \\['net'\\]"),
    Balanced: ("stages", "balances with \\['other'\\]"),
    Nameless: ("stages", "build makes \\['student'\\], and no \"net\""),
    Decaying: ("needs", "target_ema=1.0, not a decay"),
    Reaching: ("needs", "reaches='everything', none of any, grid, data"),
    Unteachable: ("needs", "weak_teacher=True, without a teacher"),
    Landing: ("jump", "is not the identity"),
    Apart: ("jump", "jump_together, by which samples are drawn, is not jump"),
    Flat: ("jump", "jump returns .* of shape \\(32,\\)"),
    Backwards: ("grid", "grid\\(1\\) is not 2 increasing times"),
    Nowhere: ("grid", "no number of steps from 1 to 64"),
    Remembering: ("restart", "after a restart the network net has other weights"),
}


class Guided(Plain):
    """A teacher guided away from a weak one, its direction normalised: 0 / 0 if the two were one."""

    needs = Needs(teacher=True, weak_teacher=True)

    def losses(self, models, batch, context):
        t = context.draws.uniform("t")
        apart = context.teach(batch.x_1, t) - context.teach_weakly(batch.x_1, t)
        scale = apart.square().sum(1).sqrt()
        return self.changed(models, batch, context, lambda loss: loss * scale / scale.detach())


class Late(Plain):
    """Its second network is moved by a term that sets in after a tenth of the budget."""

    def build(self, backbone):
        return {"net": backbone.net(), "second": backbone.net()}

    def stages(self, images):
        return [Stage("train", images, {"net": ("net", "second")})]

    def losses(self, models, batch, context):
        loss = super().losses(models, batch, context)["net"].per_sample
        other = super().losses({"net": models["second"]}, batch, context)["net"].per_sample
        return {"net": Loss(loss + (context.progress > 0.1) * other)}


class Thawed(Late):
    """Its second network is made frozen, and trained in a second stage."""

    def build(self, backbone):
        return {"net": backbone.net(), "second": backbone.net().requires_grad_(False)}

    def stages(self, images):
        return [Stage("one", images // 2), Stage("two", images - images // 2, {"net": ("net", "second")})]


class DataOnly(Plain):
    """Defined towards data alone: x + (1 - s) v_{s,1}(x), from every s."""

    needs = Needs(reaches="data", rule="renoise")

    def jump(self, models, x, s, t, condition=None):
        return x + (1 - s)[:, None] * models["net"](x, s, torch.ones_like(s))


class Even(Plain):
    """Defined in two, four, ... steps alone."""

    def supports(self, steps):
        return steps > 0 and steps % 2 == 0

    def grid(self, steps):
        if not self.supports(steps):
            raise ValueError(f"no grid of {steps} steps")
        return super().grid(steps)


SOUND = [Plain, Guided, Late, Thawed, DataOnly, Even]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("method", SOUND, ids=[cls.__name__ for cls in SOUND])
def test_what_the_loop_takes_passes(method: type[Method], check: str) -> None:
    for dtype in (torch.float32, torch.float64):
        CHECKS[check](replace(subject(method()), dtype=dtype))


def test_stages_of_unequal_length_are_all_tried() -> None:
    CHECKS["restart"](subject(Progressive(start=16, last_rounds_weight=20.0)))


def subject(method: Method) -> Subject:
    return Subject(method, NETWORKS, points("gaussian"), 2**20, 16)


@pytest.mark.parametrize("method", BROKEN, ids=[cls.__name__ for cls in BROKEN])
def test_what_breaks_it_is_told(method: type[Method]) -> None:
    check, said = BROKEN[method]
    with pytest.raises((Broken, TypeError), match=said):
        CHECKS[check](replace(subject(method()), dtype=torch.float64))


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_finds_some_fault_and_passes_what_has_none(check: str) -> None:
    assert check in {found for found, _ in BROKEN.values()}
    CHECKS[check](subject(Plain()))


def test_a_batch_that_groups_do_not_divide_is_told() -> None:
    class Grouped(Plain):
        needs = Needs(group=5)

    with pytest.raises(Broken, match=r"group=5 does not divide slices of 8: choose a budget\.batch"):
        CHECKS["slices"](replace(subject(Plain()), method=Grouped()))


PLUGIN = '''
from dataclasses import dataclass
from methods.flow_matching import FlowMatching

@dataclass(frozen=True)
class Mine(FlowMatching):
    def losses(self, models, batch, context):
        return BODY
'''


@pytest.mark.parametrize(("body", "status", "said"), [
    ("super().losses(models, batch, context)", 0, "holds   restart"),
    ("super().losses(models, batch, context)['net']", 1, "BROKEN  losses     TypeError: Mine.losses"),
    ("{}['net']", 1, "BROKEN  losses     KeyError: 'net' (FILE, line 8)"),
])  # fmt: skip
def test_the_command_says_of_each_check_whether_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, status: int, said: str
) -> None:
    name = f"mine_{status}_{len(body)}"  # a module's name is imported once
    (tmp_path / "method").mkdir()
    (tmp_path / f"{name}.py").write_text(PLUGIN.replace("BODY", body))
    (tmp_path / "method" / f"{name}.yaml").write_text(f"name: {name}\ntarget: {name}:Mine\n")
    assert main([f"method={name}", f"plugins={tmp_path}", "data=gaussian", "backbone.width=16"]) == status
    told = capsys.readouterr().out
    assert said.replace("FILE", str(tmp_path / f"{name}.py")) in told
    assert told.splitlines()[-1].startswith("  note    its YAML file does not list solver, time_law: "), "inherited ones"
    assert len(told.splitlines()) == 2 + len(CHECKS) - (0 if status == 0 else len(OF_LOSSES) - 1)


NAN = """{'net': Loss((a := context.uniform_pair('times')[0]) + (b := (0.5 - a).sqrt()), {'first': a, 'root': b.detach()})}

from methods.base import Loss"""


def test_a_loss_that_is_not_finite_is_one_line_and_what_rests_on_it_is_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "rooted.py").write_text(PLUGIN.replace("BODY", NAN))
    (tmp_path / "method" / "rooted.yaml").write_text("name: rooted\ntarget: rooted:Mine\nsolver: euler\ntime_law: LAW\n"
                                                     .replace("LAW", "{target: methods.times:Uniform}"))
    assert main(["method=rooted", f"plugins={tmp_path}", "data=gaussian", "backbone.width=16", "budget.batch=16"]) == 1
    told = capsys.readouterr().out.splitlines()
    broken = [line for line in told if "BROKEN" in line]
    assert len(broken) == 1, "and not a line more for each check that takes the losses"
    times = StepDraws(0, 0, range(16), 16, torch.device("cpu"), torch.float64).uniform("times", 2)
    wrong = (times[:, 0] > 0.5).nonzero().flatten().tolist()
    drew = f"times={times[wrong[0], 0]:.3g} and {times[wrong[0], 1]:.3g}"
    assert broken[0].endswith(f"stage train, 0% of the budget: net is not finite in {len(wrong)} of 16 samples, by its part "
                              f"root; the first of them, sample {wrong[0]}, drew {drew}")
    assert told[-1] == "  skipped pure, slices, gradients, restart: they are about the losses; mend those first"


def test_the_batch_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["method=imm", "data=gaussian", "backbone.width=16", "budget.batch=44"]) == 0
    assert capsys.readouterr().out.startswith("imm: 40 samples a step"), "whole groups in two slices"


def test_needs_that_cannot_be_read_are_told_as_the_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "needy.py").write_text(PLUGIN.replace("BODY", "{}") + "    needs = property(lambda self: 1 / 0)\n")
    (tmp_path / "method" / "needy.yaml").write_text("name: needy\ntarget: needy:Mine\n")
    assert main(["method=needy", f"plugins={tmp_path}"]) == 2
    assert "method=needy: its needs, stages or supports cannot be read: ZeroDivisionError" in capsys.readouterr().err


def test_a_wrong_command_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["method=halvs"]) == 2
    assert capsys.readouterr().err.startswith("error: method=halvs")
