"""The neural operator: its grid and weights, its loss at the exact map, the order of its trajectories, a short training."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
import torch
from oracle import CPU, Oracle, context, data, on_clock, orders, teacher_of
from specs import network
from torch import Tensor, nn

from bench.data import Dataset
from bench.nets import Backbone, counting
from bench.scoring.sample import Sampler
from bench.training.rng import generator
from bench.training.train import Recipe, Trainer
from bench.truth import Gaussian, Truth, target
from methods.base import Batch
from methods.flow_matching import FlowMatching
from methods.operator import DSNO, Distance, Spacing
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.tools.solvers import Solver, solve

CLOCKS: dict[str, Interpolant] = {
    "linear": Linear(), "trigonometric": Trigonometric(), "half_base": Linear(base_scale=0.5),
    "trigonometric_half_base": Trigonometric(base_scale=0.5),
}  # fmt: skip
METHODS = {
    "default": DSNO(distance=Distance.SQUARED),
    "unweighted": DSNO(distance=Distance.SQUARED, weight_cap=1.0),
    "uniform": DSNO(distance=Distance.SQUARED, spacing=Spacing.UNIFORM, slots=6, teacher_steps=12),
    "absolute": DSNO(),
}
ORDER = {Solver.EULER: 1, Solver.HEUN: 2}
each_clock = pytest.mark.parametrize("clock", CLOCKS)


def gaussian(path: Interpolant) -> Gaussian:
    truth = target("gaussian", path.base_scale)
    assert isinstance(truth, Gaussian)
    return on_clock(truth, path)


def noise(truth: Truth, n: int, step: int = 0) -> Tensor:
    return truth.base_scale * torch.randn((n, 2), generator=generator(CPU, "x_0", step), dtype=torch.float64)


def exact_states(method: DSNO, truth: Truth, n: int, step: int = 0) -> Tensor:
    """(n, 1 + T, 2): the noise and where the exact map takes it."""
    x_0 = noise(truth, n, step)
    zero = torch.zeros(n, dtype=torch.float64)
    return torch.stack([x_0, *(truth.flow(x_0, zero, t.expand(n)) for t in method.slot_times)], 1)


def solved_states(method: DSNO, truth: Truth, n: int) -> Tensor:
    wanted = method.needs.trajectories
    assert wanted is not None
    velocity = teacher_of(truth)
    return solve(wanted.solver, lambda x, t: velocity(x, t), noise(truth, n), wanted.times, wanted.kept)


def measured(method: DSNO, truth: Truth, states: Tensor, theta: float = 0.0) -> tuple[float, Tensor]:
    """Mean loss and its gradient at the perturbed map."""
    net = Oracle(truth, theta)
    at = context(method, len(states))
    loss = method.losses({"net": net}, Batch(data(truth, len(states)), states=states), at)["net"]
    value = loss.per_sample.mean()
    return value.item(), torch.autograd.grad(value, net.theta)[0]


# Grid and weights.


def test_the_grid_is_the_papers() -> None:
    """Of 512 steps the states at 512 - 2 i^2 for i = 12, 8, 4, 0; uniform: a quarter each."""
    wanted = DSNO(teacher_steps=512, teacher_solver=Solver.EULER).needs.trajectories
    assert wanted is not None
    assert wanted.kept == tuple(512 - 2 * i**2 for i in (12, 8, 4, 0))
    assert wanted.evaluations == 512 * wanted.count
    uniform = DSNO(spacing=Spacing.UNIFORM).needs.trajectories
    assert uniform is not None and uniform.kept == (8, 16, 24, 32) and uniform.evaluations == 64 * uniform.count


@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)])
def test_the_times_are_those_of_the_cosine_schedule(path: Interpolant) -> None:
    """There data's coefficient at diffusion time u is cos(pi u / 2) and the noise's sin(pi u / 2)."""
    u = torch.tensor([0.5625, 0.25, 0.0625, 0.0], dtype=torch.float64)
    t = DSNO(interpolant=path).slot_times
    ratio = path.alpha(t) / path.beta(t)
    torch.testing.assert_close(ratio, torch.tan(torch.pi / 2 * u), rtol=1e-12, atol=1e-12)
    assert t[-1] == 1
    wanted = DSNO(interpolant=path).needs.trajectories
    assert wanted is not None and (wanted.times[0], wanted.times[-1]) == (0, 1)
    assert [wanted.times[k] for k in wanted.kept] == t.tolist()


@each_clock
def test_the_weight_is_the_root_of_the_signal_to_noise_ratio_within_its_bounds(clock: str) -> None:
    path = CLOCKS[clock]
    method = DSNO(interpolant=path)
    t = method.slot_times[:-1]
    expected = (path.beta(t) / (path.base_scale * path.alpha(t))).clamp(min=1)
    torch.testing.assert_close(method.weights[:-1], expected)
    assert method.weights[-1] == 1e4 and expected[-1] > 10
    assert replace(method, weight_cap=1.0).weights.tolist() == [1] * 4
    assert replace(method, weight_cap=5.0).weights[-2:].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"slots": 0}, "method.slots"),
        ({"modes": 0}, "method.modes"),
        ({"modes": 4}, "1 to 3 modes"),
        ({"trajectories": 0}, "method.trajectories"),
        ({"teacher_steps": 20}, "multiple of 16"),
        ({"teacher_steps": 3}, "nearest: 16"),
        ({"slots": 8}, "multiple of 64"),
        ({"spacing": Spacing.UNIFORM, "teacher_steps": 6}, "multiple of 4"),
        ({"weight_cap": 0.5}, "method.weight_cap"),
    ],
)
def test_a_wrong_knob_is_named(knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DSNO(**knobs)


# The loss.


@pytest.mark.parametrize("distance", Distance)
@each_clock
def test_the_loss_and_its_gradient_are_their_definition(clock: str, distance: Distance) -> None:
    path, n = CLOCKS[clock], 64
    truth, method = gaussian(path), DSNO(interpolant=path, distance=distance, weight_cap=7.0)
    states = exact_states(method, truth, n)
    net = Oracle(truth, 0.3)
    total = torch.zeros(n, dtype=torch.float64)
    for k, t in enumerate(method.slot_times):
        snr = float("inf") if t == 1 else (path.beta(t) / path.alpha(t) / path.base_scale).item() ** 2
        error = states[:, 0] + t * net(states[:, 0], torch.zeros(n).double(), t.expand(n)) - states[:, k + 1]
        size = error.abs().sum(1) if distance is Distance.ABSOLUTE else (error**2).sum(1)
        total = total + min(max(snr**0.5, 1), 7) * size / 4
    value, gradient = measured(method, truth, states, 0.3)
    assert value == pytest.approx(total.mean().item(), rel=1e-9) and value > 1e-2
    torch.testing.assert_close(gradient, torch.autograd.grad(total.mean(), net.theta)[0])


@each_clock
@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_zero_at_the_exact_map_and_only_there(name: str, clock: str) -> None:
    """With exact trajectories; an absolute value has no gradient at zero, and rounding 1e4 times its size."""
    method, truth = replace(METHODS[name], interpolant=CLOCKS[clock]), gaussian(CLOCKS[clock])
    states = exact_states(method, truth, 512)
    value, gradient = measured(method, truth, states)
    if method.distance is Distance.SQUARED:
        assert value < 1e-20 and gradient.norm() < 1e-10
    else:
        assert value < 1e-10
    value, gradient = measured(method, truth, states, 0.1)
    assert value > 1e-3 and gradient.norm() > 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_zero_on_the_skewed_target_to_the_accuracy_of_its_solved_map(name: str) -> None:
    method, coarse, fine = METHODS[name], *(replace(target("skewed"), steps=k) for k in (40, 160))  # type: ignore[type-var]
    states = exact_states(method, fine, 128)
    value, gradient = measured(method, coarse, states)
    if method.distance is Distance.SQUARED:
        assert value < 1e-7 and gradient.norm() < 1e-2
    else:
        assert value < 1e-2
    perturbed, slope = measured(method, coarse, states, 0.1)
    assert perturbed > 1e-3 and slope.norm() > 1e-3
    assert perturbed > 1e4 * value


@pytest.mark.parametrize("name", ["gaussian", "skewed"])
@pytest.mark.parametrize("solver", ORDER)
def test_the_error_of_the_trajectories_falls_at_their_solvers_order(solver: Solver, name: str) -> None:
    truth = target(name) if name == "gaussian" else replace(target(name), steps=64)  # type: ignore[type-var]
    squared: dict[int, float] = {}
    absolute: dict[int, float] = {}
    slopes: dict[int, float] = {}
    for steps in (128, 256):
        method = DSNO(distance=Distance.SQUARED, teacher_solver=solver, teacher_steps=steps)
        states = solved_states(method, truth, 256)
        squared[steps], gradient = measured(method, truth, states)
        slopes[steps] = gradient.norm().item()
        absolute[steps] = measured(replace(method, distance=Distance.ABSOLUTE), truth, states)[0]
    p = ORDER[solver]
    assert list(orders(squared))[-1] == pytest.approx(2 * p, abs=0.3)
    assert list(orders(slopes))[-1] == pytest.approx(p, abs=0.3)
    assert list(orders(absolute))[-1] == pytest.approx(p, abs=0.2)
    assert measured(method, truth, states, 0.1)[0] > 1e-3


@pytest.mark.parametrize("clock", ["trigonometric", "half_base"])
def test_trajectories_of_other_clocks_meet_the_exact_map(clock: str) -> None:
    method = DSNO(interpolant=CLOCKS[clock], teacher_steps=256)
    states, exact = (f(method, gaussian(CLOCKS[clock]), 128) for f in (solved_states, exact_states))
    assert (states - exact).abs().max() < 1e-3
    assert (solved_states(replace(method, teacher_steps=16), gaussian(CLOCKS[clock]), 128) - exact).abs().max() > 1e-3


def test_a_batch_without_trajectories_is_refused() -> None:
    with pytest.raises(ValueError, match="trajectories"):
        DSNO().losses({"net": Oracle(target("gaussian"))}, Batch(torch.zeros(4, 2)), context(DSNO(), 4))


# Rows, dropout, sampling.


class Recorder(nn.Module):
    """Zero velocity; keeps what it was called with."""

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Any = None) -> Tensor:
        self.seen = x, s, t, condition
        self.mask = None if dropout is None else dropout("block0", (len(x), 3))
        return torch.zeros_like(x)


def test_the_network_sees_each_sample_at_all_times_side_by_side() -> None:
    net, method, x = Recorder(), DSNO(), torch.randn(3, 2, dtype=torch.float64)
    method.trajectory({"net": net}, x, torch.tensor([5, 6, 7]))
    rows, s, t, labels = net.seen
    assert torch.equal(rows.reshape(3, 4, 2), x[:, None].expand(3, 4, 2))
    assert (s == 0).all() and torch.equal(t.reshape(3, 4), method.slot_times.expand(3, 4))
    assert labels is not None and labels.tolist() == [5] * 4 + [6] * 4 + [7] * 4


def test_every_row_has_a_dropout_mask_of_its_own_whatever_the_slice() -> None:
    method, states = DSNO(), torch.zeros(6, 5, 2, dtype=torch.float64)
    masks = []
    for rows in (range(6), range(2, 5)):
        net = Recorder()
        batch = Batch(torch.zeros(len(rows), 2), states=states[rows.start : rows.stop])
        method.losses({"net": net}, batch, context(method, 6, rows=rows))
        masks.append(net.mask)
    assert masks[0].shape == (24, 3) and len(masks[0].unique()) == 72
    assert torch.equal(masks[1], masks[0][8:20])


def test_slices_with_dropout_have_the_losses_of_the_whole() -> None:
    method, truth = DSNO(), target("gaussian")
    own = network({"name": "mlp", "width": 16, "depth": 1, "embedding": 8, "dropout": 0.5})
    net = Backbone(own, (2,), 0).operator(4, 2).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    states = exact_states(method, truth, 12)

    def per_sample(rows: range) -> Tensor:
        part = states[rows.start : rows.stop]
        return method.losses({"net": net}, Batch(part[:, 0], states=part), context(method, 12, rows=rows))["net"].per_sample

    torch.testing.assert_close(torch.cat([per_sample(range(i, i + 4)) for i in (0, 4, 8)]), per_sample(range(12)))


@pytest.mark.parametrize("path", [Linear(), Linear(0.5)])
def test_one_call_of_an_exact_operator_samples_the_target(path: Interpolant) -> None:
    truth, method = gaussian(path), DSNO(interpolant=path)
    sampler = Sampler(method, {"net": Oracle(truth)}, (2,), 0, 10_000, CPU)
    x = torch.cat([sampler.draw(i, 1) for i in range(4)]).double()
    assert (x.mean(0) - torch.tensor(truth.mean)).norm() < 0.03
    assert (torch.cov(x.T) - torch.tensor(truth.covariance)).norm() < 0.07


def test_a_sample_is_one_call_of_as_many_rows_as_states() -> None:
    method = DSNO(slots=5, teacher_steps=25)
    models = method.build(Backbone(network({"name": "mlp", "width": 8, "depth": 1}), (2,), 0))
    sampler = Sampler(method, models, (2,), 0, 7, CPU)
    with counting(models["net"]) as count:
        assert sampler.draw(0, 1).shape == (7, 2)
    assert (count.calls, count.rows) == (1, 35)


def test_other_jumps_are_refused() -> None:
    method, x = DSNO(), torch.zeros(2, 2)
    assert method.supports(1) and not method.supports(2)
    for s, t in ((0.0, 0.75), (0.5, 1.0)):
        with pytest.raises(ValueError, match="s = 0"):
            method.jump({"net": Recorder()}, x, torch.full((2,), s), torch.full((2,), t))


# A short training.

NET = {"name": "mlp", "width": 64, "depth": 2, "embedding": 32}
BATCH, STEPS = 256, 200


@lru_cache
def points(name: str) -> Dataset:
    truth = target(name)
    return Dataset(name, "points", (2,), *(data(truth, n, step=n).float() for n in (1000, 100)), "0" * 64, truth=truth)


def trained(method: DSNO | FlowMatching, name: str, steps: int, previous: nn.Module | None = None, **recipe: Any) -> Trainer:
    settings = {"lr": 2e-3, "ema": (0.99,), "clip": 10.0, **recipe}
    states = exact_states(method, target(name), 4096, step=1).float() if isinstance(method, DSNO) else None
    models = method.build(Backbone(network(NET), (2,), seed=0))
    trainer = Trainer(method, models, points(name), Recipe(steps * BATCH, BATCH, **settings), 0, CPU,
                      teacher_models={"net": previous} if previous else {}, trajectories=states)
    assert trainer.run().status == "done"
    return trainer


@lru_cache
def teacher_net(name: str) -> nn.Module:
    return trained(FlowMatching(), name, 300).averaged()


def map_error(trainer: Trainer, name: str) -> float:
    """Of the one jump, on noise that was not trained on."""
    x, models = noise(target(name), 2000, step=2), {"net": trainer.averaged().double()}
    zero, one = torch.zeros(2000).double(), torch.ones(2000).double()
    with torch.no_grad():
        return (trainer.method.jump(models, x, zero, one) - target(name).flow(x, zero, one)).square().sum(1).mean().item()


@pytest.mark.parametrize(("name", "bar"), [("gaussian", 0.04), ("skewed", 0.1)])
def test_a_short_training_learns_the_map(name: str, bar: float) -> None:
    x = noise(target(name), 2000, step=2)
    zero = torch.zeros(2000).double()
    assert (x - target(name).flow(x, zero, zero + 1)).square().sum(1).mean() > 0.5
    assert map_error(trained(DSNO(), name, STEPS, teacher_net(name)), name) < bar


def test_without_weights_all_states_are_learned() -> None:
    """The paper's weight is all but the last state alone."""
    errors = {}
    for cap in (1.0, 1e4):
        method = DSNO(initialise=False, weight_cap=cap)
        trainer = trained(method, "gaussian", 200)
        states = exact_states(method, target("gaussian"), 1000, step=2)
        with torch.no_grad():
            found = method.trajectory({"net": trainer.averaged().double()}, states[:, 0])
        errors[cap] = (found - states[:, 1:]).square().sum(2).mean(0)
    assert errors[1.0].max() < 0.1
    assert (errors[1e4][0] > 3 * errors[1.0][0]).all()


def test_it_starts_from_the_weights_of_its_teacher_where_it_says_so() -> None:
    teacher, backbone = teacher_net("gaussian"), Backbone(network(NET), (2,), seed=0)
    for initialise in (True, False):
        method = DSNO(initialise=initialise)
        net, prepare = method.build(backbone)["net"], method.stages(100)[0].prepare
        assert (prepare is not None) is initialise
        if prepare is not None:
            prepare({"net": net}, {"net": teacher})
        x, t = noise(target("gaussian"), 8).float(), torch.rand(8)
        assert torch.equal(net(x, t, t), teacher(x, t, t)) is initialise


def test_micro_batches_train_the_same_network() -> None:
    """RAdam's first steps follow the gradient itself; see test_truth_training."""
    plain = {"optimizer": "radam", "clip": 0.0, "lr": 1e-5}
    nets = [DSNO().build(Backbone(network(NET), (2,), seed=0))["net"]]
    nets += [trained(DSNO(initialise=False), "gaussian", 4, micro_batch=k, **plain).models["net"] for k in (None, 96)]
    start, whole, sliced = (torch.cat([p.detach().flatten() for p in net.parameters()]) for net in nets)
    assert (whole - start).norm() > 1e-3
    assert (whole - sliced).norm() < 1e-3 * (whole - start).norm()
