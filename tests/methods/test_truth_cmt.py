"""Consistency mid-training: its paths, its first stage at the exact map, its second as easy consistency, a short training."""

from dataclasses import replace

import pytest
import torch
from clocks import BOTH, gaussian, skewed
from oracle import Oracle, context, data, one_loss, orders
from paths import exact_paths, solved_paths, trained_on_paths, wanted
from torch import Tensor
from trainings import map_error, one_jump, teacher_net

from bench.truth import Truth
from methods.base import Batch
from methods.cmt import CMT
from methods.consistency import ECT
from methods.pairs import EasyPairs
from methods.tools.interpolant import Interpolant
from methods.tools.solvers import Solver

N = 512


def first(method: CMT, truth: Truth, states: Tensor, theta: float = 0.0) -> tuple[Tensor, Tensor]:
    """Per-sample losses of mid-training and the gradient of their mean."""
    net, n = Oracle(truth, theta), len(states)
    at = context(method, n, stage=method.stages(2**20)[0])
    loss = method.losses({"net": net}, Batch(data(truth, n), states=states), at)["net"].per_sample
    return loss.detach(), torch.autograd.grad(loss.mean(), net.theta)[0]


@BOTH
def test_a_path_has_its_points_even_in_the_logarithm_of_the_noise_level(path: Interpolant) -> None:
    """Sixteen steps from 80 to .002, which is data; the noise itself comes before."""
    paths = wanted(CMT(interpolant=path))
    assert paths.times[0] == 0 and paths.kept == tuple(range(1, 18)) and paths.times[-1] == 1
    sigma = path.sigma(torch.tensor(paths.times[1:-1], dtype=torch.float64))
    expected = 80 * (0.002 / 80) ** (torch.arange(16, dtype=torch.float64) / 16)
    torch.testing.assert_close(sigma, expected, rtol=1e-9, atol=0)
    finer = wanted(CMT(interpolant=path, teacher_substeps=3))
    torch.testing.assert_close([finer.times[k] for k in finer.kept], [paths.times[k] for k in paths.kept])


@BOTH
def test_mid_training_is_its_definition(path: Interpolant) -> None:
    method, truth = CMT(interpolant=path, teacher_substeps=2), gaussian(path)
    states, net = solved_paths(method, truth, N), Oracle(truth, 0.2)
    found, gradient = first(method, truth, states, 0.2)
    i = (context(method, N).draws.uniform("point") * 16).long()
    paths = wanted(method)
    s = torch.tensor(paths.times, dtype=torch.float64)[torch.tensor(paths.kept)[i]]
    x = states[torch.arange(N), 1 + i]
    expected = (x + (1 - s)[:, None] * net(x, s, torch.ones_like(s)) - states[:, 17]).square().sum(1)
    assert len(i.unique()) == 16
    torch.testing.assert_close(found, expected.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.mean(), net.theta)[0], rtol=1e-9, atol=1e-12)


@BOTH
def test_mid_training_is_zero_at_the_exact_map_on_exact_paths_and_only_there(path: Interpolant) -> None:
    method, truth = CMT(interpolant=path), gaussian(path)
    states = exact_paths(method, truth, N)
    loss, gradient = first(method, truth, states)
    assert loss.max() < 1e-16 and gradient.norm() < 1e-9
    loss, gradient = first(method, truth, states, 0.1)
    assert loss.mean() > 1e-3 and gradient.norm() > 1e-3


@pytest.mark.parametrize("solver", [Solver.EULER, Solver.HEUN])
def test_mid_training_on_solved_paths_is_zero_up_to_the_solvers_order(solver: Solver) -> None:
    sizes = {}
    for substeps in (8, 16, 32):
        method = CMT(teacher_solver=solver, teacher_substeps=substeps)
        sizes[substeps] = first(method, gaussian(), solved_paths(method, gaussian(), N))[0].mean().item()
    assert list(orders(sizes))[-1] == pytest.approx(2 * solver.order, abs=0.4)


def test_mid_training_is_zero_on_the_skewed_target_up_to_the_solvers_error() -> None:
    truth, method = skewed(40), CMT(teacher_substeps=8)
    states = solved_paths(method, truth, 128)
    assert first(method, truth, states)[0].mean() < 1e-5 < 1e-3 < first(method, truth, states, 0.1)[0].mean()


@BOTH
@pytest.mark.parametrize("progress", [0.75, 0.999])
def test_the_second_stage_is_easy_consistency_at_one_small_gap(progress: float, path: Interpolant) -> None:
    truth = gaussian(path)
    ours, net = one_loss(CMT(interpolant=path), truth, N, 0.2, progress=progress)
    easy = ECT(pairs=EasyPairs(q=4096.0, doublings=1), interpolant=path)
    assert torch.equal(ours.per_sample, one_loss(easy, truth, N, 0.2, progress=progress)[0].per_sample)
    (r, _, _), (s, _, _) = sorted(net.calls, key=lambda call: call[2])  # the target has no gradient
    s, r = (path.sigma(t) for t in (s, r))
    torch.testing.assert_close(1 - r / s, (1 + 8 / (1 + s.exp())) / 4096, rtol=1e-6, atol=1e-9)


def test_three_quarters_of_the_images_are_mid_trainings() -> None:
    assert [(stage.name, stage.images) for stage in CMT().stages(1000)] == [("mid-training", 750), ("consistency", 250)]
    scratch = CMT(pretrained=False)
    assert scratch.stages(1000)[0].prepare is None and scratch.stages(1000)[1].prepare is not None
    assert scratch.needs.teacher


def test_a_batch_without_paths_is_refused() -> None:
    with pytest.raises(ValueError, match="trajectories"):
        one_loss(CMT(), gaussian(), 4, stage=CMT().stages(8)[0])


def test_levels_that_rise_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sigma_min.*sigma_max"):
        replace(CMT(), sigma_min=90.0)


def test_a_short_training_learns_the_map_of_a_gaussian() -> None:
    assert map_error("gaussian", one_jump(trained_on_paths(CMT(), "gaussian", 300, teacher_net("gaussian")))) < 0.04
