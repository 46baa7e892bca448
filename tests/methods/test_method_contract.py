"""What every method of the configuration folder owes the harness. A new YAML is tested here the day it is born."""

from dataclasses import fields
from functools import lru_cache
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from oracle import Oracle, context, data, teacher_of
from torch import Tensor, nn

from bench.config.compose import CONF, names
from bench.config.registry import make_method
from bench.nets import Backbone
from bench.truth import target
from methods.base import Batch, Loss, Method
from methods.tools.interpolant import Interpolant, Linear, Trigonometric
from methods.tools.solvers import solve

METHODS = names("method")
TRUTH = target("gaussian")
B, BUDGET = 16, 2**20
EACH = pytest.mark.parametrize("name", METHODS)
# Network calls of one jump, where it is not one.
CALLS: dict[str, int] = {}
# Parameters that a method never moves: on the diagonal the network does not see t - s.
UNSEEN = {
    "flow_matching": {"net.time.gap.weight"}, "edm": {"net.net.time.gap.weight"},
    "ctm": {"net.time.gap.weight"},  # by its denoising loss
}  # fmt: skip


@lru_cache
def made(name: str, path: Interpolant | None = None) -> Method:
    """The method at the defaults of its YAML file."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "method" / f"{name}.yaml"))
    assert isinstance(config, dict)
    return make_method(config, path or Linear())  # type: ignore[arg-type]


def built(method: Method, shape: tuple[int, ...] = (2,), dtype: torch.dtype = torch.float64) -> dict[str, nn.Module]:
    """Small networks of every role, moved off their zero start so that every gradient is alive."""
    models = method.build(Backbone({"name": "mlp", "width": 16, "depth": 1, "embedding": 8}, shape, seed=0))
    with torch.no_grad():
        for k, module in enumerate(models.values()):
            for i, p in enumerate(module.parameters()):
                g = torch.Generator().manual_seed(1000 * k + i)
                p.add_(0.2 * torch.randn(p.shape, generator=g))
            module.to(dtype)
    return models


def batch_of(method: Method, x_1: Tensor, teacher: Any) -> Batch:
    """x_1 with what else the method needs beside it, for the whole batch."""
    wanted = method.needs.trajectories
    if wanted is None:
        return Batch(x_1)
    g = torch.Generator().manual_seed(5)
    x_0 = torch.randn(x_1.shape, generator=g, dtype=x_1.dtype)
    states = solve(wanted.solver, lambda x, t: teacher(x, t, None), x_0, wanted.times, wanted.kept)
    return Batch(x_1, states=states)


def losses(
    method: Method, models: dict[str, nn.Module], x_1: Tensor, rows: range | None = None, **more: Any
) -> dict[str, Loss]:
    """The losses of one float64 step, or of some rows of it."""
    at = context(method, len(x_1), rows=rows, teacher=teacher_of(TRUTH), target={"net": models["net"]}, **more)
    batch, part = batch_of(method, x_1, teacher_of(TRUTH)), slice(None) if rows is None else slice(rows.start, rows.stop)
    states = None if batch.states is None else batch.states[part]
    return method.losses(models, Batch(x_1[part], states=states), at)


@EACH
def test_the_yaml_states_every_knob_at_the_default_of_the_class(name: str) -> None:
    method = made(name)
    stated = set(OmegaConf.load(CONF / "method" / f"{name}.yaml")) - {"name", "target"}
    assert stated == {f.name for f in fields(method)} - {"interpolant"}
    if name != "psd_u":  # the one that differs from its class by a knob
        assert method == type(method)()


@EACH
def test_its_needs_are_sane(name: str) -> None:
    needs = made(name).needs
    assert needs.target_ema is None or 0 < needs.target_ema < 1
    assert needs.group >= 1 and needs.cost > 0
    assert needs.reaches in ("any", "grid", "data") and needs.rule in ("hop", "renoise")
    assert needs.truth in ("A", "B", "C")
    assert needs.teacher or not needs.weak_teacher
    assert needs.reaches != "data" or needs.rule == "renoise"


@EACH
def test_its_stages_spend_the_budget_and_train_known_roles(name: str) -> None:
    stages = made(name).stages(BUDGET)
    assert sum(stage.images for stage in stages) == BUDGET
    roles = built(made(name)).keys()
    for stage in stages:
        assert {role for trained in stage.trained.values() for role in trained} <= roles


@EACH
@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)], ids=["points", "images"])
def test_its_losses_are_one_finite_number_per_sample(name: str, shape: tuple[int, ...]) -> None:
    method, g = made(name), torch.Generator().manual_seed(0)
    x_1 = torch.randn((B, *shape), generator=g, dtype=torch.float64)
    teacher = lambda x, t, condition: -x  # noqa: E731
    batch, at = batch_of(method, x_1, teacher), context(method, B, teacher=teacher)
    found = method.losses(built(method, shape), batch, at)
    stage = method.stages(BUDGET)[-1]
    assert found.keys() == stage.trained.keys() | stage.balanced.keys()
    for loss in found.values():
        assert loss.per_sample.shape == (B,) and loss.per_sample.isfinite().all()
        assert all(part.ndim == 1 and not part.requires_grad for part in loss.parts.values())


@EACH
def test_its_gradients_reach_every_trained_parameter(name: str) -> None:
    method = made(name)
    models = built(method)
    for loss_name, loss in losses(method, models, data(TRUTH, B)).items():
        stage = method.stages(BUDGET)[-1]
        roles = stage.trained[stage.balanced.get(loss_name, loss_name)]
        named = {f"{role}.{n}": p for role in roles for n, p in models[role].named_parameters()}
        gradients = torch.autograd.grad(loss.per_sample.mean(), list(named.values()), retain_graph=True)
        for parameter, gradient in zip(named, gradients, strict=True):
            assert gradient.isfinite().all()
            assert gradient.abs().max() > 0 or parameter in UNSEEN.get(name, ()), parameter


@EACH
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_its_gradients_are_finite_in_the_precision_of_training(name: str, autocast: bool) -> None:
    method, teacher = made(name), teacher_of(TRUTH)
    models = built(method, dtype=torch.float32)
    at = context(method, 256, teacher=teacher)
    at.draws._dtype = torch.float32  # type: ignore[attr-defined]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = method.losses(models, batch_of(method, data(TRUTH, 256).float(), teacher), at)
    for loss in found.values():
        assert loss.per_sample.dtype == torch.float32
        loss.per_sample.mean().backward(retain_graph=True)
    gradients = [p.grad for p in models["net"].parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


@EACH
def test_a_loss_is_a_pure_function(name: str) -> None:
    models, x_1 = built(made(name)), data(TRUTH, B)
    torch.manual_seed(0)
    first = losses(made(name), models, x_1)["net"].per_sample
    torch.manual_seed(1)
    state = torch.get_rng_state()
    second = losses(made(name), models, x_1)["net"].per_sample
    assert torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


@EACH
@pytest.mark.parametrize("size", [4, 8])
def test_micro_batches_have_the_losses_of_the_whole_batch(name: str, size: int) -> None:
    """As multisets: a method may order its samples as it likes."""
    models, x_1 = built(made(name)), data(TRUTH, B)
    assert size % made(name).needs.group == 0
    whole = losses(made(name), models, x_1)
    parts = [losses(made(name), models, x_1, range(i, i + size)) for i in range(0, B, size)]
    for key, loss in whole.items():
        joined = torch.cat([part[key].per_sample for part in parts])
        torch.testing.assert_close(joined.sort().values, loss.per_sample.sort().values, rtol=1e-12, atol=1e-12)


@EACH
@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])
def test_its_map_is_the_identity_on_the_diagonal(name: str, path: Interpolant) -> None:
    method = made(name, path)
    x, t = data(TRUTH, 1).expand(B, 2), torch.full((B,), 0.4, dtype=torch.float64)
    assert torch.equal(method.jump(built(method), x, t, t), x)


@EACH
@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)], ids=["points", "images"])
def test_a_jump_keeps_the_shape_of_its_samples(name: str, shape: tuple[int, ...]) -> None:
    method = made(name)
    s, t = method.grid(1).expand(B, 2).T
    x = torch.randn((B, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert method.jump(built(method, shape), x, s, t).shape == x.shape


@EACH
def test_a_jump_calls_the_network_once_unless_it_says_otherwise(name: str) -> None:
    method, net = made(name), Oracle(TRUTH)
    s, t = method.grid(1).expand(B, 2).T
    method.jump({"net": net}, data(TRUTH, B), s, t)
    assert len(net.calls) == CALLS.get(name, 1)


@EACH
def test_one_exact_jump_reaches_data(name: str) -> None:
    """A velocity model's is an Euler step, and only its direction is known."""
    method, x = made(name), data(TRUTH, B)
    s, t = method.grid(1).expand(B, 2).T
    end = method.jump({"net": Oracle(TRUTH)}, x, s, t)
    euler = x + (t - s)[:, None] * TRUTH.velocity(x, s)
    expected = euler if method.velocity_model else TRUTH.flow(x, s, t)
    torch.testing.assert_close(end, expected)


@EACH
def test_one_step_is_always_supported_and_none_never(name: str) -> None:
    assert made(name).supports(1) and not made(name).supports(0)
