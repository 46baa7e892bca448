"""What sCM and Align Your Flow share: a loss that pulls the network along a tangent, the truth, where it is cut, training."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from clocks import BOTH, gaussian, skewed
from oracle import context, data, loss_and_gradient, networks, one_loss, squared, teacher_of
from tangent_cases import EXACT, OPEN, PLAIN, THETA, Given
from torch import nn
from trainings import map_error, one_jump, teacher_net, trained

from methods.ayf import AYF, AYFEMD, AYFLMD
from methods.base import Batch, Method
from methods.scm import SCD, SCM, SCT
from methods.tools.interpolant import Interpolant
from methods.tools.tangent import normalised, pull, warm_up

# The pieces of a tangent.


def test_a_pull_has_the_tangents_square_for_value_and_descends_along_it() -> None:
    value, g = torch.randn((2, 7, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value.requires_grad_()
    loss = pull(value, g)
    torch.testing.assert_close(loss, squared(g))
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), value)[0], -2 * g)


def test_a_normalised_tangent_keeps_its_direction_and_stays_below_one() -> None:
    g = torch.logspace(-6, 6, 13, dtype=torch.float64)[:, None, None] * torch.ones((13, 2, 2), dtype=torch.float64)
    size = 2 * g[:, 0, 0]
    torch.testing.assert_close(normalised(g, 0.1).flatten(1).norm(dim=1), size / (size + 0.1))
    assert (normalised(torch.zeros(3, 2), 0.1) == 0).all()


def test_the_warm_up_rises_to_its_end_and_stays() -> None:
    assert [warm_up(p, 0.5) for p in (0.0, 0.25, 0.5, 0.9)] == [0, 0.5, 1, 1]
    assert [warm_up(p, 0.5, 0.99) for p in (0.25, 0.5, 0.9)] == pytest.approx([0.495, 0.99, 0.99])
    assert warm_up(0.0, 0.0) == 1


# At the exact map: the tangent of a distillation is zero at every point.

POINTWISE: dict[str, Method] = {
    "scd": SCD(**OPEN),
    "scd_plain": SCD(**OPEN, **PLAIN),
    "ayf_emd": AYFEMD(**EXACT),
    "ayf_emd_plain": AYFEMD(**EXACT, **PLAIN),
    "ayf_lmd": AYFLMD(**EXACT),
    "ayf_lmd_plain": AYFLMD(**EXACT, **PLAIN),
}


@BOTH
@pytest.mark.parametrize("name", POINTWISE)
def test_loss_and_gradient_vanish_at_the_exact_map(name: str, path: Interpolant) -> None:
    at_truth = loss_and_gradient(replace(POINTWISE[name], interpolant=path), gaussian(path), 0.0)
    assert at_truth.loss < 1e-20
    assert at_truth.size < 1e-10


@BOTH
@pytest.mark.parametrize("name", POINTWISE)
def test_loss_and_gradient_see_a_perturbed_map(name: str, path: Interpolant) -> None:
    perturbed = loss_and_gradient(replace(POINTWISE[name], interpolant=path), gaussian(path), 0.1)
    assert perturbed.loss > 1e-3
    assert perturbed.size > 1e-3


@pytest.mark.parametrize("name", [name for name in POINTWISE if "plain" not in name])
def test_loss_and_gradient_vanish_on_the_skewed_target_to_the_accuracy_of_its_solved_map(name: str) -> None:
    at_truth, perturbed = (loss_and_gradient(POINTWISE[name], skewed(24), theta, n=64) for theta in (0.0, 0.1))
    assert at_truth.loss < 1e-7 and at_truth.size < 1e-4
    assert perturbed.loss > 1e-3 and perturbed.size > 1e-3


@pytest.mark.parametrize("method", [SCT(), SCD(), AYFEMD(), AYFLMD()], ids=["sct", "scd", "ayf_emd", "ayf_lmd"])
def test_one_pass_carries_the_gradient(method: Method) -> None:
    _, net = one_loss(method, gaussian(), 64, THETA, progress=0.5)
    assert [enabled for _, _, enabled in net.calls].count(True) == 1 and len(net.calls) == 2


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-24], ids=["data", "noise"])
@pytest.mark.parametrize("method", [SCT(), SCD(), AYFEMD(), AYFLMD()], ids=["sct", "scd", "ayf_emd", "ayf_lmd"])
def test_the_ends_of_the_clock_are_finite_in_single_precision(method: Method, u: float) -> None:
    """A uniform number may be 0, or the last one below 1; at the exact map the tangent is then still small."""
    at = context(method, 8, progress=0.5, teacher=teacher_of(gaussian()))
    at.draws._dtype = torch.float32  # type: ignore[attr-defined]
    shape = (8,) if isinstance(method, SCM) else (8, 2)
    at = replace(at, draws=Given(at.draws, torch.full(shape, u)))
    if isinstance(method, AYF):
        method = replace(method, warmup_end=1.0)
    models = networks(method, gaussian())
    loss = method.losses(models, Batch(data(gaussian(), 8).float()), at)["net"]
    assert loss.per_sample.isfinite().all()
    assert torch.autograd.grad(loss.per_sample.mean(), models["net"].theta)[0].isfinite().all()  # type: ignore[arg-type]
    if not isinstance(method, SCT):
        assert loss.parts["tangent"].max() < 1e-4


# Stages, knobs, training.


@pytest.mark.parametrize("kind", [SCD, AYFEMD, AYFLMD], ids=["scd", "ayf_emd", "ayf_lmd"])
def test_a_student_starts_as_its_teacher_unless_told_otherwise(kind: type[SCD] | type[AYF]) -> None:
    teacher, net = nn.Linear(1, 1), nn.Linear(1, 1)
    prepare = kind().stages(100)[0].prepare
    assert prepare is not None
    prepare({"net": net}, {"net": teacher})
    assert torch.equal(net.weight, teacher.weight)
    assert kind(initialise=False).stages(100)[0].prepare is None


@pytest.mark.parametrize(("make", "words"), [
    (lambda: SCT(warmup=2.0), ["method.warmup", "share"]),
    (lambda: AYFEMD(c=0.0), ["method.c", "method.normalise=false"]),
    (lambda: AYFLMD(warmup_end=1.5), ["method.warmup_end"]),
    (lambda: AYFEMD(guidance_low=2.0), ["method.guidance_low=2.0", "guidance_high=1.0"]),
])  # fmt: skip
def test_a_knob_that_means_nothing_is_named(make: Callable[[], Method], words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        make()
    assert all(word in str(error.value) for word in words)


TRAINED: dict[str, Method] = {"sct": SCT(), "scd": SCD(), "ayf_emd": AYFEMD(), "ayf_lmd": AYFLMD()}


@pytest.mark.parametrize("name", TRAINED)
def test_a_short_training_learns_the_map_of_a_gaussian(name: str) -> None:
    method = TRAINED[name]
    start = teacher_net("gaussian") if method.needs.teacher else None
    trainer = trained(method, "gaussian", 300, start)
    assert map_error("gaussian", one_jump(trainer)) < 0.04
    if isinstance(method, SCM):
        assert trainer.models["weight"](torch.zeros(1), torch.ones(1)).abs().item() > 1e-4
