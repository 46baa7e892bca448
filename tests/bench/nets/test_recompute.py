"""What is computed again in the backward pass: the same gradients to the bit, in forward mode too, and less that is kept."""

import pytest
import torch
from specs import network
from torch import Tensor, nn

from bench.layers import lowered, recomputed
from bench.nets import Backbone
from bench.nets.unet import CHECKPOINTS, Checkpoint, plain
from bench.training.rng import StepDraws
from methods.tools import conditioned, derivative

SHAPE, ROWS = (3, 16, 16), 8
LEVELS = {"channels": 16, "multipliers": [1, 2], "blocks": 2, "attention": [8], "dropout": 0.2}
SMALL = {
    "unet": {"name": "unet", **LEVELS, "embedding": 32}, "ddpmpp": {"name": "ddpmpp", **LEVELS},
    "adm": {"name": "adm", **LEVELS}, "edm2": {"name": "edm2", **LEVELS},
    "dit": {"name": "dit", "patch": 4, "width": 64, "depth": 4, "heads": 2, "dropout": 0.2},
}
KEPT = dict.fromkeys(("unet", "ddpmpp", "adm"), (0.65, 0.4)) | {"edm2": (0.92, 0.67), "dit": (0.9, 0.73)}
"""Of what a pass keeps, what `norms` does, and in forward mode: a pixel's norm and a silu keep little besides their input."""
each_net = pytest.mark.parametrize("name", SMALL)


def made(name: str, checkpoint: str, low: bool = False) -> nn.Module:
    """Not zero, so that all gradients are alive."""
    net = Backbone(network({**SMALL[name], "checkpoint": checkpoint}), SHAPE, 0).net()
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i)))
    return lowered(net) if low else net


def loss(net: nn.Module, forward: bool) -> Tensor:
    g = torch.Generator().manual_seed(1)
    x, dx = torch.randn(2, ROWS, *SHAPE, generator=g).to(net.get_parameter("head.weight").dtype)
    s, t = torch.rand(2, ROWS, generator=g).to(x)
    v = conditioned(net, dropout=StepDraws(0, 0, range(ROWS), ROWS, torch.device("cpu")).dropout("any"))
    if not forward:
        return v(x, s, t).square().mean()
    value, tangent = derivative(v, x, s, t, dx=dx, ds=1.0)
    return (value + tangent).square().mean()


def kept(net: nn.Module, forward: bool) -> tuple[list[Tensor], int]:
    """Gradients, and the bytes of all tensors that the graph holds besides the parameters."""
    mine, held = {p.untyped_storage().data_ptr() for p in net.parameters()}, {}

    def pack(x: Tensor) -> Tensor:
        if not x._is_zerotensor():  # a tangent that is zero has no memory
            held[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        value = loss(net, forward)
        size = sum(n for at, n in held.items() if at not in mine)
    return list(torch.autograd.grad(value, list(net.parameters()))), size


@each_net
@pytest.mark.parametrize("checkpoint", ["norms", "blocks"])
def test_gradients_are_the_same_to_the_bit_and_less_is_kept(name: str, checkpoint: str) -> None:
    for low in (False, True):
        whole, much = kept(made(name, "none", low), forward=False)
        again, little = kept(made(name, checkpoint, low), forward=False)
        assert all(torch.equal(a, b) and bool(a.abs().max() > 0) for a, b in zip(whole, again, strict=True))
        assert little < {"norms": KEPT[name][0], "blocks": 0.2}[checkpoint] * much


@each_net
@pytest.mark.parametrize("checkpoint", ["none", "norms", "blocks"])
def test_gradients_through_forward_mode_are_the_same_up_to_the_order_of_sums(
    name: str, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, little = kept(made(name, checkpoint).double(), forward=True)
    monkeypatch.setitem(CHECKPOINTS, "none", Checkpoint(plain, plain))
    whole, much = kept(made(name, "none").double(), forward=True)
    for a, b in zip(whole, again, strict=True):
        assert torch.allclose(a, b, rtol=1e-11, atol=1e-13) and bool(a.abs().max() > 0)
    assert little < (0.15 if checkpoint == "blocks" else KEPT[name][1]) * much


@each_net
@pytest.mark.parametrize("checkpoint", ["none", "norms", "blocks"])
def test_a_frozen_network_passes_the_gradient_of_its_input_on(name: str, checkpoint: str) -> None:
    net = made(name, checkpoint).requires_grad_(False)
    x = torch.randn(ROWS, *SHAPE, generator=torch.Generator().manual_seed(0), requires_grad=True)
    s = torch.full((ROWS,), 0.3)
    assert torch.autograd.grad(net(x, s, s).square().sum(), x)[0].abs().max() > 0


def test_it_is_a_plain_call_inside_of_transforms_and_where_nothing_is_differentiated() -> None:
    calls: list[int] = []

    def f(x: Tensor) -> Tensor:
        calls.append(1)
        return x.sin()

    x = torch.linspace(0, 1, 4)
    _, dx = torch.func.jvp(lambda x: recomputed(f, x), (x,), (torch.ones(4),))
    assert torch.equal(dx, x.cos()) and len(calls) == 1
    assert torch.equal(torch.func.grad(lambda x: recomputed(f, x).sum())(x), x.cos()) and len(calls) == 2
    with torch.no_grad():
        assert torch.equal(recomputed(f, x.clone().requires_grad_()), x.sin()) and len(calls) == 3


def test_the_second_run_has_its_own_level_of_forward_mode() -> None:
    """Several passes of one step, and a backward pass after the level of all of them is closed."""
    x = torch.linspace(0, 1, 4, dtype=torch.float64, requires_grad=True)
    s = torch.zeros(4, dtype=torch.float64)

    def v(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return recomputed(lambda x, t: (x * x * t).sin(), x, t)

    passes = [torch.stack(derivative(v, x, s, s + 0.5, dt=1.0)) for _ in range(3)]
    got = torch.autograd.grad(torch.stack(passes).sum(), x)[0]
    y = x.detach().requires_grad_()
    value = (y * y * 0.5).sin() + (y * y * 0.5).cos() * y * y
    assert torch.allclose(got, torch.autograd.grad(3 * value.sum(), y)[0])
