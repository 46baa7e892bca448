"""Objectives that vanish sample by sample at the exact flow map: loss and gradient are zero there, and nowhere near it.

Self-distillation is taken at eta = 0, its distillation term alone; its diagonal term is flow matching's (class C). So are
shortcut models at bootstrap = 1, and direct flow map matching by its inversion term.
"""

from dataclasses import replace

import pytest
from oracle import loss_and_gradient, on_clock

from bench.truth import Gaussian, Truth, target
from methods.base import Method
from methods.flow_map_matching import EMD, FMM, LMD
from methods.pfmm import PFMM
from methods.progressive import Progressive, Spacing, Weighting
from methods.self_distillation import ESD, LSD, PSD, StopGradient
from methods.shortcut import Shortcut
from methods.split_meanflow import SplitMeanFlow
from methods.times import Curriculum
from methods.tools.interpolant import Linear, Trigonometric

OFF = {"eta": 0.0, "learned_weight": False}
METHODS: dict[str, Method] = {
    "lsd": LSD(**OFF),
    "lsd_none": LSD(stop_gradient=StopGradient.NONE, **OFF),
    "lsd_detached": LSD(stop_gradient=StopGradient.DETACHED, **OFF),
    "esd": ESD(**OFF),
    "esd_convex": ESD(stop_gradient=StopGradient.CONVEX, **OFF),
    "esd_none": ESD(stop_gradient=StopGradient.NONE, **OFF),
    "esd_detached": ESD(stop_gradient=StopGradient.DETACHED, **OFF),
    "psd_m": PSD(**OFF),
    "psd_m_none": PSD(stop_gradient=StopGradient.NONE, **OFF),
    "psd_u": PSD(uniform=True, **OFF),
    "lmd": LMD(),
    "lmd_plain": LMD(stop_gradient=False),
    "lmd_box": LMD(curriculum=Curriculum.BOX),
    "emd": EMD(),
    "emd_diagonal": EMD(curriculum=Curriculum.DIAGONAL),
    "emd_cut": EMD(stop_gradient=True),
    "pfmm": PFMM(doublings=2),
    "shortcut": Shortcut(bootstrap=1.0),
    "split_meanflow": SplitMeanFlow(),
    "progressive": Progressive(start=8),
    "progressive_uniform": Progressive(start=8, spacing=Spacing.UNIFORM, weighting=Weighting.VELOCITY),
}
CLOCKS = {"linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(base_scale=0.5),
          "trigonometric_half_base": Trigonometric(base_scale=0.5)}
SKEWED_STEPS = 40  # RK4 steps of the solved map


def gaussian(path: Linear | Trigonometric) -> Gaussian:
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def skewed() -> Truth:
    return replace(target("skewed"), steps=SKEWED_STEPS)  # type: ignore[type-var]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", METHODS)
def test_loss_and_gradient_vanish_at_the_exact_map(name: str, clock: str) -> None:
    method = replace(METHODS[name], interpolant=CLOCKS[clock])
    at_truth = loss_and_gradient(method, gaussian(CLOCKS[clock]), 0.0)
    assert at_truth.loss < 1e-20
    assert at_truth.size < 1e-10


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", METHODS)
def test_loss_and_gradient_see_a_perturbed_map(name: str, clock: str) -> None:
    method = replace(METHODS[name], interpolant=CLOCKS[clock])
    perturbed = loss_and_gradient(method, gaussian(CLOCKS[clock]), 0.1)
    assert perturbed.loss > 1e-3
    assert perturbed.size > 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_loss_and_gradient_vanish_on_the_skewed_target_to_the_accuracy_of_its_solved_map(name: str) -> None:
    at_truth = loss_and_gradient(METHODS[name], skewed(), 0.0, n=256)
    assert at_truth.loss < 1e-9
    assert at_truth.size < 1e-5


@pytest.mark.parametrize("name", METHODS)
def test_loss_and_gradient_see_a_perturbed_map_of_the_skewed_target(name: str) -> None:
    perturbed = loss_and_gradient(METHODS[name], skewed(), 0.1, n=256)
    assert perturbed.loss > 1e-3
    assert perturbed.size > 1e-3


@pytest.mark.parametrize("name", ["lsd", "esd", "psd_m", "psd_u"])
def test_the_distillation_part_is_zero_beside_the_diagonal_term(name: str) -> None:
    method = replace(METHODS[name], eta=0.75, learned_weight=True)
    truth = target("gaussian")
    assert loss_and_gradient(method, truth, 0.0, part="distillation").loss < 1e-20
    assert loss_and_gradient(method, truth, 0.1, part="distillation").loss > 1e-3


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_round_of_progressive_distillation_after_the_first_is_exact(stage: int) -> None:
    method = Progressive(start=8)
    of_round = {"stage": method.stages(2**20)[stage]}
    assert loss_and_gradient(method, target("gaussian"), 0.0, **of_round).loss < 1e-20
    assert loss_and_gradient(method, target("gaussian"), 0.1, **of_round).loss > 1e-3


@pytest.mark.parametrize("stage", [1, 2])
def test_every_stage_of_progressive_flow_map_matching_after_the_first_is_exact(stage: int) -> None:
    method = PFMM(doublings=2)
    of_stage = {"stage": method.stages(2**20)[stage]}
    assert loss_and_gradient(method, target("gaussian"), 0.0, **of_stage).loss < 1e-20
    assert loss_and_gradient(method, target("gaussian"), 0.1, **of_stage).loss > 1e-3


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_inversion_term_of_flow_map_matching_is_zero(clock: str) -> None:
    """Beside the Lagrangian term: its value is logged, and its gradient is what weighing it by 1 instead of 0 adds."""
    whole, bare = (FMM(inversion=w, interpolant=CLOCKS[clock]) for w in (1.0, 0.0))
    for theta, zero in ((0.0, True), (0.1, False)):
        added = loss_and_gradient(whole, gaussian(CLOCKS[clock]), theta, part="inversion")
        without = loss_and_gradient(bare, gaussian(CLOCKS[clock]), theta)
        assert (added.loss < 1e-20) is zero and (added.loss > 1e-3) is not zero
        size = (added.gradient - without.gradient).norm().item()
        assert (size < 1e-10) is zero and (size > 1e-3) is not zero


def test_the_inversion_term_is_zero_on_the_skewed_target_to_the_accuracy_of_its_solved_map() -> None:
    assert loss_and_gradient(FMM(), skewed(), 0.0, n=256, part="inversion").loss < 1e-9
    assert loss_and_gradient(FMM(), skewed(), 0.1, n=256, part="inversion").loss > 1e-3
