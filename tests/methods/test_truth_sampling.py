"""With the exact map in place of the network, every sampling rule draws from the target."""

import pytest
import torch
from oracle import Oracle

from bench.scoring.sample import Sampler
from bench.training.rng import StepDraws
from bench.truth import target
from methods.base import Method
from methods.consistency import CD, ECT
from methods.flow_matching import FlowMatching
from methods.imm import IMM
from methods.progressive import Progressive
from methods.self_distillation import LSD
from methods.tools.interpolant import Linear
from methods.tools.solvers import Solver

CPU = torch.device("cpu")
COUNT, CHUNK = 40_000, 10_000


def moments(method: Method, steps: int, base_scale: float = 1.0) -> tuple[float, float]:
    """Errors of the mean and of the covariance of COUNT samples, in standard deviations of the widest direction."""
    truth = target("gaussian", base_scale)
    sampler = Sampler(method, {"net": Oracle(truth)}, (2,), 0, CHUNK, CPU)
    x = torch.cat([sampler.draw(i, steps) for i in range(COUNT // CHUNK)]).double()
    mean, covariance = (torch.tensor(a, dtype=torch.float64) for a in (truth.mean, truth.covariance))
    return (x.mean(0) - mean).norm().item() / 1.5, (torch.cov(x.T) - covariance).norm().item() / 1.5**2


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("method", [LSD(), IMM(), Progressive(), ECT(), CD()], ids=lambda m: type(m).__name__)
def test_exact_maps_sample_the_target_in_any_number_of_steps(method: Method, steps: int) -> None:
    mean, covariance = moments(method, steps)
    # A start at sigma = 80 instead of infinity leaves 1/81 of the mean behind.
    assert mean < 0.02
    assert covariance < 0.03


@pytest.mark.parametrize("method", [LSD(interpolant=Linear(0.5)), CD(interpolant=Linear(0.5))], ids=["hop", "renoise"])
def test_exact_maps_sample_the_target_from_another_base_scale(method: Method) -> None:
    mean, covariance = moments(method, 3, 0.5)
    assert mean < 0.02
    assert covariance < 0.03


def test_the_velocity_is_integrated_to_the_target() -> None:
    rough, fine = (moments(FlowMatching(solver=Solver.HEUN), steps)[1] for steps in (1, 32))
    assert fine < 0.03 < rough


@pytest.mark.parametrize("solver", Solver)
def test_a_step_of_flow_matching_calls_its_network_as_often_as_its_solver_says(solver: Solver) -> None:
    net, half = Oracle(target("gaussian")), torch.full((4,), 0.5)
    FlowMatching(solver=solver).jump({"net": net}, torch.zeros(4, 2), half, half + 0.25)
    assert len(net.calls) == {"euler": 1, "heun": 2, "midpoint": 2, "rk4": 4}[solver.value]
    assert all(torch.equal(s, t) for s, t, _ in net.calls)


# The draws behind all of it.


def draws(step: int = 0, rows: range = range(8), seed: int = 0) -> StepDraws:
    return StepDraws(seed, step, rows, 8, CPU, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_a_slice_draws_the_rows_of_the_whole(kind: str) -> None:
    whole = getattr(draws(), kind)("a", 3)
    for part in (draws(rows=range(2, 6)), draws().slice(range(2, 6))):
        assert torch.equal(getattr(part, kind)("a", 3), whole[2:6])


def test_draws_differ_by_purpose_step_and_seed_and_repeat_otherwise() -> None:
    first = draws().uniform("a")
    assert torch.equal(first, draws().uniform("a"))
    for other in (draws().uniform("b"), draws(step=1).uniform("a"), draws(seed=1).uniform("a")):
        assert (first != other).all()


def test_draws_have_their_laws() -> None:
    d = StepDraws(0, 0, range(100_000), 100_000, CPU, dtype=torch.float64)
    u, z = d.uniform("u"), d.normal("z")
    assert (u.mean().item(), u.var().item()) == pytest.approx((1 / 2, 1 / 12), abs=0.005)
    assert (z.mean().item(), z.var().item()) == pytest.approx((0, 1), abs=0.02)
    assert torch.corrcoef(torch.stack([u, z]))[0, 1].abs() < 0.02


def test_passes_of_one_purpose_share_their_dropout_mask() -> None:
    first, same, other = (draws().dropout(p) for p in ("student", "student", "teacher"))
    assert torch.equal(first("block0", (8, 4)), same("block0", (8, 4)))
    assert (first("block0", (8, 4)) != other("block0", (8, 4))).all()
    assert (first("block0", (8, 4)) != first("block1", (8, 4))).all()


def test_a_pass_over_some_samples_gets_their_rows_of_the_mask() -> None:
    positions = torch.tensor([1, 5])
    assert torch.equal(draws().dropout("a", positions)("b", (2, 4)), draws().dropout("a")("b", (8, 4))[positions])


@pytest.mark.parametrize("steps", [3, 32])
def test_progressive_distillation_has_no_jump_of_a_length_that_no_student_was_kept_for(steps: int) -> None:
    method, x = Progressive(), torch.zeros((4, 2), dtype=torch.float64)
    s, t = method.times(steps)[:2].expand(4, 2).T
    with pytest.raises(ValueError, match="students of 1, 2, 4, 8, 16 steps"):
        method.jump({"net": Oracle(target("gaussian"))}, x, s, t)
