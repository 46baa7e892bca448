"""Consistency trajectory models: the loss and its gradient, the teacher's order, the laws of levels, the balance of losses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle import Oracle, context, data, features, loss_and_gradient, on_clock, one_loss, orders, squared, teacher_of
from small_runs import bits, planned, run
from specs import network
from torch import Tensor, nn
from trainings import BATCH, NET, live, live_of, map_error, one_jump, points, trained

from bench.config.errors import ConfigError
from bench.nets import Backbone
from bench.training.balance import LARGEST, Aside
from bench.training.rng import StepDraws
from bench.training.train import Recipe, Trainer
from bench.truth import Gaussian, Truth, target
from methods.base import Batch, Context, Draws, Loss, Method, Models, Stage
from methods.consistency import CD, KarrasPairs
from methods.ctm import CTM
from methods.flow_matching import FlowMatching
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.tools.solvers import Solver, step

N, THETA, ZERO, CLEAR = 512, 0.2, 5.0, 40.0
PATHS = {"linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(0.5),
         "trigonometric_half": Trigonometric(0.5)}
BOTH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
ORDER = {Solver.EULER: 1, Solver.HEUN: 2}
MORE: dict[str, Any] = {"name": "denoising"}


def gaussian(path: Interpolant) -> Gaussian:
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def skewed(steps: int = 8) -> Truth:
    return replace(target("skewed"), steps=steps)  # type: ignore[type-var]


@dataclass(frozen=True)
class Fixed:
    """Draws whose common number, or whose pair of times, has one value."""

    draws: Draws
    common_value: float | None = None
    pair: tuple[float, float] | None = None

    @property
    def rows(self) -> range:
        return self.draws.rows

    @property
    def device(self) -> torch.device:
        return self.draws.device

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        u = self.draws.uniform(purpose, *shape)
        return u if self.pair is None or purpose != "times" else u.new_tensor(self.pair).expand(len(u), 2)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        return self.draws.normal(purpose, *shape)

    def split(self, share: float) -> tuple[Tensor, Tensor]:
        return self.draws.split(share)

    def common(self, purpose: str) -> float:
        return self.draws.common(purpose) if self.common_value is None else self.common_value

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Any:
        return self.draws.dropout(purpose, positions)


def drawn(method: Method, truth: Truth, n: int, theta: float, common: float | None, pair: tuple[float, float] | None = None,
          slow: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """The consistency loss and its mean gradient with some draws fixed."""
    net, at = Oracle(truth, theta), context(method, n, teacher=teacher_of(truth), target=slow and {"net": slow})
    at = replace(at, draws=Fixed(at.draws, common, pair))
    loss = method.losses({"net": net}, Batch(data(truth, n)), at)["net"].per_sample
    return loss.detach(), torch.autograd.grad(loss.mean(), net.theta)[0]


# The consistency loss.


@BOTH
def test_the_loss_and_its_gradient_are_those_of_their_definition(path: Interpolant) -> None:
    """The gradient goes through the slow copy to the first jump of the network, and nowhere else."""
    method, truth = CTM(n=6, interpolant=path), gaussian(path)
    slow = Oracle(truth, 0.4)
    at, x_1 = context(method, N), data(truth, N)
    p = torch.arange(1, 6).double()
    h = 1 + int(torch.searchsorted((p / p.sum()).cumsum(0), at.draws.common("substeps")))
    a, b = at.draws.uniform("times", 2).T
    i = (a * (6 - h)).floor().long()
    j = i + h + (b * (6 - i - h)).floor().long()
    ramp = torch.arange(6).double() / 5
    sigmas = (80 ** (1 / 7) + ramp * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    grid = path.time_of_sigma(torch.where(ramp == 1, 0, sigmas))
    s, u, t, one = grid[i], grid[i + h], grid[j], torch.ones(N).double()
    x_s = path.point(path.base_scale * at.noise(x_1), x_1, s)
    x_u = x_s
    for k in range(h):
        x_u = step(Solver.HEUN, teacher_of(truth), x_u, grid[i + k], grid[i + k + 1])

    loss, net = one_loss(method, truth, N, THETA, target={"net": slow})
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]

    def jump(net: Oracle, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return x + (t - s)[:, None] * net(x, s, t).detach() if net is not slow else x + (t - s)[:, None] * net(x, s, t)

    y = jump(net, x_s, s, t).requires_grad_()
    end = jump(slow, y, t, one)
    r = (end - jump(slow, jump(net, x_u, u, t), t, one)).detach()
    pulled = torch.autograd.grad(end, y, r)[0]
    expected = 2 * ((t - s)[:, None] * features(x_s, s, t)).T @ pulled / N
    assert loss.per_sample.mean() > 1e-3 and gradient.norm() > 1e-3
    torch.testing.assert_close(loss.per_sample.detach(), squared(r), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-12)


def test_the_slow_copy_is_frozen_though_the_gradient_passes_through_it() -> None:
    slow = Oracle(target("gaussian"), 0.4)
    loss, net = one_loss(CTM(n=6), target("gaussian"), 64, THETA, target={"net": slow})
    gradients = torch.autograd.grad(loss.per_sample.mean(), [net.theta, slow.theta], allow_unused=True)
    assert gradients[0] is not None and gradients[1] is None
    assert [flag for _, _, flag in slow.calls] == [True, False]
    assert [flag for _, _, flag in net.calls].count(False) == 1
    _, alone = drawn(CTM(n=6), target("gaussian"), 64, THETA, None, slow=Oracle(target("gaussian"), THETA))
    own, net = one_loss(CTM(n=6), target("gaussian"), 64, THETA)  # without one it is the network itself, frozen
    torch.testing.assert_close(torch.autograd.grad(own.per_sample.mean(), net.theta)[0], alone)
    assert CTM().needs.target_ema == 0.999 and CTM(target_ema=0.0).needs.target_ema is None


@BOTH
@pytest.mark.parametrize("solver", ORDER)
def test_the_residual_and_its_gradient_fall_at_the_solvers_order_in_the_substeps(solver: Solver, path: Interpolant) -> None:
    """Along the whole trajectory (h = n - 1), and along about two thirds of it."""
    for share in (0.999, 0.45):
        found = {n: drawn(CTM(n=n + 1, teacher_solver=solver, interpolant=path), gaussian(path), 1024, 0.0, share)
                 for n in (48, 96, 192)}
        p = ORDER[solver]
        assert list(orders({n: loss.mean().item() for n, (loss, _) in found.items()}))[-1] == pytest.approx(2 * p, abs=0.4)
        assert list(orders({n: g.norm().item() for n, (_, g) in found.items()}))[-1] == pytest.approx(p, abs=0.3)
        seen = drawn(CTM(n=49, teacher_solver=solver, interpolant=path), gaussian(path), 1024, 0.3, share)
        assert seen[0].mean() > 1e-3
        assert seen[1].norm() > 5 * found[48][1].norm()


@pytest.mark.parametrize("solver", ORDER)
def test_the_residual_falls_at_the_solvers_order_on_the_skewed_target(solver: Solver) -> None:
    """Of its median: the mean hangs on the few trajectories that pass between the two components."""
    losses = {n: drawn(CTM(n=n + 1, teacher_solver=solver), skewed(100), 256, 0.0, 0.999)[0].median().item() for n in (32, 64)}
    assert list(orders(losses))[-1] == pytest.approx(2 * ORDER[solver], abs=0.3)
    assert drawn(CTM(n=33, teacher_solver=solver), skewed(100), 256, 0.3, 0.999)[0].mean() > 1e-3


@BOTH
def test_with_one_substep_and_the_end_at_data_it_is_consistency_distillation(path: Interpolant) -> None:
    truth, last = gaussian(path), 1 - 1e-9
    for a in (0.0, 0.4, 0.9):
        pair = (a, last)
        loss, gradient = drawn(CTM(n=8, interpolant=path), truth, N, THETA, 0.0, pair)
        net, at = Oracle(truth, THETA), context(CD(), N, teacher=teacher_of(truth))
        cd = CD(pairs=KarrasPairs(8), interpolant=path)

        class One(Fixed):
            def uniform(self, purpose: str, *shape: int, a: float = a) -> Tensor:
                return torch.full((N, *shape), a, dtype=torch.float64)

        other = cd.losses({"net": net}, Batch(data(truth, N)), replace(at, draws=One(at.draws)))["net"].per_sample
        assert other.mean() > 1e-5
        torch.testing.assert_close(loss, other.detach())
        torch.testing.assert_close(gradient, torch.autograd.grad(other.mean(), net.theta)[0])


# The denoising loss.


@BOTH
def test_the_denoising_loss_is_its_definition(path: Interpolant) -> None:
    method, truth = CTM(interpolant=path), gaussian(path)
    loss, net = one_loss(method, truth, N, THETA, **MORE)
    gradient = torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]
    s, t, _ = net.calls[-1]
    at, x_1, sigma = context(method, N), data(truth, N), path.sigma(t)
    x = path.point(path.base_scale * at.draws.normal("denoising", 2), x_1, t)
    a, b, da, db = (f(t)[:, None] for f in (path.alpha, path.beta, path.d_alpha, path.d_beta))

    def denoiser(v: Tensor) -> Tensor:
        """x_1 of x = a x_0 + b x_1 and v = a' x_0 + b' x_1."""
        return (da * x - a * v) / (da * b - a * db)

    v = net(x, t, t).detach()
    r, w = denoiser(v) - x_1, (sigma**2 + 0.25) / (0.5 * sigma) ** 2
    assert torch.equal(s, t)
    torch.testing.assert_close(loss.per_sample.detach(), w * squared(r), rtol=1e-7, atol=1e-10)
    slope = denoiser(v + 1) - denoiser(v)  # of D in v, a number per sample
    torch.testing.assert_close(gradient, 2 * (w[:, None] * features(x, t, t)).T @ (slope * r) / N, rtol=1e-7, atol=1e-10)


@BOTH
def test_its_semigradient_vanishes_at_the_exact_map_only(path: Interpolant) -> None:
    method, truth = CTM(n=2, interpolant=path), gaussian(path)
    assert loss_and_gradient(method, truth, n=2048, chunks=16, **MORE).excess < ZERO
    assert loss_and_gradient(method, truth, 0.1, n=2048, chunks=16, **MORE).excess > CLEAR


def test_its_semigradient_vanishes_on_the_skewed_target_only_at_the_exact_map() -> None:
    assert loss_and_gradient(CTM(n=2), skewed(), n=512, chunks=16, **MORE).excess < ZERO
    assert loss_and_gradient(CTM(n=2), skewed(), 0.2, n=512, chunks=16, **MORE).excess > CLEAR


def test_half_of_its_noise_levels_are_log_normal_and_half_on_the_noisier_part_of_the_grid() -> None:
    n, method = 20_000, CTM(n=2)
    _, net = one_loss(method, target("gaussian"), n, **MORE)
    sigma, (on, off) = Linear().sigma(net.calls[-1][1]), context(method, n).split(0.5)
    assert sigma[on].log().mean().item() == pytest.approx(-1.2, abs=0.05)
    assert sigma[on].log().std().item() == pytest.approx(1.2, abs=0.05)
    ramp = (80 ** (1 / 7) - sigma[off] ** (1 / 7)) / (80 ** (1 / 7) - 0.002 ** (1 / 7))
    assert (ramp.min().item(), ramp.mean().item(), ramp.max().item()) == pytest.approx((0, 0.35, 0.7), abs=0.01)


@BOTH
def test_its_weight_is_finite_where_the_noise_level_is_not(path: Interpolant) -> None:
    assert CTM(interpolant=path).weight(torch.tensor([0.0, 1.0], dtype=torch.float64)).isfinite().all()


# Laws of the levels.


def test_the_number_of_substeps_is_as_likely_as_it_is_large() -> None:
    method, u = CTM(n=5), (torch.arange(10_000).double() + 0.5) / 10_000
    counts = torch.tensor([method.substeps(x) for x in u.tolist()]).bincount()
    assert counts.tolist() == [0, 1000, 2000, 3000, 4000]
    assert method.substeps(0.0) == 1 and method.substeps(1 - 2**-53) == 4


@pytest.mark.parametrize("h", [1, 3, 5])
def test_levels_are_uniform_on_what_the_substeps_leave(h: int) -> None:
    u = torch.rand((2, 60_000), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first, last = CTM(n=6).levels(u[0], u[1], h)
    shares = first.bincount(minlength=6 - h) / len(first)
    assert shares.tolist() == pytest.approx([1 / (6 - h)] * (6 - h), abs=0.01)
    for i in range(6 - h):
        ends = last[first == i]
        assert (ends.min().item(), ends.max().item()) == (i + h, 5)
        shares = (ends - i - h).bincount() / len(ends)
        assert shares.tolist() == pytest.approx([1 / (6 - i - h)] * (6 - i - h), abs=0.02)


@pytest.mark.parametrize("solver", Solver)
def test_the_cost_counts_the_teachers_calls(solver: Solver) -> None:
    """Of 300 steps; each costs three tenths of a step of flow matching."""
    method, calls = CTM(teacher_solver=solver), 0

    def teacher(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        nonlocal calls
        calls += 1
        return 0 * x

    x_1, net = data(target("gaussian"), 4), FlowMatching().build(Backbone(network({**NET, "width": 4, "depth": 1}), (2,), 0))
    net["net"].double()
    for k in range(300):
        method.losses(net, Batch(x_1), context(method, 4, step=k, teacher=teacher))
    assert 0.3 * calls / 300 == pytest.approx(method.needs.cost - 3, rel=0.05)


# The balance of the two losses.


def test_a_balanced_gradient_is_as_long_as_the_other_at_the_last_layer() -> None:
    body, head = (nn.Parameter(torch.zeros(2)) for _ in range(2))
    body.grad, head.grad = torch.tensor([1.0, 1.0]), torch.tensor([3.0, 4.0])
    aside = Aside()
    for _ in range(2):  # two slices
        aside.add("more", (body * torch.tensor([1.0, 2.0])).sum() + 0.25 * head.sum(), [body, head], False)
    aside.join("more", [body, head], aside.scale("more", [body, head], [head]))
    scale = 5 / (0.5 * 2**0.5)
    torch.testing.assert_close(body.grad, 1 + scale * torch.tensor([2.0, 4.0]))
    torch.testing.assert_close(head.grad, torch.tensor([3.0, 4.0]) + scale * 0.5)
    assert not aside.gradients


def test_a_gradient_that_vanishes_at_the_last_layer_is_not_scaled_without_bound() -> None:
    body, head = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    body.grad, head.grad = torch.zeros(1), torch.ones(1)
    aside = Aside()
    aside.add("more", body.sum() + 0 * head.sum(), [body, head], False)
    aside.join("more", [body, head], aside.scale("more", [body, head], [head]))
    assert body.grad.item() == pytest.approx(LARGEST) and head.grad.item() == 1


def trainer(method: Method, **recipe: Any) -> Trainer:
    settings = {"lr": 2e-3, "ema": (0.99,), "clip": 0.0, "optimizer": "radam", **recipe}
    models = method.build(Backbone(network(NET), (2,), seed=0))
    with torch.no_grad():
        for p in models["net"].parameters():  # off its zero start, so that the two losses differ everywhere
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    made = Trainer(method, models, points("gaussian"), Recipe(4 * BATCH, BATCH, **settings), 0, torch.device("cpu"),
                   teacher=teacher_of(target("gaussian")))
    made.begin_stage(0)
    return made


@pytest.mark.parametrize("size", [None, 96])
def test_the_loop_adds_the_denoising_gradient_at_the_consistency_gradients_length(size: int | None) -> None:
    made = trainer(CTM(initialise=False), micro_batch=size)
    net = made.models["net"]
    draws = StepDraws(0, 0, range(BATCH), BATCH, torch.device("cpu"))
    found = made.step.losses(draws, made.progress)
    parameters = list(net.parameters())
    one, two = (torch.autograd.grad(found[k].per_sample.mean(), parameters, retain_graph=True, materialize_grads=True)
                for k in ("net", "denoising"))
    last = [i for i, (name, _) in enumerate(net.named_parameters()) if name.startswith("head")]
    long, own = (torch.cat([g[i].flatten() for i in last]).norm() for g in (one, two))
    assert (long / own - 1).abs() > 0.1
    made.step(made.progress)
    for p, g, more in zip(parameters, one, two, strict=True):
        assert p.grad is not None
        torch.testing.assert_close(p.grad, g + long / own * more, rtol=1e-3, atol=1e-5 * float(g.norm() + 1))


@dataclass(frozen=True)
class Thrice(CTM):
    """Its denoising loss twice more, ten times as long."""

    def stages(self, images: int) -> Sequence[Stage]:
        (stage,) = super().stages(images)
        return [replace(stage, balanced=dict.fromkeys(("denoising", "again", "once more"), "net"))]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        found = super().losses(models, batch, context)
        again = Loss(10 * found["denoising"].per_sample)
        return {**found, "again": again, "once more": again}


def test_several_balanced_gradients_are_each_as_long_as_the_one_without_the_others() -> None:
    gradients = []
    for method in (CTM(balance=False, denoising=0.0, initialise=False), CTM(initialise=False), Thrice(initialise=False)):
        made = trainer(method)
        made.step.gradients(made.progress)
        gradients.append([p.grad for p in made.models["net"].parameters()])
    for alone, once, thrice in zip(*gradients, strict=True):
        assert alone is not None and once is not None and thrice is not None
        torch.testing.assert_close(thrice - alone, 3 * (once - alone), rtol=1e-4, atol=1e-5 * float(alone.norm() + 1))


def test_micro_batches_train_the_same_network() -> None:
    start = live(trainer(CTM(initialise=False)))
    ends = []
    for size in (None, 96):
        made = trainer(CTM(initialise=False), micro_batch=size, clip=1.0)
        for _ in range(4):
            made.step(made.progress)
        ends.append(live(made))
    assert (ends[0] - start).norm() > 1e-3
    assert (ends[0] - ends[1]).norm() < 1e-3 * (ends[0] - start).norm()


def test_the_parts_of_both_losses_are_logged() -> None:
    made = trainer(CTM(initialise=False))
    made.step(made.progress)
    assert made.meter.parts.keys() == {"matched", "denoised"}


def test_a_fixed_weight_takes_the_place_of_the_balance() -> None:
    truth = target("gaussian")
    balanced, more = (one_loss(CTM(), truth, 64, THETA, name=k)[0].per_sample for k in ("net", "denoising"))
    for weight in (0.0, 0.3):
        fixed = CTM(balance=False, denoising=weight)
        torch.testing.assert_close(one_loss(fixed, truth, 64, THETA)[0].per_sample, balanced + weight * more)
        assert not fixed.stages(64)[0].balanced
    assert CTM().stages(64)[0].balanced == {"denoising": "net"}


def test_a_network_without_a_head_is_named_with_the_way_out() -> None:
    made = trainer(CTM(initialise=False))
    made.models["net"].tail = made.models["net"].head  # type: ignore[assignment]
    del made.models["net"].head
    made.models["net"].forward = lambda x, s, t, condition=None, dropout=None: made.models["net"].tail(  # type: ignore
        made.models["net"].stem(x))
    with pytest.raises(ConfigError, match=r"'net' has no module `head`; method\.balance=false"):
        made.step(made.progress)


# Training.


@pytest.mark.parametrize(("name", "bound"), [("gaussian", 0.04), ("skewed", 0.1)])
def test_a_short_training_learns_the_map_and_keeps_the_diagonal(name: str, bound: float) -> None:
    made = trained(CTM(n=8, target_ema=0.9, initialise=False), name, 350)
    assert map_error(name, one_jump(made)) < bound
    t, x = torch.full((500,), 0.5), data(target(name), 500).float()
    x = 0.5 * torch.randn((500, 2), generator=torch.Generator().manual_seed(0)) + 0.5 * x
    assert squared(made.averaged()(x, t, t) - target(name).velocity(x, t)).mean() < 0.2
    assert squared(target(name).velocity(x, t)).mean() > 1


def test_a_student_starts_as_its_teacher_unless_told_otherwise() -> None:
    teacher, net = nn.Linear(1, 1), nn.Linear(1, 1)
    prepare = CTM().stages(100)[0].prepare
    assert prepare is not None and CTM(initialise=False).stages(100)[0].prepare is None
    prepare({"net": net}, {"net": teacher})
    assert torch.equal(live_of(net), live_of(teacher))


def test_a_stopped_run_continues_bitwise(tmp_path: Path) -> None:
    made = planned("ctm", "method.n=4", "budget.images=2560")
    run(tmp_path / "calm", made)
    assert run(tmp_path / "rough", made, stop_after=0) == "interrupted"
    assert run(tmp_path / "rough", made) == "done"
    assert bits(tmp_path / "rough" / made[-1].id) == bits(tmp_path / "calm" / made[-1].id)
