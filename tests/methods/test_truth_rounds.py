"""Single rounds, stages and parts of a curriculum: their clock, weight and teacher, and which of two times a limit moves."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from clocks import BOTH, gaussian
from oracle import Oracle, context, data, one_loss, teacher_of
from torch import Tensor

from bench.truth import Gaussian
from methods.base import Method
from methods.imm import IMM
from methods.pairs import DoublingPairs, EasyPairs, GrowingPairs
from methods.pfmm import PFMM
from methods.progressive import Progressive, Spacing, Weighting
from methods.self_distillation import ESD, LSD, PSD
from methods.shortcut import Shortcut
from methods.soflow import SoFlow
from methods.tools.interpolant import Interpolant, Linear
from methods.tools.shapes import squared
from methods.truncated import TCM

N = 256


def of_stage(method: Method, truth: Gaussian, index: int) -> tuple[Tensor, Oracle, Oracle]:
    """Per-sample loss of a stage whose frozen teacher is far from exact, the student and the teacher."""
    net, teacher = Oracle(truth, 0.2), Oracle(truth, 0.5)
    loss, _ = one_loss(method, truth, N, models={"net": net, "teacher": teacher}, stage=method.stages(2**20)[index])
    for each in (net, teacher):
        each.requires_grad_(False)
    return loss.per_sample.detach(), net, teacher


def halves(velocity: Any, x: Tensor, s: Tensor, m: Tensor, t: Tensor) -> Tensor:
    """The mean velocity of two jumps X_{s,m} and X_{m,t} with that of each by `velocity`."""
    half = x + (m - s)[:, None] * velocity(x, s, m)
    end = half + (t - m)[:, None] * velocity(half, m, t)
    return (end - x) / (t - s)[:, None]


# Progressive distillation.


@BOTH
@pytest.mark.parametrize("spacing", Spacing)
@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_a_round_is_its_definition_on_its_own_grid_with_its_weight(index: int, spacing: Spacing, path: Interpolant) -> None:
    """Eight, four, two steps and one. The first round asks the teacher's velocity, the others the student before."""
    truth, n = gaussian(path), 8 >> index
    for weighting in Weighting:
        method = Progressive(start=8, spacing=spacing, weighting=weighting, interpolant=path)
        loss, net, teacher = of_stage(method, truth, index)
        i = (context(method, N).draws.uniform("times") * n).floor()
        positions = [(i + k) / n for k in (0, 0.5, 1)]
        # Cosine: equal parts of the angle whose tangent is data over noise.
        s, m, t = (path.time_of(torch.pi / 2 * u) if spacing is Spacing.COSINE else u for u in positions)
        x_0, x_1 = path.base_scale * context(method, N).noise(data(truth, N)), data(truth, N)
        x = path.point(x_0, x_1, s)
        velocity = (lambda x, s, t: teacher_of(truth)(x, s)) if index == 0 else teacher
        w = torch.maximum(path.alpha(s), path.beta(s)) ** 2 if weighting is Weighting.TRUNCATED_SNR else torch.ones(N)
        assert loss.mean() > 1e-3
        torch.testing.assert_close(loss, w * squared(net(x, s, t) - halves(velocity, x, s, m, t)), rtol=1e-7, atol=1e-11)


def test_the_last_two_rounds_are_twice_as_long_as_the_others() -> None:
    stages = Progressive(start=16).stages(700)
    assert [(stage.name, stage.images) for stage in stages] == [
        ("16 steps", 100), ("8 steps", 100), ("4 steps", 100), ("2 steps", 200), ("1 steps", 200)]  # fmt: skip
    assert [stage.options for stage in stages] == [{"steps": n, "first": n == 16} for n in (16, 8, 4, 2, 1)]
    assert [stage.images for stage in Progressive(start=4, last_rounds_weight=1.0).stages(300)] == [100, 100, 100]


# Progressive flow map matching.


@BOTH
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_stage_of_progressive_flow_map_matching_is_its_definition(index: int, path: Interpolant) -> None:
    method, truth = PFMM(doublings=2, interpolant=path), gaussian(path)
    loss, net, teacher = of_stage(method, truth, index)
    u, v = context(method, N).draws.uniform("times", 2).T
    gap = 2.0 ** (index - 2) * v
    s = u * (1 - gap)
    x = path.point(path.base_scale * context(method, N).noise(data(truth, N)), data(truth, N), s)
    velocity = (lambda x, s, t: teacher_of(truth)(x, s)) if index == 0 else teacher
    expected = squared(net(x, s, s + gap) - halves(velocity, x, s, s + gap / 2, s + gap))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-9)


# Truncated consistency models and curricula.


@pytest.mark.parametrize("progress", [0.5, 0.75, 0.999])
def test_the_second_stage_keeps_the_last_ratio_whatever_its_progress(progress: float) -> None:
    _, net = one_loss(TCM(), gaussian(), N, progress=progress)
    (r, _, _), (s, _, _) = sorted(net.calls, key=lambda call: call[2])  # the target has no gradient
    sigma, sigma_r = (1 - s) / s, (1 - r) / r
    torch.testing.assert_close(sigma_r, sigma * (1 - 0.001 * (1 + 8 / (1 + sigma.exp()))), rtol=1e-9, atol=0)


@pytest.mark.parametrize("part", range(10))
def test_the_first_stage_halves_the_gap_in_ten_equal_parts_down_to_its_limit(part: int) -> None:
    method = TCM(first_share=0.4)
    progress = 0.4 * (part + 0.5) / 10
    _, net = one_loss(method, gaussian(), N, stage=method.stages(1000)[0], progress=progress)
    (r, _, _), (s, _, _) = sorted((call for call in net.calls), key=lambda call: call[2])
    sigma, sigma_r = (1 - s) / s, (1 - r) / r
    d = max(2.0 ** -(part + 1), 0.001)
    torch.testing.assert_close(sigma_r, (sigma * (1 - d * (1 + 8 / (1 + sigma.exp())))).clamp(min=0), rtol=1e-7, atol=1e-12)


def test_where_a_pair_is_cut_at_data_the_clean_end_moves_and_the_weight_is_of_what_is_left() -> None:
    u = (torch.arange(200).double() + 0.5) / 200
    s, r, w = EasyPairs()(u, 0.0, Linear())
    sigma = torch.exp(-1.1 + 2 * torch.special.ndtri(u))
    torch.testing.assert_close((1 - s) / s, sigma)
    cut = r == 1
    assert 20 < cut.sum() < 200
    torch.testing.assert_close(w, 1 / (sigma - (1 - r) / r), rtol=1e-9, atol=0)
    torch.testing.assert_close(w[cut], 1 / sigma[cut])


@pytest.mark.parametrize("step", range(0, 400, 25))
def test_the_number_of_intervals_follows_the_papers_formula_at_every_step(step: int) -> None:
    p = step / 400
    growing = max(1, -int(-((p * (151**2 - 2**2) + 2**2) ** 0.5 - 1) // 1))
    assert GrowingPairs().intervals(p) == growing
    assert DoublingPairs().intervals(p) == min(10 * 2 ** (step // 50), 1280)  # K' = floor(400 / (log2(128) + 1)) = 50


# Which of two times moves.


@pytest.mark.parametrize("kind", [LSD, ESD, PSD])
@pytest.mark.parametrize("progress", [0.1, 0.3])
def test_annealing_moves_the_end_of_the_interval_and_leaves_its_start(kind: type[LSD | ESD | PSD], progress: float) -> None:
    whole, cut = (one_loss(kind(eta=0.0, anneal=a), gaussian(), N, progress=progress)[1] for a in (0.0, 0.5))
    spans = [[(s, t) for s, t, enabled in net.calls if enabled and len(s)][-1] for net in (whole, cut)]
    (s, t), (s_cut, t_cut) = spans
    assert torch.equal(s, s_cut)
    torch.testing.assert_close(t_cut, torch.minimum(t, s + 2 * progress))
    assert (t_cut < t).any()


def test_moment_matching_moves_the_middle_time_to_the_end_and_never_the_end() -> None:
    method = IMM(particles=1, gap=1)  # a step that is often longer than what is left
    _, net = one_loss(method, gaussian(), N)
    (tau, end, _), (rho, end_2, _) = net.calls
    u, v = (context(method, N).draws.uniform(name) for name in ("t", "s"))
    torch.testing.assert_close(tau, 0.006 + 0.988 * u)
    torch.testing.assert_close(end, tau + (0.994 - tau) * v)
    assert torch.equal(end, end_2) and (tau <= rho).all() and (rho <= end).all()
    moved = rho == end
    assert 0 < moved.sum() < N
    torch.testing.assert_close(rho, torch.minimum(end, method.closer(tau)))


def test_soflow_moves_the_end_that_comes_too_early_and_leaves_the_start() -> None:
    _, net = one_loss(SoFlow(), gaussian(), N, progress=0.5)
    s, t, _ = net.calls[0]
    u, v = context(SoFlow(), N).draws.uniform("times", 2).T
    torch.testing.assert_close(s, torch.sigmoid(0.9 + 1.6 * torch.special.ndtri(u)).clamp(max=1 - 1e-4))
    end = torch.sigmoid(4 + 1.6 * torch.special.ndtri(v))
    early = end < s + 1e-4
    assert early.any() and not early.all()
    torch.testing.assert_close(t[early], (s + 1e-4)[early])
    torch.testing.assert_close(t[~early], end[~early])


def test_a_shortcut_rounds_its_start_down_and_ends_a_whole_step_later() -> None:
    method = Shortcut(levels=3, bootstrap=0.5)
    _, net = one_loss(method, gaussian(), N)
    on, off = context(method, N).split(0.5)
    u, which = context(method, N).draws.uniform("times", 2).T
    d = 0.5 ** (3 * which[on]).floor()
    (s, t, _), (s_1, t_1, _), (s_2, t_2, _), (s_on, t_on, _) = net.calls
    assert torch.equal(s, (8 * u[off]).floor() / 8) and torch.equal(t, s + 1 / 8)
    start = (u[on] / d).floor() * d
    for found, expected in ((s_on, start), (t_on, start + d), (s_1, start), (t_1, start + d / 2), (s_2, start + d / 2),
                            (t_2, start + d)):  # fmt: skip
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", [LSD, ESD, PSD])
def test_the_diagonal_has_a_time_of_its_own_and_the_rest_of_the_batch_the_triangle(kind: type[LSD | ESD | PSD]) -> None:
    method = replace(kind(), eta=0.5)
    _, net = one_loss(method, gaussian(), N)
    on, off = context(method, N).split(0.5)
    draws = context(method, N).draws
    assert torch.equal(net.calls[0][0], draws.uniform("diagonal")[on]) and torch.equal(*net.calls[0][:2])
    pair = draws.uniform("times", 2)[off]
    assert any(torch.equal(s, pair.min(1).values) and torch.equal(t, pair.max(1).values) for s, t, _ in net.calls[1:])
