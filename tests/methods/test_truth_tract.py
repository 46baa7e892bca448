"""Transitive closure distillation: definition, exactness, its first round's order, and what it is where steps are halved."""

from dataclasses import replace
from math import pi

import pytest
import torch
from clocks import BOTH, gaussian, skewed
from oracle import Oracle, context, data, loss_and_gradient, one_loss, orders, squared, teacher_of
from torch import Tensor, nn
from trainings import learned

from bench.truth import Truth
from methods.base import Loss
from methods.progressive import Progressive, Spacing, Weighting
from methods.tools.interpolant import Interpolant
from methods.tract import Tract

N = 256
SMALL = Tract(start=9, shrink=3)


class Steps(nn.Module):
    """The velocity at the start of every jump, as Euler steps take it."""

    def __init__(self, truth: Truth) -> None:
        super().__init__()
        self.truth = truth

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: object = None, dropout: object = None) -> Tensor:
        return self.truth.velocity(x, s)


def taken(method: Progressive, truth: Truth, index: int, slow: nn.Module) -> tuple[Loss, Oracle, Oracle]:
    """The loss of a round under a teacher that is not exact, the student and that teacher."""
    net, teacher = Oracle(truth, 0.2), Oracle(truth, 0.5)
    target = {"net": slow} if isinstance(method, Tract) else None
    loss, _ = one_loss(method, truth, N, models={"net": net, "teacher": teacher}, stage=method.stages(2**20)[index],
                       target=target)
    return loss, net, teacher


@BOTH
@pytest.mark.parametrize("spacing", Spacing)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_round_is_its_definition(index: int, spacing: Spacing, path: Interpolant) -> None:
    """Nine steps, three and one; each is three of its teacher's. The first teacher is the velocity."""
    truth, n = gaussian(path), 9 // 3**index
    slow = Oracle(truth, 0.4)
    for weighting in Weighting:
        method = replace(SMALL, spacing=spacing, weighting=weighting, interpolant=path)
        loss, net, teacher = taken(method, truth, index, slow)
        at, x_1 = context(method, N), data(truth, N)
        step, j = (at.draws.uniform("times") * n).floor(), (at.draws.uniform("point") * 3).floor()
        positions = torch.stack([step + j / 3, step + (j + 1) / 3, step + 1]) / n
        s, m, e = path.time_of(pi / 2 * positions) if spacing is Spacing.COSINE else positions
        x = path.point(path.base_scale * at.noise(x_1), x_1, s)
        x_m = x + (m - s)[:, None] * (teacher_of(truth)(x, s) if index == 0 else teacher(x, s, m))
        end = torch.where((j == 2)[:, None], x_m, x_m + (e - m)[:, None] * slow(x_m, m, e)).detach()
        w = torch.maximum(path.alpha(s), path.beta(s)) ** 2 if weighting is Weighting.TRUNCATED_SNR else torch.ones(N)
        expected = w * squared(net(x, s, e) - (end - x) / (e - s)[:, None])
        assert len(j.unique()) == 3 and loss.per_sample.mean() > 1e-3
        torch.testing.assert_close(loss.per_sample, expected, rtol=1e-6, atol=1e-9)
        for frozen in (slow, teacher):
            assert torch.autograd.grad(loss.per_sample.mean(), frozen.theta, retain_graph=True, allow_unused=True)[0] is None
        gradients = [torch.autograd.grad(each.mean(), net.theta)[0] for each in (loss.per_sample, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


@BOTH
@pytest.mark.parametrize("index", [0, 1, 3])
def test_with_halves_its_target_at_the_start_of_a_step_is_progressive_distillations(index: int, path: Interpolant) -> None:
    """Once the slow copy is the teacher on the second half."""
    truth = gaussian(path)
    ours, theirs = Tract(start=8, shrink=2, interpolant=path), Progressive(start=8, interpolant=path)
    slow = Steps(truth) if index == 0 else Oracle(truth, 0.5)
    found, expected = (taken(method, truth, index, slow)[0].per_sample for method in (ours, theirs))
    first = context(ours, N).draws.uniform("point") < 0.5
    assert 0.3 < first.double().mean() < 0.7
    torch.testing.assert_close(found[first], expected[first], rtol=1e-7, atol=1e-11)
    assert [(s.images, s.options) for s in replace(ours, last_rounds_weight=2.0).stages(700)] == [
        (s.images, s.options) for s in theirs.stages(700)]  # fmt: skip


@BOTH
@pytest.mark.parametrize("index", [1, 2])
def test_every_round_after_the_first_is_zero_at_the_exact_map_and_only_there(index: int, path: Interpolant) -> None:
    method = replace(SMALL, interpolant=path)
    of_round = {"stage": method.stages(2**20)[index], "target": {"net": Oracle(gaussian(path))}}
    at_truth, perturbed = (loss_and_gradient(method, gaussian(path), theta, **of_round) for theta in (0.0, 0.1))
    assert at_truth.loss < 1e-18 and at_truth.size < 1e-9
    assert perturbed.loss > 1e-3 and perturbed.size > 1e-3


def test_it_is_zero_on_the_skewed_target_to_the_accuracy_of_its_solved_map() -> None:
    of_round = {"stage": SMALL.stages(2**20)[1], "target": {"net": Oracle(skewed(40))}, "n": 128}
    assert loss_and_gradient(SMALL, skewed(40), 0.0, **of_round).loss < 1e-8
    assert loss_and_gradient(SMALL, skewed(40), 0.1, **of_round).loss > 1e-3


def test_the_first_round_has_the_error_of_eulers_steps() -> None:
    sizes = {}
    for shrink in (32, 64, 128):
        method = Tract(start=1, shrink=shrink, spacing=Spacing.UNIFORM, weighting=Weighting.VELOCITY)
        target = {"net": Oracle(gaussian())}
        sizes[shrink] = loss_and_gradient(method, gaussian(), 0.0, stage=method.stages(100)[0], target=target).loss
    assert all(found > 1.7 for found in orders(sizes))


def test_rounds_shrink_the_steps_to_one_in_equal_parts_of_the_images() -> None:
    stages = [(stage.name, stage.images, stage.options["first"]) for stage in Tract().stages(64)]
    assert stages == [("32 steps", 32, True), ("1 steps", 32, False)]
    assert [s.name for s in Tract(start=1, shrink=40).stages(9)] == ["1 steps"]
    assert Tract().kept == [] and Tract(start=8, shrink=8).kept == [8]
    assert Tract().needs.target_ema == 0.5


@pytest.mark.parametrize(("start", "shrink"), [(12, 2), (33, 32), (8, 16)])
def test_a_start_that_is_no_power_is_refused(start: int, shrink: int) -> None:
    with pytest.raises(ValueError, match=r"method\.start.*method\.shrink"):
        Tract(start=start, shrink=shrink)


@pytest.mark.parametrize("method", [Tract(start=8, shrink=8)], ids=["two_rounds"])
def test_a_short_training_learns_the_map_of_a_gaussian(method: Tract) -> None:
    assert learned(method, "gaussian") < 0.06
