"""SoFlow: its loss and gradient, its way to MeanFlow, the bias of its gap, its times and weights, its training."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from oracle import Oracle, context, data, features, loss_and_gradient, on_clock, one_loss, orders, squared
from torch import Tensor, nn
from trainings import learned

from bench.truth import Gaussian, Truth, target
from methods.base import Batch, Draws, Method
from methods.ctm import CTM
from methods.meanflow import MeanFlow
from methods.soflow import SoFlow
from methods.times import Uniform
from methods.tools.interpolant import Interpolant, Linear, Trigonometric

N, THETA, ZERO, CLEAR = 512, 0.2, 5.0, 40.0
PATHS = {"linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(0.5),
         "trigonometric_half": Trigonometric(0.5)}
BOTH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
APART: dict[str, Any] = {"start_law": Uniform(0.0, 0.5), "end_law": Uniform(0.5, 1.0)}


def gaussian(path: Interpolant) -> Gaussian:
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def skewed() -> Truth:
    return replace(target("skewed"), steps=8)  # type: ignore[type-var]


def constant(r: float, **more: Any) -> SoFlow:
    """r does not change with progress; plain squares unless said otherwise."""
    return SoFlow(r_init=r, r_end=r, **{"power": 0.0, "min_gap": 1e-9, **APART, **more})


def taken(method: Method, truth: Truth, **more: Any) -> tuple[Tensor, Tensor, Oracle]:
    loss, net = one_loss(method, truth, N, THETA, **more)
    return loss.per_sample.detach(), torch.autograd.grad(loss.per_sample.mean(), net.theta)[0], net


# The loss.


@BOTH
@pytest.mark.parametrize("progress", [0.0, 0.5, 0.99])
def test_the_loss_and_its_gradient_are_those_of_their_definition(path: Interpolant, progress: float) -> None:
    """The quotient is taken of the maps here; the gradient is the paper's w q . dv, averaged over the elements."""
    method, truth = SoFlow(interpolant=path), gaussian(path)
    per_sample, gradient, net = taken(method, truth, progress=progress)
    (s, t, with_gradient), (l, t_2, without) = net.calls
    assert (with_gradient, without) == (True, False) and torch.equal(t, t_2)
    x_0, x_1 = path.base_scale * context(method, N).noise(data(truth, N)), data(truth, N)
    x_s, speed, gap = path.point(x_0, x_1, s), path.velocity(x_0, x_1, s), (l - s)[:, None]
    x_l = x_s + gap * speed
    net.requires_grad_(False)
    q = (x_s + (t - s)[:, None] * net(x_s, s, t) - x_l - (t - l)[:, None] * net(x_l, l, t)) / gap
    w = (q.square().mean(1) + 1e-3) ** -0.75
    assert per_sample.mean() > 1e-3 and gradient.norm() > 1e-4
    torch.testing.assert_close(per_sample, w * q.square().mean(1) / 2, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(gradient, (w[:, None] * features(x_s, s, t)).T @ q / (2 * N), rtol=1e-6, atol=1e-10)


def test_where_the_ways_end_at_once_the_velocity_of_the_sample_is_regressed_on() -> None:
    per_sample, _, net = taken(constant(1.0), target("gaussian"))
    s, t, _ = net.calls[0]
    x_1 = data(target("gaussian"), N)
    x_0 = context(SoFlow(), N).noise(x_1)
    v = net((1 - s)[:, None] * x_0 + s[:, None] * x_1, s, t).detach()
    torch.testing.assert_close(per_sample, squared(v - (x_1 - x_0)) / 4)  # half the mean of two


def test_a_share_of_the_batch_has_the_papers_velocity_loss() -> None:
    """Its adaptive square without the half, on the diagonal, at times of the noisier law."""
    method, truth = SoFlow(velocity_share=0.25), target("gaussian")
    loss, net = one_loss(method, truth, N, THETA, progress=0.5)
    gradient = torch.autograd.grad(loss.per_sample[-N // 4 :].mean(), net.theta)[0]
    s, t, _ = net.calls[-1]
    on, off = context(method, N).split(0.25)
    plain, _ = one_loss(SoFlow(), truth, N, THETA, progress=0.5)
    torch.testing.assert_close(loss.per_sample[: len(off)], plain.per_sample[off])
    u, x_1 = context(method, N).draws.uniform("times", 2)[on, 0], data(truth, N)[on]
    torch.testing.assert_close(t, torch.sigmoid(0.9 + 1.6 * torch.special.ndtri(u)))
    assert torch.equal(s, t) and len(t) == N // 4
    x_0 = context(method, N).noise(data(truth, N))[on]
    x = (1 - t)[:, None] * x_0 + t[:, None] * x_1
    q = net(x, t, t).detach() - (x_1 - x_0)
    w = (q.square().mean(1) + 1e-3) ** -0.75
    torch.testing.assert_close(loss.per_sample[len(off) :].detach(), w * q.square().mean(1))
    torch.testing.assert_close(gradient, 2 * (w[:, None] * features(x, t, t)).T @ q / (2 * len(on)))
    assert taken(SoFlow(), truth)[2].calls[-1][2] is False  # the default has no pass on the diagonal


@dataclass(frozen=True)
class Sorted:
    """Draws whose pair of times is in order, so that laws that differ in how they sort give the same times."""

    draws: Draws

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        u = self.draws.uniform(purpose, *shape)
        return u.sort(1).values if purpose == "times" else u

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draws, name)


def sorted_loss(method: Method, truth: Truth) -> tuple[Tensor, Tensor]:
    """raw, gradient."""
    net, at = Oracle(truth, THETA), context(method, N)
    loss = method.losses({"net": net}, Batch(data(truth, N)), replace(at, draws=Sorted(at.draws)))["net"]
    return loss.parts["raw"], torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]


@BOTH
@pytest.mark.parametrize("power", [0.0, 0.75])
def test_as_its_gap_closes_it_becomes_meanflow(path: Interpolant, power: float) -> None:
    """At first order in the gap. MeanFlow's squares are sums over two elements, SoFlow's half a mean."""
    truth = gaussian(path)
    laws: dict[str, Any] = {"start_law": Uniform(), "end_law": Uniform(), "power": power, "interpolant": path}
    raw, gradient = sorted_loss(
        MeanFlow(eta=0.0, power=power, floor=2e-3, time_law=Uniform(), interpolant=path), truth
    )
    raw, gradient = raw / 2, gradient / (4 / 2**power)
    values, slopes = {}, {}
    for k in (64, 128, 256):
        own, own_gradient = sorted_loss(constant(1 / k, **laws), truth)
        values[k], slopes[k] = (own - raw).abs().mean().item(), (own_gradient - gradient).norm().item()
    assert list(orders(values))[-1] == pytest.approx(1, abs=0.1)
    assert list(orders(slopes))[-1] == pytest.approx(1, abs=0.1)
    assert slopes[256] < 0.02 * gradient.norm() < slopes[64] * 5


# The fixed point.


@BOTH
def test_the_semigradient_vanishes_with_the_gap_at_the_exact_map_only(path: Interpolant) -> None:
    method, truth = constant(1e-5, interpolant=path), gaussian(path)
    assert loss_and_gradient(method, truth, n=2048, chunks=16).excess < ZERO
    assert loss_and_gradient(method, truth, 0.2, n=2048, chunks=16).excess > CLEAR


@pytest.mark.parametrize("path", [Linear(), Trigonometric(0.5)], ids=["linear", "trigonometric_half"])
def test_the_bias_is_of_first_order_in_the_gap(path: Interpolant) -> None:
    biases = {k: loss_and_gradient(constant(1 / k, interpolant=path), gaussian(path), n=2**15, chunks=8)
              for k in (8, 16, 32)}
    assert list(orders({k: m.size for k, m in biases.items()}))[-1] == pytest.approx(1, abs=0.2)
    assert biases[8].excess > CLEAR


def test_on_the_skewed_target_the_adaptive_weight_moves_the_fixed_point() -> None:
    plain, adaptive = (loss_and_gradient(constant(1e-5, power=p), skewed(), n=1024, chunks=16) for p in (0.0, 0.75))
    assert plain.excess < ZERO
    assert adaptive.excess > CLEAR
    assert loss_and_gradient(constant(1e-5), skewed(), 0.4, n=1024, chunks=16).excess > CLEAR
    assert loss_and_gradient(constant(1e-5, power=0.75), target("gaussian"), n=2048, chunks=16).excess < ZERO


# Times.


def test_the_times_are_the_papers_with_its_clock_turned_around() -> None:
    u = torch.rand((2, 40_000), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, l, t = SoFlow().times(*u, 0.5)
    assert torch.logit(s).mean().item() == pytest.approx(0.9, abs=0.05)
    assert torch.logit(s).std().item() == pytest.approx(1.6, abs=0.05)
    own = t > s + 1.01e-4  # the others are pushed away from s
    expected = torch.sigmoid(4 + 1.6 * torch.special.ndtri(u[1]))
    torch.testing.assert_close(t[own], expected[own])
    assert (expected < s + 1e-4)[~own].double().mean() > 0.99
    assert ((s < l) & (l <= t) & (t <= 1)).all()


@pytest.mark.parametrize(("progress", "r"), [(0.0, 1.0), (0.5, 3200**-0.5), (1.0, 1 / 3200)])
def test_the_gap_falls_exponentially_with_progress_to_its_least(progress: float, r: float) -> None:
    u = torch.rand((2, 10_000), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, l, t = SoFlow().times(*u, progress)
    torch.testing.assert_close(l - s, (r * (t - s)).clamp(min=1e-4), rtol=1e-9, atol=1e-12)
    assert (t - s).min() > 0.99e-4


def test_times_at_the_ends_of_their_law_give_finite_losses() -> None:
    method, net = SoFlow(), Oracle(target("gaussian"), THETA)
    for u in (0.0, 1 - 2**-53):
        ends = torch.full((4,), u, dtype=torch.float64)
        for first, second in ((ends, ends), (ends, 1 - ends - 2**-53), (1 - ends - 2**-53, ends)):
            s, l, t = method.times(first.abs(), second.abs(), 0.9)
            assert ((s < l) & (l <= t) & (t <= 1)).all()
    assert net(torch.zeros(4, 2).double(), s, t).isfinite().all()


@pytest.mark.parametrize(("knob", "message"), [
    ({"velocity_share": 1.5}, r"method\.velocity_share must lie in \[0, 1\], got 1\.5"),
    ({"r_end": 0.0}, r"method\.r_end .* must lie in \(0, 1\], got 0\.0"),
    ({"min_gap": 0.0}, r"method\.min_gap must lie in \(0, 1\), got 0\.0"),
])  # fmt: skip
def test_a_knob_out_of_range_is_named(knob: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoFlow(**knob)  # type: ignore[arg-type]


# Dropout, sampling, training.


class Noisy(Oracle):
    """The exact map plus a mask; it keeps the masks that it was given."""

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Any = None) -> Tensor:
        self.masks = [*getattr(self, "masks", []), dropout("block", tuple(x.shape))]
        return super().forward(x, s, t)


@pytest.mark.parametrize(("method", "passes"), [(SoFlow(), 2), (CTM(n=4, balance=False, denoising=0.0), 4)],
                         ids=["soflow", "ctm"])
def test_passes_that_are_compared_share_their_dropout_mask(method: Method, passes: int) -> None:
    net: nn.Module = Noisy(target("gaussian"), THETA)
    one_loss(method, target("gaussian"), 8, models={"net": net})
    assert len(net.masks) == passes and len({tuple(m.flatten().tolist()) for m in net.masks}) == 1  # type: ignore[arg-type]


def test_several_steps_put_noise_back_at_equal_times() -> None:
    assert SoFlow().needs.rule == "renoise" and SoFlow().needs.reaches == "any"
    assert SoFlow().grid(2).tolist() == [0.0, 0.5, 1.0]
    assert CTM().needs.rule == "hop"


@pytest.mark.parametrize(("method", "name", "bound"), [
    (SoFlow(), "gaussian", 0.04), (SoFlow(velocity_share=0.25), "gaussian", 0.04), (SoFlow(power=0.0), "skewed", 0.1),
], ids=["gaussian", "gaussian_with_velocity", "skewed"])  # fmt: skip
def test_a_short_training_learns_the_map(method: SoFlow, name: str, bound: float) -> None:
    assert learned(method, name) < bound
