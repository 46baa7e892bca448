"""Scoring: the exact map has no error on either clock, evaluations are counted, noise follows the sample's index."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from oracle import Oracle, on_clock
from small_runs import SMALL
from specs import source

from bench import data, run
from bench.config import compose as config
from bench.config.registry import make_method
from bench.metrics.points import sliced_w2
from bench.model import load
from bench.scoring import evaluation as evaluate
from bench.scoring import model
from bench.scoring.sample import Sampler
from bench.scoring.score import map_errors
from bench.truth import Gaussian
from methods.base import Method
from methods.consistency import CD, ECT
from methods.flow_matching import FlowMatching
from methods.progressive import Progressive
from methods.self_distillation import LSD
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.tools.solvers import Solver

CPU = torch.device("cpu")
CLOCKS = [Linear(), Linear(0.5), Trigonometric(), Trigonometric(0.5)]


def exact(path: Interpolant, perturbed: float = 0.0) -> tuple[data.Dataset, dict[str, torch.nn.Module]]:
    """The Gaussian data set on the noise of `path`, and its exact map on that clock as a network."""
    found = data.load(source({"name": "gaussian"}), path.base_scale)
    assert isinstance(found.truth, Gaussian)
    return found, {"net": Oracle(on_clock(found.truth, path), perturbed)}


def sampler(method: Method, models: dict[str, torch.nn.Module], seed: int = 0, chunk: int = 500) -> Sampler:
    return Sampler(method, models, (2,), seed, chunk, CPU)


@pytest.mark.parametrize("path", CLOCKS, ids=repr)
@pytest.mark.parametrize("method", [LSD, ECT])
def test_the_exact_map_has_no_error_on_any_clock_and_a_perturbed_one_has(method: type[Method], path: Interpolant) -> None:
    found, models = exact(path)
    errors = map_errors(method(interpolant=path), models, found, 0, CPU)
    assert "one_jump_error" in errors and ("map_error" in errors) == (method is LSD)
    assert all(value < 1e-12 for value, _ in errors.values())
    found, models = exact(path, perturbed=0.3)
    assert all(value > 1e-3 for value, _ in map_errors(method(interpolant=path), models, found, 0, CPU).values())


@pytest.mark.parametrize("path", CLOCKS, ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("method", [LSD, CD])
def test_hopping_and_renoising_with_the_exact_map_sample_the_target(
    method: type[Method], steps: int, path: Interpolant
) -> None:
    found, models = exact(path)
    samples = torch.cat(list(sampler(method(interpolant=path), models).batches(20_000, steps, 5000)))
    floor = sliced_w2(found.heldout[:20_000], found.heldout[20_000:40_000])
    assert sliced_w2(samples, found.heldout[:20_000]) < 3 * floor


def test_hops_with_the_exact_map_end_at_the_same_point_for_any_number_of_steps() -> None:
    _, models = exact(Linear())
    one, four = (sampler(LSD(), models).draw(0, steps) for steps in (1, 4))
    torch.testing.assert_close(one, four, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grid", ["untuned", "papers"])
def test_the_protocols_rule_of_times_is_where_scored_samples_stop(grid: str, tmp_path: Path) -> None:
    """In the rows of a run and in the model that it leaves: two steps of ECT see the network at these noise levels."""
    command = [*SMALL, "method=ect", "budget.images=512", "evaluation.steps=[2]", f"evaluation.grid={grid}", "backend=debug",
               f"out={tmp_path}"]
    starts: list[list[float]] = []

    class Watched(Sampler):
        def draw(self, index: int, steps: int) -> torch.Tensor:
            starts.append(self.method.interpolant.sigma(self.method.sampling_times(steps, self.papers))[:2].tolist())
            return super().draw(index, steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "Sampler", Watched)
        patch.setattr(model, "Sampler", Watched)
        assert run.main(command) == 0
        scored = len(starts)
        (folder,) = (tmp_path / "runs").glob("ect-*")
        load(folder).sample(4, steps=2)
    assert 0 < scored < len(starts)
    assert all(start == pytest.approx([80, 0.821 if grid == "papers" else 2.51], rel=0.01) for start in starts)


def test_renoising_draws_fresh_noise_at_every_step() -> None:
    _, models = exact(Linear())
    one, two = (sampler(ECT(), models).draw(0, steps) for steps in (1, 2))
    assert (one - two).square().mean() > 0.1


@pytest.mark.parametrize(("solver", "order"), [(Solver.EULER, 1), (Solver.HEUN, 2), (Solver.MIDPOINT, 2), (Solver.RK4, 4)])
def test_a_velocity_model_converges_to_the_exact_map_at_least_at_its_solvers_order(solver: Solver, order: int) -> None:
    found, models = exact(Linear())
    truth, method = found.truth, FlowMatching(solver=solver)
    assert truth is not None
    x_0 = torch.randn((200, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    end = truth.flow(x_0, torch.zeros(200).double(), torch.ones(200).double())
    errors = []
    for steps in (8, 16):
        x, times = x_0, method.grid(steps)
        for s, t in pairwise(times):
            x = method.jump(models, x, s.expand(200), t.expand(200))
        errors.append((x - end).square().sum(1).mean().sqrt().item())
    assert errors[0] / errors[1] > 0.65 * 2**order  # midpoint does better than its order here
    assert solver is not Solver.EULER or errors[0] / errors[1] < 3


def test_the_student_of_a_step_count_makes_its_samples() -> None:
    method = Progressive(start=8)
    truth = exact(Linear())[0].truth
    assert truth is not None
    models = {role: Oracle(truth) for role in ("net", "teacher", "student_2", "student_4", "student_8")}
    for steps, role in ((1, "net"), (2, "student_2"), (4, "student_4"), (8, "student_8")):
        for net in models.values():
            net.calls.clear()
        sampler(method, dict(models)).draw(0, steps)
        assert {name: len(net.calls) for name, net in models.items() if net.calls} == {role: steps}
    assert not method.supports(16)


def test_a_samples_noise_is_a_function_of_seed_and_index_alone() -> None:
    _, models = exact(Linear())
    draws = [torch.cat(list(sampler(LSD(), models).batches(1700, 2, size))) for size in (100, 700, 5000)]
    assert torch.equal(draws[0], draws[1]) and torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], torch.cat(list(sampler(LSD(), models, seed=1).batches(1700, 2, 5000))))
    assert draws[0].unique(dim=0).shape == (1700, 2), "no chunk repeats another"


@pytest.mark.parametrize("name", config.names("method"))
def test_only_velocity_models_are_scored_with_other_solvers(name: str) -> None:
    made = make_method(config.section("method", name), Linear())
    integrates = made.velocity_model or name in ("contrastive", "curvature")  # a velocity, and not that of the data
    assert evaluate.sampling_rule(made).startswith("hop:") is integrates
