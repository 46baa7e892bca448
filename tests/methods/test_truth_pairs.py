"""Laws of pairs of noise levels: the same on every clock, the papers' grids and how they grow, weights, probabilities."""

import pytest
import torch
from clocks import BOTH
from noise_levels import LATE, even, masses, neighbours

from methods.pairs import DoublingPairs, EasyPairs, GrowingPairs, KarrasPairs, Pairs
from methods.tools.interpolant import Interpolant, Linear

LAWS: dict[str, tuple[Pairs, float]] = {
    "karras": (KarrasPairs(), 0.0), "growing": (GrowingPairs(), 0.4),
    "doubling": (DoublingPairs(), 0.4), "easy": (EasyPairs(), 0.4),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("law", LAWS)
def test_a_pair_has_the_same_noise_levels_and_weight_on_every_clock(law: str, path: Interpolant) -> None:
    pairs, progress = LAWS[law]
    (s, r, w), (s_1, r_1, w_1) = (pairs(even(200), progress, p) for p in (path, Linear()))
    assert ((s >= 0) & (s < r) & (r <= 1)).all()
    for time, time_1 in ((s, s_1), (r, r_1)):
        torch.testing.assert_close(path.sigma(time), Linear().sigma(time_1), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(w, w_1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("law", LAWS)
def test_a_law_of_pairs_is_defined_for_every_uniform_number(law: str, dtype: torch.dtype) -> None:
    ends = torch.tensor([0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
    for time in LAWS[law][0](ends, LATE, Linear()):
        assert time.isfinite().all() and time.dtype == dtype


@pytest.mark.parametrize(("progress", "n"), [(0.0, 1), (1e-4, 2), (0.25, 75), (0.5, 106), (1 - 1e-9, 150)])
def test_the_grid_of_consistency_training_grows_by_the_papers_schedule(progress: float, n: int) -> None:
    assert GrowingPairs().intervals(progress) == n
    s, r, w = GrowingPairs()(even(40), progress, Linear())
    sigma_s, sigma_r = neighbours(n, (even(40) * n).long())
    torch.testing.assert_close(Linear().sigma(s), sigma_s, rtol=1e-9, atol=0)
    torch.testing.assert_close(Linear().sigma(r), sigma_r, rtol=1e-9, atol=1e-15)
    assert (w == 1).all()


def test_the_grid_of_improved_consistency_training_doubles_in_eight_equal_parts() -> None:
    assert [DoublingPairs().intervals(k / 8) for k in range(8)] == [10, 20, 40, 80, 160, 320, 640, 1280]
    assert [DoublingPairs().intervals((k + 0.999) / 8) for k in range(8)] == [10, 20, 40, 80, 160, 320, 640, 1280]


def test_improved_consistency_training_draws_intervals_by_the_discretised_lognormal() -> None:
    n = 20
    s, r, w = DoublingPairs()(even(100_000), 1.5 / 8, Linear())
    sigma_s, sigma_r = neighbours(n, torch.arange(n))
    found = (Linear().sigma(s)[:, None] - sigma_s).abs().argmin(1)
    torch.testing.assert_close(torch.bincount(found, minlength=n) / 1e5, masses(n).float(), rtol=0, atol=2e-5)
    torch.testing.assert_close(Linear().sigma(r), sigma_r[found], rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(w, (1 / (sigma_s - sigma_r))[found], rtol=1e-9, atol=0)
