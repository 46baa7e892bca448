"""The consistency models in discrete time: CT, iCT and the two stages of TCM beside CD and ECT.

Definitions are written out in noise levels (the papers' clock) and must hold on both of ours. Values, of the squared
distance at the exact map of a Gaussian: E_pairs[ w sum_d 2 c_d^2 (1 - rho_d) ] with

    rho = (c^2 + sigma_s sigma_r) / sqrt((c^2 + sigma_s^2) (c^2 + sigma_r^2)),

and biases that fall with the gap: as its square for CT's weight 1, as the gap for the weights 1 / (sigma_s - sigma_r).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import scipy.stats
import torch
from oracle import Measured, Oracle, context, data, features, loss_and_gradient, on_clock, one_loss, orders, squared
from test_truth_training import BATCH, NET, live, live_of, map_error, one_jump, points, trained
from torch import Tensor, nn

from bench.config.errors import ConfigError
from bench.config.registry import make_method
from bench.nets import Backbone
from bench.scoring.sample import Sampler
from bench.training.train import Recipe, Trainer
from bench.truth import Gaussian, Truth, target
from methods.base import Batch, Context, Loss, Method, Models
from methods.consistency import CD, CT, ECT, ICT, Distance
from methods.pairs import DoublingPairs, EasyPairs, GrowingPairs, KarrasPairs, Pairs, UniformPairs
from methods.tools.flow_map import eulerian
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.truncated import TCM, LimitedPairs, TruncatedStudent

CPU, N = torch.device("cpu"), 512
SQUARED = Distance.SQUARED
ZERO, CLEAR = 5.0, 40.0  # of Measured.excess
LATE = 0.999
PATHS = {
    "linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(0.5),
    "trigonometric_half_base": Trigonometric(0.5),
}  # fmt: skip
BOTH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def gaussian(path: Interpolant | None = None) -> Gaussian:
    """The exact map on the clock of `path`."""
    path = path or Linear()
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def skewed() -> Truth:
    return replace(target("skewed"), steps=8)  # type: ignore[type-var]


def measure(method: Method, truth: Truth, theta: float = 0.0, n: int = 4096, **more: object) -> Measured:
    return loss_and_gradient(method, truth, theta, n=n, chunks=16, **more)  # type: ignore[arg-type]


def even(n: int) -> Tensor:
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


# Laws of pairs.


def levels(n: int, low: float = 0.002, high: float = 80.0) -> Tensor:
    """EDM's n + 1 noise levels, written out."""
    root, step = high ** (1 / 7), (low ** (1 / 7) - high ** (1 / 7)) / n
    return torch.tensor([(root + i * step) ** 7 for i in range(n + 1)], dtype=torch.float64)


def neighbours(n: int, i: Tensor) -> tuple[Tensor, Tensor]:
    """sigma_s and sigma_r of interval i, the last level being data."""
    sigmas = levels(n)
    sigmas[-1] = 0
    return sigmas[i], sigmas[i + 1]


def masses(n: int, mean: float = -1.1, std: float = 2.0) -> Tensor:
    """Probability of each interval under the discretised log-normal."""
    cdf = torch.from_numpy(scipy.stats.norm.cdf((levels(n).log().numpy() - mean) / std))
    return -cdf.diff() / (cdf[0] - cdf[-1])


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("law", LAWS)
def test_a_law_of_pairs_is_defined_for_every_uniform_number(law: str, dtype: torch.dtype) -> None:
    ends = torch.tensor([0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
    for time in LAWS[law][0](ends, LATE, Linear()):
        assert time.isfinite().all() and time.dtype == dtype


@pytest.mark.parametrize("law", [TruncatedStudent(), TruncatedStudent(-0.5, 1.0, 3.0, 0.2, 40.0)], ids=["paper", "other"])
def test_the_truncated_student_law_has_its_quantiles(law: TruncatedStudent) -> None:
    u = torch.cat([torch.zeros(1).double(), even(500)])
    student = scipy.stats.t(law.df, law.mean, law.scale)
    low, high = student.cdf([torch.tensor(end).log().item() for end in (law.low, law.high)])
    expected = torch.from_numpy(student.ppf(low + u.numpy() * (high - low))).exp()
    torch.testing.assert_close(law(u), expected, rtol=1e-5, atol=0)
    top = law(torch.tensor([1 - 2**-24]))
    assert law(u).min() == law.low and law.high * 0.9999 < top.item() <= law.high


# Definitions.


@dataclass(frozen=True)
class Case:
    """A method at one progress, and sigma_s, sigma_r, w from uniforms."""

    method: CT | ICT | TCM
    pairs: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    progress: float = 0.1


def growing(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    n = 47  # ceil(sqrt(.1 (151^2 - 2^2) + 2^2) - 1)
    return *neighbours(n, (u * n).long()), torch.ones_like(u)


def doubling(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    edges = masses(20).cumsum(0)
    sigma_s, sigma_r = neighbours(20, (u[:, None] >= edges[:-1]).sum(1))
    return sigma_s, sigma_r, 1 / (sigma_s - sigma_r)


def truncated(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    boundary = torch.arange(len(u)) % 4 == 3
    sigma = torch.where(boundary, torch.ones_like(u), TruncatedStudent()(u))
    sigma_r = sigma - 0.001 * sigma * (1 + 8 / (1 + sigma.exp()))
    return sigma, sigma_r, torch.where(boundary, 0.1 / 0.25, 1 / 0.75) / (sigma - sigma_r)


CASES = {
    "ct": Case(CT(), growing),
    "ict": Case(ICT(c=0.05), doubling, 0.2),
    "ict_squared": Case(ICT(distance=SQUARED), doubling, 0.2),
    "tcm": Case(TCM(c=0.01), truncated),
    "tcm_squared": Case(TCM(distance=SQUARED), truncated),
}


@dataclass(frozen=True)
class Step:
    """What one step gave, and what the definition says: the residual, the weight and the student's derivative."""

    loss: Loss
    gradient: Tensor
    residual: Tensor
    weight: Tensor
    slope: Tensor
    slow: Oracle


def taken(case: Case, path: Interpolant) -> Step:
    """The student is perturbed; its slow target less so; TCM's first network is exact."""
    truth, method = gaussian(path), replace(case.method, interpolant=path)
    slow = Oracle(truth, 0.1)
    models = {"net": Oracle(truth, 0.2), "first": Oracle(truth)}
    targets = {"net": slow} if isinstance(method, CT) else None
    loss, net = one_loss(method, truth, N, models=models, target=targets, progress=case.progress)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    at, x_1, one = context(method, N), data(truth, N), torch.ones(N).double()
    sigma_s, sigma_r, weight = case.pairs(at.draws.uniform("times"))
    s, r = path.time_of_sigma(sigma_s), path.time_of_sigma(sigma_r)
    x_s, x_r = (path.point(path.base_scale * at.noise(x_1), x_1, t) for t in (s, r))

    def end(v: nn.Module, x: Tensor, t: Tensor) -> Tensor:
        return (x + (1 - t)[:, None] * v(x, t, one)).detach()

    taught = end(slow if isinstance(method, CT) else net, x_r, r)
    if isinstance(method, TCM):
        taught = torch.where((sigma_r < 1)[:, None], end(models["first"], x_r, r), taught)
    slope = (1 - s)[:, None] * features(x_s, s, one)
    return Step(loss, gradient, end(net, x_s, s) - taught, weight, slope, slow)


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_its_definition(name: str, path: Interpolant) -> None:
    case, step = CASES[name], taken(CASES[name], path)
    raw, c = squared(step.residual), case.method.c
    distance = raw if case.method.distance is SQUARED else torch.sqrt(raw + c**2) - c  # type: ignore[operator]
    assert step.loss.per_sample.mean() > 1e-3
    torch.testing.assert_close(step.loss.per_sample.detach(), step.weight * distance, rtol=1e-6, atol=1e-10)


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_enters_through_the_student_alone(name: str, path: Interpolant) -> None:
    case, step = CASES[name], taken(CASES[name], path)
    raw, c = squared(step.residual), case.method.c
    outer = torch.full_like(raw, 2.0) if case.method.distance is SQUARED else (raw + c**2).rsqrt()  # type: ignore[operator]
    expected = ((step.weight * outer)[:, None] * step.slope).T @ step.residual / N
    assert step.gradient.norm() > 1e-3
    torch.testing.assert_close(step.gradient, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 8, 8)], ids=str)
def test_the_robust_constant_grows_with_the_root_of_the_dimension(shape: tuple[int, ...]) -> None:
    """.0300 on 3 x 32 x 32, as the paper says."""
    x_1 = torch.randn((8, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    class Still(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
            return torch.zeros_like(x)

    def loss(c: float | None) -> Tensor:
        method = ICT(c=c, pairs=DoublingPairs(1280, 1280))
        return method.losses({"net": Still()}, Batch(x_1), context(method, 8))["net"].per_sample

    assert torch.equal(loss(None), loss(0.00054 * x_1[0].numel() ** 0.5))
    assert not torch.allclose(loss(None), loss(0.00054), rtol=1e-3)


# Values, biases, fixed points.


def value(pairs: tuple[Tensor, Tensor, Tensor], c2: Tensor) -> float:
    """Mean of w sum_d 2 c_d^2 (1 - rho_d) over samples of (sigma_s, sigma_r, w)."""
    s, r, w = (a[:, None] for a in pairs)
    rho = (c2 + s * r) / ((c2 + s**2) * (c2 + r**2)).sqrt()
    return (w * 2 * c2 * (1 - rho)).sum(1).mean().item()


@BOTH
@pytest.mark.parametrize("name", ["ct", "ict_squared", "tcm_squared"])
def test_it_has_its_value_at_the_exact_map(name: str, path: Interpolant) -> None:
    case, truth = CASES[name], gaussian(path)
    found = measure(replace(case.method, interpolant=path), truth, progress=case.progress)
    c2 = torch.linalg.eigvalsh(torch.tensor(truth.covariance, dtype=torch.float64))
    u = torch.rand(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = value(case.pairs(u), c2)
    assert found.loss == pytest.approx(expected, abs=4 * found.loss_error + 0.003 * expected)


def sequence(name: str, n: int) -> Method:
    """A method whose gap is proportional to 1/n."""
    if name == "ct":
        return CT(pairs=GrowingPairs(n, n))
    if name == "ict":
        return ICT(pairs=DoublingPairs(n, n), distance=SQUARED)
    return TCM(pairs=LimitedPairs(doublings=20, limit=1 - 1 / n), distance=SQUARED)


@pytest.mark.parametrize("path", [Linear(), Trigonometric(0.5)], ids=["linear", "trigonometric_half"])
@pytest.mark.parametrize(("name", "order"), [("ct", 2), ("ict", 1), ("tcm", 1)])
def test_the_bias_falls_with_the_gap_of_the_pairs(name: str, order: int, path: Interpolant) -> None:
    sizes = {n: measure(replace(sequence(name, n), interpolant=path), gaussian(path), progress=LATE).size for n in (8, 16, 32)}
    assert all(order - 0.25 < found < order + 0.25 for found in orders(sizes))


@pytest.mark.parametrize(("name", "order"), [("ct", 2), ("ict", 1), ("tcm", 1)])
def test_the_bias_falls_on_the_skewed_target(name: str, order: int) -> None:
    sizes = {n: measure(sequence(name, n), skewed(), n=2048, progress=LATE).size for n in (8, 16)}
    assert all(order - 0.4 < found < order + 0.4 for found in orders(sizes))


FINE = {"ct": CT(), "ict": ICT(), "tcm": TCM(), "tcm_squared": TCM(distance=SQUARED)}


@BOTH
@pytest.mark.parametrize("name", FINE)
def test_the_semigradient_vanishes_at_the_exact_map_only(name: str, path: Interpolant) -> None:
    """With the pairs of the end of training. A Gaussian is symmetric: robust distances have the same fixed point."""
    method = replace(FINE[name], interpolant=path)
    assert measure(method, gaussian(path), progress=LATE).excess < ZERO
    assert measure(method, gaussian(path), 0.1, progress=LATE).excess > CLEAR


@pytest.mark.parametrize("method", [ICT(pairs=DoublingPairs(mean=0.5, std=0.5)), TCM()], ids=["ict", "tcm"])
def test_the_robust_distance_moves_the_fixed_point_of_a_skewed_target(method: ICT | TCM) -> None:
    """At noise levels where x_1 given x is skewed: near data it is almost Gaussian."""
    assert measure(replace(method, distance=SQUARED), skewed(), n=2048, progress=LATE).excess < ZERO
    assert measure(method, skewed(), n=2048, progress=LATE).excess > CLEAR


# Limits.


@BOTH
def test_consistency_distillation_tends_to_the_detached_eulerian_equation(path: Interpolant) -> None:
    """Divided by the gap, CD's semigradient is that of (1-s) | v - sg[ b + (1-s) (d_s v + grad v b) ] |^2.

    In the residual e of EMD at t = 1 that is -2 (1-s) phi e: everything but -v detached. EMD's own cut, at grad X . b
    alone, would leave (1-s) d_s phi in.
    """
    truth, errors = gaussian(path), {}
    for n in (32, 64, 128, 256):
        method = CD(pairs=UniformPairs(n), interpolant=path)
        loss, net = one_loss(method, truth, N, 0.2)
        found = n * torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
        at, x_1, one = context(method, N), data(truth, N), torch.ones(N).double()
        s = (at.draws.uniform("times") * n).floor() / n
        x = path.point(path.base_scale * at.noise(x_1), x_1, s)
        e = eulerian(net, x, s, one, truth.velocity(x, s), cut=False).detach()
        limit = -2 * ((1 - s)[:, None] * features(x, s, one)).T @ e / N
        errors[n] = ((found - limit).norm() / limit.norm()).item()
        assert limit.norm() > 1e-2
    assert errors[256] < 0.05
    assert all(0.8 < order < 2.2 for order in list(orders(errors))[-2:])


def test_the_first_stage_of_a_truncated_model_is_easy_consistency_on_its_part_of_the_budget() -> None:
    method = TCM(first_share=0.4)
    easy = ECT(c=method.c, pairs=method.pairs)
    first, net = one_loss(method, gaussian(), N, 0.2, stage=method.stages(1000)[0], progress=0.3)
    alone, other = one_loss(easy, gaussian(), N, 0.2, progress=0.75)
    torch.testing.assert_close(first.per_sample, alone.per_sample, rtol=0, atol=0)
    gradients = [torch.autograd.grad(a.per_sample.mean(), b.theta)[0] for a, b in ((first, net), (alone, other))]
    assert torch.equal(*gradients)


# Truncated models: what is frozen, who samples.


def test_an_error_of_the_first_network_reaches_the_second_at_the_boundary() -> None:
    exact, wrong = ({"net": Oracle(gaussian()), "first": Oracle(gaussian(), theta)} for theta in (0.0, 0.1))
    method = TCM(distance=SQUARED)
    assert measure(method, gaussian(), models=exact).excess < ZERO
    assert measure(method, gaussian(), models=wrong).excess > CLEAR


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


# The slow target.


def test_the_decay_of_the_slow_target_follows_the_grid() -> None:
    assert CT().target_decay(0.0) == pytest.approx(0.9**2) == CT().needs.target_ema
    assert CT().target_decay(0.25) == pytest.approx(0.9 ** (2 / 75))
    assert CT().target_decay(1 - 1e-9) == pytest.approx(0.9 ** (2 / 150))
    assert CD(target_ema=0.95).target_decay(0.7) == 0.95
    for method in (CD(), ICT(), ECT(), TCM()):
        assert method.needs.target_ema is None
        with pytest.raises(ValueError, match="no slow target"):
            method.target_decay(0.5)


@dataclass(frozen=True)
class Watched(CT):
    """Consistency training that notes the slow and the live network before each step."""

    seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        assert context.target is not None
        self.seen.append((live_of(context.target["net"]), live_of(models["net"])))
        return super().losses(models, batch, context)


def test_the_loop_lets_the_slow_target_decay_as_the_method_says() -> None:
    method = Watched(pairs=GrowingPairs(2, 8), mu_0=0.5)
    trained(method, "gaussian", 6)
    slow = method.seen[0][1]
    for k, (found, net) in enumerate(method.seen):
        if k:
            mu = method.target_decay((k - 1) / 6)
            slow = mu * slow + (1 - mu) * net
        torch.testing.assert_close(found, slow)
    assert len({method.target_decay(k / 6) for k in range(6)}) >= 5


# Training.


def begun(method: Method, folder: Path) -> Trainer:
    """A training of 40 steps that keeps its last two checkpoints, at steps 36 and 40."""
    models = method.build(Backbone(NET, (2,), seed=0))
    recipe = Recipe(40 * BATCH, BATCH, lr=2e-3, ema=(0.9,), checkpoints=10)
    return Trainer(method, models, points("gaussian"), recipe, 0, CPU, folder)


@pytest.mark.parametrize("method", [CT(), TCM(first_share=0.5)], ids=["ct", "tcm"])
def test_a_restart_is_exact_late_in_training(method: Method, tmp_path: Path) -> None:
    calm = begun(method, tmp_path)
    assert calm.run().status == "done"
    (newest,) = (tmp_path / "checkpoints").glob("step-00000040-*")
    newest.unlink()
    again = begun(method, tmp_path)
    assert again.run().status == "done"
    assert again.progress.index == calm.progress.index == len(method.stages(100)) - 1
    for role, module in calm.models.items():
        assert torch.equal(live_of(again.models[role]), live_of(module))
    if calm.state.slow is not None and again.state.slow is not None:
        assert torch.equal(live_of(again.state.slow.net), live_of(calm.state.slow.net))
        assert not torch.equal(live_of(calm.state.slow.net), live(calm))


SHORT: dict[str, tuple[Method, int]] = {  # a short budget wants a faster target and a coarser end than the papers'
    "ct": (CT(pairs=GrowingPairs(2, 32), mu_0=0.5), 1000),
    "ict": (ICT(), 500),
    "tcm": (TCM(), 500),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_training_learns_the_map_of_a_gaussian(name: str) -> None:
    method, steps = SHORT[name]
    assert map_error("gaussian", one_jump(trained(method, "gaussian", steps))) < 0.04


@pytest.mark.parametrize("method", [ICT(distance=SQUARED), TCM(pairs=LimitedPairs(doublings=4), distance=SQUARED)],
                         ids=["ict", "tcm"])
def test_a_short_training_learns_the_map_of_the_skewed_target(method: Method) -> None:
    assert map_error("skewed", one_jump(trained(method, "skewed", 500))) < 0.1


# Wrong settings.


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"target": "methods.consistency:ICT", "c": -1.0}, ["method.c", "null"]),
        ({"target": "methods.consistency:ICT", "c": "small"}, ["method.c", "null"]),
        ({"target": "methods.consistency:CT", "mu_0": 1.0}, ["method.mu_0"]),
        ({"target": "methods.consistency:CT", "pairs": {"target": "methods.pairs:GrowingPairs", "start": 9, "end": 8}},
         ["method.pairs.start", "method.pairs.end"]),
        ({"target": "methods.truncated:TCM", "boundary": 90.0}, ["method.boundary", "sigma_max"]),
        ({"target": "methods.truncated:TCM", "first_share": 1.0}, ["method.first_share", "method=ect"]),
        ({"target": "methods.truncated:TCM", "boundary_share": 0.0}, ["method.boundary_share"]),
        ({"target": "methods.truncated:TCM", "df": 0.0}, ["method.df"]),
    ],
)
def test_a_wrong_knob_is_an_error_that_names_it(config: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make_method(config, Linear())
    for word in words:
        assert word in str(caught.value)
