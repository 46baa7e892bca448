"""Clocks and laws of time: interpolants and conversions between them, noise levels, grids, the times methods visit."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from math import ceil, pi

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import context, data, on_clock, one_loss
from torch import Tensor

from bench.truth import Gaussian, target
from methods.base import Method
from methods.consistency import CD, ECT
from methods.flow_map_matching import EMD, FMM, LMD
from methods.flow_matching import FlowMatching
from methods.imm import IMM
from methods.meanflow import MeanFlow
from methods.pairs import EasyPairs, KarrasPairs, UniformPairs
from methods.pfmm import PFMM
from methods.progressive import Progressive, Spacing
from methods.self_distillation import LSD, PSD
from methods.shortcut import Shortcut
from methods.times import Curriculum, LogitNormal, Uniform, karras_sigmas, normal_quantile, ordered
from methods.tools.interpolant import Interpolant, Linear, Trigonometric, convert_point, convert_velocity

LINEAR, TRIG = Linear(), Trigonometric()
PATHS = {"linear": LINEAR, "trigonometric": TRIG, "half_base": Linear(0.5), "trigonometric_half_base": Trigonometric(0.5)}
BOTH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
TRUTH = target("gaussian")
INSIDE = st.floats(1e-3, 1 - 1e-3)
NUMBER = st.floats(-3, 3)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def even(n: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """n cell centres."""
    return low + (high - low) * (torch.arange(n, dtype=torch.float64) + 0.5) / n


# Interpolants.


@BOTH
def test_an_interpolant_runs_from_noise_to_data(path: Interpolant) -> None:
    ends = vector(0, 1)
    torch.testing.assert_close(path.alpha(ends), vector(1, 0), rtol=0, atol=1e-15)
    torch.testing.assert_close(path.beta(ends), vector(0, 1), rtol=0, atol=1e-15)


@BOTH
def test_its_derivatives_are_derivatives(path: Interpolant) -> None:
    t = even(50).requires_grad_()
    for value, slope in ((path.alpha, path.d_alpha), (path.beta, path.d_beta)):
        torch.testing.assert_close(slope(t.detach()), torch.autograd.grad(value(t).sum(), t)[0])


@BOTH
def test_its_velocity_is_the_derivative_of_its_point(path: Interpolant) -> None:
    t, x_0, x_1 = even(20), data(TRUTH, 20), data(TRUTH, 20, step=1)
    speed = torch.func.jvp(lambda t: path.point(x_0, x_1, t), (t,), (torch.ones_like(t),))[1]
    torch.testing.assert_close(path.velocity(x_0, x_1, t), speed)


@BOTH
def test_noise_levels_and_times_are_inverse(path: Interpolant) -> None:
    t = even(50, 0.001, 1)
    torch.testing.assert_close(path.time_of_sigma(path.sigma(t)), t, rtol=0, atol=1e-12)
    torch.testing.assert_close(path.time_of_sigma(vector(0)), vector(1))


def test_the_linear_clock_of_a_noise_level_is_one_over_one_plus_sigma() -> None:
    sigma = vector(0, 0.002, 0.5, 80)
    torch.testing.assert_close(LINEAR.time_of_sigma(sigma), 1 / (1 + sigma))


@BOTH
def test_a_noise_level_is_the_noise_over_the_data(path: Interpolant) -> None:
    t = even(9)
    noisy = path.point(path.base_scale * torch.ones(9, 1).double(), torch.zeros(9, 1).double(), t)[:, 0]
    torch.testing.assert_close(noisy / path.beta(t), path.sigma(t))


@given(INSIDE, NUMBER, NUMBER, st.booleans())
@settings(max_examples=60)
def test_a_point_survives_the_way_to_another_clock_and_back(t: float, a: float, b: float, forth: bool) -> None:
    source, other = (LINEAR, TRIG) if forth else (TRIG, LINEAR)
    x, time = vector(a, b)[None], vector(t)
    back, t_back = convert_point(*convert_point(x, time, source, other), other, source)
    torch.testing.assert_close(back, x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(t_back, time, rtol=0, atol=1e-12)


@given(INSIDE, NUMBER, NUMBER, NUMBER, st.booleans())
@settings(max_examples=60)
def test_a_velocity_survives_the_way_to_another_clock_and_back(
    t: float, a: float, b: float, c: float, forth: bool
) -> None:
    source, other = (LINEAR, TRIG) if forth else (TRIG, LINEAR)
    x, v, time = vector(a, b)[None], vector(c, a)[None], vector(t)
    x_new, t_new = convert_point(x, time, source, other)
    v_new = convert_velocity(v, x, time, source, other)
    torch.testing.assert_close(convert_velocity(v_new, x_new, t_new, other, source), v, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("base_scale", [1.0, 0.5])
def test_the_converted_velocity_of_a_gaussian_is_its_velocity_in_the_other_clock(base_scale: float) -> None:
    truth, t = target("gaussian", base_scale), even(64)
    assert isinstance(truth, Gaussian)
    source, other = Linear(base_scale), Trigonometric(base_scale)
    x = data(truth, 64)
    x_new, t_new = convert_point(x, t, source, other)
    converted = convert_velocity(truth.velocity(x, t), x, t, source, other)
    torch.testing.assert_close(converted, on_clock(truth, other).velocity(x_new, t_new), rtol=1e-11, atol=1e-11)


def test_conversion_keeps_the_noise_level() -> None:
    t = even(30)
    _, t_new = convert_point(data(TRUTH, 30), t, LINEAR, TRIG)
    torch.testing.assert_close(TRIG.sigma(t_new), LINEAR.sigma(t))


def test_clocks_of_different_base_scales_do_not_convert() -> None:
    with pytest.raises(ValueError, match=r"base scales 1\.0 and 0\.5"):
        convert_point(data(TRUTH, 1), vector(0.5), LINEAR, Trigonometric(0.5))


# Grids.


def test_the_karras_grid_has_its_ends_and_its_spacing() -> None:
    sigmas = karras_sigmas(18)
    assert sigmas[0].item() == pytest.approx(80, rel=1e-12) and sigmas[-1].item() == pytest.approx(0.002, rel=1e-12)
    root = sigmas ** (1 / 7)
    torch.testing.assert_close(root.diff(), root.diff()[:1].expand(17))
    assert (sigmas.diff() < 0).all()


@pytest.mark.parametrize("steps", [1, 2, 4, 16])
@pytest.mark.parametrize("method", [FlowMatching(), LSD(), FMM(), PFMM(), Shortcut(), ECT(), IMM(), Progressive()],
                         ids=lambda m: type(m).__name__)
def test_a_sampling_grid_rises_to_data(method: Method, steps: int) -> None:
    grid = method.grid(steps)
    assert grid.dtype == torch.float64 and len(grid) == steps + 1
    assert (grid.diff() > 0).all() and grid[-1].item() == pytest.approx(1, abs=1e-12)


def test_consistency_samples_from_the_largest_noise_level() -> None:
    assert LINEAR.sigma(CD().grid(2))[0].item() == pytest.approx(80)


def test_the_cosine_grid_of_progressive_distillation_is_even_in_the_angle() -> None:
    times = Progressive().times(8)
    torch.testing.assert_close(LINEAR.theta(times), torch.linspace(0, pi / 2, 9, dtype=torch.float64))
    torch.testing.assert_close(Progressive(spacing=Spacing.UNIFORM).times(8), torch.linspace(0, 1, 9).double())


# Laws.


def test_the_quantile_is_that_of_a_normal_and_finite_at_both_ends() -> None:
    assert normal_quantile(vector(0.5, 0.8413447460685429)).tolist() == pytest.approx([0, 1])
    for dtype in (torch.float32, torch.float64):
        ends = torch.tensor([0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
        assert normal_quantile(ends).isfinite().all()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (2.0, 2.0), (-1.0, 0.5)])
def test_the_logit_of_the_logit_normal_law_is_normal(mean: float, std: float) -> None:
    logit = torch.logit(LogitNormal(mean, std)(even(20000)))
    assert logit.mean().item() == pytest.approx(mean, abs=1e-3)
    assert logit.std().item() == pytest.approx(std, rel=1e-3)
    assert ((logit - mean).abs() < std).double().mean().item() == pytest.approx(0.6827, abs=1e-3)


def test_the_uniform_law_fills_its_interval() -> None:
    t = Uniform(0.2, 0.6)(even(1000))
    assert (t.min().item(), t.mean().item(), t.max().item()) == pytest.approx((0.2, 0.4, 0.6), abs=1e-3)


def test_a_sorted_pair_is_uniform_on_the_triangle() -> None:
    u = torch.rand((2, 100_000), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, t = ordered(*u)
    assert (s <= t).all()
    for a, b in ((0.3, 0.6), (0.5, 0.5), (0.2, 0.9)):  # P(s < a, t < b) = a (2b - a) for a <= b
        assert ((s < a) & (t < b)).double().mean().item() == pytest.approx(a * (2 * b - a), abs=0.006)


# Which times the methods ask their network for.


def visited(method: Method, n: int = 40_000, **more: float) -> tuple[Tensor, Tensor]:
    """s, t of the first pass with rows and gradient of one large step."""
    _, net = one_loss(method, TRUTH, n, **more)
    s, t, _ = next(c for c in net.calls if len(c[0]) and c[2])
    return s, t


def test_flow_matching_visits_the_diagonal_uniformly() -> None:
    s, t = visited(FlowMatching())
    assert torch.equal(s, t)
    assert_uniform(t)


def assert_uniform(t: Tensor, low: float = 0.0, high: float = 1.0) -> None:
    for share in (0.1, 0.5, 0.8):
        assert (t < low + share * (high - low)).double().mean().item() == pytest.approx(share, abs=4 * 0.5 / len(t) ** 0.5)


def test_flow_matching_follows_another_law() -> None:
    logit = torch.logit(visited(FlowMatching(time_law=LogitNormal(-1, 0.5)))[1])
    assert logit.mean().item() == pytest.approx(-1, abs=0.02)


def test_self_distillation_visits_the_whole_diagonal_uniformly() -> None:
    s, t = visited(PSD(eta=0.75, learned_weight=False))
    assert torch.equal(s, t) and len(t) == 30_000
    assert_uniform(t)


def test_self_distillation_visits_the_whole_triangle_uniformly() -> None:
    _, net = one_loss(PSD(eta=0.75), TRUTH, 40_000)
    s, t = next((s, t) for s, t, enabled in net.calls if enabled and not torch.equal(s, t))
    assert len(s) == 10_000 and (s <= t).all()
    for a, b in ((0.3, 0.6), (0.5, 0.5), (0.2, 0.9)):
        assert ((s < a) & (t < b)).double().mean().item() == pytest.approx(a * (2 * b - a), abs=0.02)


@pytest.mark.parametrize("method", [LMD(), EMD()], ids=["lmd", "emd"])
def test_distillation_visits_the_whole_triangle_uniformly(method: Method) -> None:
    _, net = one_loss(method, TRUTH, 40_000)
    s, t, _ = net.calls[-1]
    assert (s <= t).all()
    for a, b in ((0.3, 0.6), (0.5, 0.5), (0.2, 0.9)):
        assert ((s < a) & (t < b)).double().mean().item() == pytest.approx(a * (2 * b - a), abs=0.01)


def test_meanflow_visits_times_near_data() -> None:
    """The paper's logit-normal(-2, 2), its clock turned around."""
    s, t = visited(MeanFlow(eta=0.0))
    logit = torch.logit(torch.cat([s, t]))
    assert logit.mean().item() == pytest.approx(2, abs=0.05)
    assert logit.std().item() == pytest.approx(2, abs=0.05)
    assert (s < t).all()


def test_flow_map_matching_visits_the_whole_square_uniformly() -> None:
    t, s = visited(FMM())  # the backward map
    for a, b in ((0.3, 0.6), (0.5, 0.5), (0.9, 0.2)):
        assert ((s < a) & (t < b)).double().mean().item() == pytest.approx(a * b, abs=0.01)


UNIT = st.floats(0, 1, exclude_max=True)


@given(UNIT, UNIT, UNIT, st.floats(0, 1))
def test_a_curriculum_widens_from_its_box_or_strip_to_the_whole_square(
    u: float, w: float, progress: float, share: float
) -> None:
    reach = 0.05 + 0.95 * min(1.0, progress / share if share else 1.0)
    for curriculum in Curriculum:
        s, t = curriculum.pair(vector(u), vector(w), progress, share)
        assert 0 <= s <= 1 and 0 <= t <= 1
        if curriculum is Curriculum.BOX:
            assert max(s, t) <= reach + 1e-9
        if curriculum is Curriculum.DIAGONAL:
            assert abs(s - t) <= reach + 1e-9


@pytest.mark.parametrize("curriculum", Curriculum)
def test_after_a_curriculum_all_pairs_are_alike(curriculum: Curriculum) -> None:
    s, t = curriculum.pair(even(200).repeat(200), even(200).repeat_interleave(200), 0.5, 0.25)
    for a, b in ((0.3, 0.6), (0.5, 0.5), (0.9, 0.2), (0.05, 0.05)):
        assert ((s < a) & (t < b)).double().mean().item() == pytest.approx(a * b, abs=0.01)


@pytest.mark.parametrize("method", [FMM(), LMD(), EMD()], ids=["FMM", "LMD", "EMD"])
def test_a_curriculum_holds_its_method_to_its_reach(method: FMM | LMD | EMD) -> None:
    widening = (replace(method, curriculum=each, widening=1.0) for each in (Curriculum.BOX, Curriculum.DIAGONAL))
    box, strip = (visited(each, progress=0.2) for each in widening)
    reach = 0.05 + 0.95 * 0.2
    assert max(map(torch.max, box)) <= reach and (strip[0] - strip[1]).abs().max() <= reach
    assert max(map(torch.max, strip)) > reach


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_progressive_flow_map_matching_visits_every_interval_up_to_its_reach_alike(stage: int) -> None:
    method = PFMM(doublings=2)
    s, t = visited(method, stage=method.stages(2**20)[stage])
    reach, gap = (0.25, 0.5, 1.0)[stage], t - s
    assert (gap >= 0).all() and gap.max() <= reach
    assert_uniform(gap, 0, reach)
    assert_uniform(s / (1 - gap))


def test_the_stages_of_progressive_flow_map_matching_share_the_budget_and_double_their_reach() -> None:
    stages = PFMM(doublings=3).stages(400)
    assert [stage.images for stage in stages] == [100] * 4
    assert [stage.options["reach"] for stage in stages] == [1 / 8, 1 / 4, 1 / 2, 1]
    assert [stage.options["first"] for stage in stages] == [True, False, False, False]


def test_shortcuts_visit_every_dyadic_length_alike_and_its_multiples_alike() -> None:
    _, net = one_loss(Shortcut(levels=3), TRUTH, 80_000)
    (s, t), (s_on, t_on) = ((s, t) for s, t, enabled in net.calls if enabled)
    assert (len(s), len(s_on)) == (70_000, 10_000)
    assert (t - s == 1 / 8).all()
    torch.testing.assert_close(s.unique(), torch.arange(8).double() / 8)
    assert (s.unique(return_counts=True)[1] / len(s)).tolist() == pytest.approx([1 / 8] * 8, abs=0.01)
    lengths, counts = (t_on - s_on).unique(return_counts=True)
    assert lengths.tolist() == [0.25, 0.5, 1.0]
    assert (counts / len(s_on)).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    for d in lengths:
        starts, counts = s_on[t_on - s_on == d].unique(return_counts=True)
        torch.testing.assert_close(starts, torch.arange(round(1 / d.item())).double() * d)
        assert (counts / counts.sum() / d).tolist() == pytest.approx([1] * len(starts), abs=0.15)


def test_shortcuts_sample_on_the_grids_that_they_learn() -> None:
    assert [n for n in range(300) if Shortcut().supports(n)] == [1, 2, 4, 8, 16, 32, 64, 128]


def test_easy_consistency_visits_lognormal_noise_levels() -> None:
    s, t = visited(ECT())
    log_sigma = LINEAR.sigma(s).log()
    assert log_sigma.mean().item() == pytest.approx(-1.1, abs=0.05)
    assert log_sigma.std().item() == pytest.approx(2, abs=0.05)
    assert (t == 1).all()


@BOTH
@pytest.mark.parametrize("progress", [0.0, 0.3, 0.99])
def test_easy_consistency_tightens_its_pairs_with_progress(progress: float, path: Interpolant) -> None:
    s, r, w = EasyPairs()(even(500), progress, path)
    sigma, sigma_r = path.sigma(s), path.sigma(r)
    a = ceil(progress * 8 + 1e-9)  # 1, 3, 8: the paper counts its stages from 1
    expected = (1 - 2.0**-a * (1 + 8 * torch.sigmoid(-sigma))).clamp(min=0)
    torch.testing.assert_close(sigma_r / sigma, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(w, 1 / (sigma - sigma_r), rtol=1e-9, atol=0)
    assert ((s >= 0) & (s < r) & (r <= 1)).all()


PAIRS: dict[str, Callable[..., tuple[Tensor, Tensor, Tensor]]] = {"uniform": UniformPairs(7), "karras": KarrasPairs(8)}


@pytest.mark.parametrize("name", PAIRS)
def test_neighbours_are_drawn_alike_and_the_last_is_data(name: str) -> None:
    s, r, w = PAIRS[name](even(7000), 0.0, LINEAR)
    starts, counts = s.unique(return_counts=True)
    assert counts.tolist() == [1000] * 7
    torch.testing.assert_close(r.unique()[:-1], starts[1:])
    assert r.max() == 1 and (w == 1).all()


def test_moment_matching_stays_off_the_ends() -> None:
    tau, end = visited(IMM())
    assert_uniform(tau[::4], 0.006, 0.994)
    assert_uniform(((end - tau) / (0.994 - tau))[::4])
    assert end.max() <= 0.994


@pytest.mark.parametrize("stage", [0, 2])
def test_progressive_distillation_visits_the_left_ends_of_its_intervals_alike(stage: int) -> None:
    method = Progressive(start=8)
    s, t = visited(method, stage=method.stages(2**20)[stage])
    n = 8 >> stage
    torch.testing.assert_close(s.unique(), method.times(n)[:-1])
    torch.testing.assert_close(t.unique(), method.times(n)[1:])
    assert (s.unique(return_counts=True)[1] / len(s)).tolist() == pytest.approx([1 / n] * n, abs=0.01)


# A fixed share of the batch.


@given(st.integers(1, 200), st.integers(0, 20), st.lists(st.integers(0, 200), max_size=4))
@settings(max_examples=100)
def test_a_share_of_the_batch_is_exact_however_the_batch_is_sliced(n: int, twentieths: int, cuts: list[int]) -> None:
    share = twentieths / 20
    bounds = sorted({0, n, *(c for c in cuts if c < n)})
    inside = 0
    for begin, end in itertools.pairwise(bounds):
        on, off = context(FlowMatching(), n, rows=range(begin, end)).split(share)
        assert sorted([*on.tolist(), *off.tolist()]) == list(range(end - begin))
        inside += len(on)
    assert inside == n * twentieths // 20
