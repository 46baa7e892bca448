"""Truncated consistency models (TCM): the Student law, what the first stage is, what is frozen, who is asked, who samples."""

import pytest
import scipy.stats
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure
from noise_levels import even
from oracle import Oracle, one_loss
from torch import nn
from trainings import live_of

from bench.scoring.sample import Sampler
from methods.consistency import ECT, Distance
from methods.tools.interpolant import Interpolant, Linear
from methods.truncated import TCM, TruncatedStudent

CPU, N = torch.device("cpu"), 512


# Its two stages.


def test_the_first_stage_of_a_truncated_model_is_easy_consistency_on_its_part_of_the_budget() -> None:
    method = TCM(first_share=0.4)
    easy = ECT(c=method.c, pairs=method.pairs)
    first, net = one_loss(method, gaussian(), N, 0.2, stage=method.stages(1000)[0], progress=0.3)
    alone, other = one_loss(easy, gaussian(), N, 0.2, progress=0.75)
    torch.testing.assert_close(first.per_sample, alone.per_sample, rtol=0, atol=0)
    gradients = [torch.autograd.grad(a.per_sample.mean(), b.theta)[0] for a, b in ((first, net), (alone, other))]
    assert torch.equal(*gradients)


def test_the_stages_share_the_images_and_the_second_is_the_truncated_one() -> None:
    first, second = TCM(first_share=0.25).stages(1000)
    assert (first.images, second.images) == (250, 750)
    assert first.prepare is None and second.prepare is not None
    models: dict[str, nn.Module] = {role: nn.Linear(1, 1) for role in ("net", "first")}
    trained_net = nn.Linear(1, 1)
    second.prepare(models, {"net": trained_net})
    for role in models:
        assert torch.equal(live_of(models[role]), live_of(trained_net))
    assert second.trained == {"net": ("net",)}


# The law of noise levels above the boundary.


@pytest.mark.parametrize("law", [TruncatedStudent(), TruncatedStudent(-0.5, 1.0, 3.0, 0.2, 40.0)], ids=["paper", "other"])
def test_the_truncated_student_law_has_its_quantiles(law: TruncatedStudent) -> None:
    u = torch.cat([torch.zeros(1).double(), even(500)])
    student = scipy.stats.t(law.df, law.mean, law.scale)
    low, high = student.cdf([torch.tensor(end).log().item() for end in (law.low, law.high)])
    expected = torch.from_numpy(student.ppf(low + u.numpy() * (high - low))).exp()
    torch.testing.assert_close(law(u), expected, rtol=1e-5, atol=0)
    top = law(torch.tensor([1 - 2**-24]))
    assert law(u).min() == law.low and law.high * 0.9999 < top.item() <= law.high


def test_the_second_stage_asks_the_student_for_large_noise_only_and_a_quarter_at_the_boundary() -> None:
    _, net = one_loss(TCM(), gaussian(), 4000)
    s = next(s for s, _, enabled in net.calls if enabled)
    sigma = Linear().sigma(s)
    assert sigma.min() > 1 - 1e-12 and sigma.max() <= 80 + 1e-9
    assert (sigma < 1 + 1e-12).sum() >= 1000
    assert torch.equal((s == 0.5).reshape(-1, 4)[:, 3], torch.ones(1000, dtype=torch.bool))
    rest = sigma.reshape(-1, 4)[:, :3].log()
    for share in (0.2, 0.5, 0.8):  # uniform in asinh(ln sigma / (scale sqrt(df))) but for the factor cosh^-df
        assert (torch.asinh(rest / 0.02) < share * 6.08).double().mean().item() == pytest.approx(share, abs=0.03)


# What is frozen, who samples.


def test_an_error_of_the_first_network_reaches_the_second_at_the_boundary() -> None:
    exact, wrong = ({"net": Oracle(gaussian()), "first": Oracle(gaussian(), theta)} for theta in (0.0, 0.1))
    method = TCM(distance=Distance.SQUARED)
    assert measure(method, gaussian(), models=exact).excess < ZERO
    assert measure(method, gaussian(), models=wrong).excess > CLEAR


@BOTH
def test_a_jump_is_the_first_networks_below_the_boundary(path: Interpolant) -> None:
    method = TCM(interpolant=path)
    for sigma, role in ((80.0, "net"), (1.001, "net"), (0.999, "first"), (0.1, "first")):
        models = {r: Oracle(gaussian(path)) for r in ("net", "first")}
        s = path.time_of_sigma(torch.full((3,), sigma))
        method.jump(models, torch.zeros(3, 2), s, torch.ones(3))
        assert {r: len(net.calls) for r, net in models.items()} == {r: int(r == role) for r in models}


@pytest.mark.parametrize(("steps", "calls"), [(1, (1, 0)), (2, (2, 0)), (4, (3, 1))])
def test_exact_networks_sample_the_target_and_share_the_steps(steps: int, calls: tuple[int, int]) -> None:
    models = {role: Oracle(gaussian()) for role in ("net", "first")}
    x = Sampler(TCM(), models, (2,), 0, 20_000, CPU).draw(0, steps).double()
    mean, covariance = (torch.tensor(a).double() for a in (gaussian().mean, gaussian().covariance))
    assert (x.mean(0) - mean).norm() < 0.05
    assert (torch.cov(x.T) - covariance).norm() < 0.1
    assert (len(models["net"].calls), len(models["first"].calls)) == calls
    assert TCM().sampled(models) == ["net", "first"]
