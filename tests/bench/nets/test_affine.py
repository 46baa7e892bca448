"""Claims about forward mode through affine maps: PyTorch's values, without its products by zero."""

from collections.abc import Callable

import pytest
import torch
from specs import network
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.layers import Conv2d, Linear, affine, scaled
from bench.nets import Backbone

X, DX = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OURS = {
    "linear": (lambda: Linear(8, 5), lambda: nn.Linear(8, 5)),
    "linear without bias": (lambda: Linear(8, 5, bias=False), lambda: nn.Linear(8, 5, bias=False)),
    "conv": (lambda: Conv2d(4, 6, 3, padding=1), lambda: nn.Conv2d(4, 6, 3, padding=1)),
    "strided conv": (lambda: Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
                     lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)),
}  # fmt: skip
each = pytest.mark.parametrize("name", OURS)


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    """Our layer and PyTorch's, of equal weights."""
    ours, theirs = (make().double() for make in OURS[name])
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def found(layer: nn.Module) -> list[Tensor]:
    """The value, the tangent, and the gradient of a function of both."""
    value, tangent = torch.func.jvp(layer, (X,), (DX,))
    return [value, tangent, *torch.autograd.grad((value * tangent).sin().sum(), list(layer.parameters()))]


@each
def test_values_tangents_and_gradients_are_pytorchs(name: str) -> None:
    ours, theirs = pair(name)
    assert torch.equal(ours(X), theirs(X))
    for mine, yours in zip(found(ours), found(theirs), strict=True):
        torch.testing.assert_close(mine, yours)


@each
@pytest.mark.parametrize("input_moves", [True, False])
def test_weights_that_move_are_differentiated_too(name: str, input_moves: bool) -> None:
    def tangent(layer: nn.Module) -> Tensor:
        names, weights = zip(*layer.named_parameters(), strict=True)

        def call(x: Tensor, *weights: Tensor) -> Tensor:
            out: Tensor = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))
            return out

        moves = tuple(torch.ones_like(w) for w in weights)
        return torch.func.jvp(call, (X, *weights), (DX if input_moves else 0 * DX, *moves))[1]

    torch.testing.assert_close(*(tangent(layer) for layer in pair(name)))


@pytest.mark.parametrize("f", [lambda x: scaled(x, -3.0), lambda x: affine(lambda x: 2 * x - 1, lambda dx: 2 * dx, x)])
def test_gradients_of_any_order_pass(f: Callable[[Tensor], Tensor]) -> None:
    def slope(x: Tensor) -> Tensor:
        return torch.func.jvp(lambda x: f(x.sin()), (x,), (torch.ones_like(x),))[1]

    x = X[0, 0, 0].clone().requires_grad_()
    assert torch.autograd.gradcheck(slope, x)
    assert torch.autograd.gradcheck(lambda x: f(x.sin()), x, check_forward_ad=True)


def second(net: nn.Module, x: Tensor, dx: Tensor) -> Tensor:
    def first(x: Tensor) -> Tensor:
        return torch.func.jvp(net, (x,), (dx,))[1]

    return torch.func.jvp(first, (x,), (dx,))[1]


NESTED: dict[str, Callable[[nn.Module, Tensor, Tensor], Tensor]] = {
    "forward in forward": second,
    "forward in vmap": lambda net, x, dx: torch.func.vmap(lambda x, dx: torch.func.jvp(net, (x,), (dx,))[1])(x, dx),
    "vmap in forward": lambda net, x, dx: torch.func.jvp(torch.func.vmap(net), (x,), (dx,))[1],
    "vmap over weights in forward": lambda net, x, dx: torch.func.jvp(
        lambda x: torch.func.vmap(lambda w: torch.func.functional_call(net[0], {"weight": w}, (x,)))(
            torch.stack([net[0].weight, 2 * net[0].weight])), (x,), (dx,))[1],
    "forward in backward": lambda net, x, dx: torch.func.grad(lambda x: torch.func.jvp(net, (x,), (dx,))[1].sin().sum())(x),
    "backward in forward": lambda net, x, dx: torch.func.jvp(torch.func.grad(lambda x: net(x).sin().sum()), (x,), (dx,))[1],
    "hessian": lambda net, x, dx: torch.func.hessian(lambda x: net(x).sum())(x[0]),
}


@pytest.mark.parametrize("how", NESTED)
def test_transforms_nest_as_around_pytorchs_own_layers(how: str) -> None:
    ours = nn.Sequential(Linear(4, 8), nn.SiLU(), Linear(8, 4)).double()
    theirs = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4)).double()
    theirs.load_state_dict(ours.state_dict())
    x, dx = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(*(NESTED[how](net, x, dx) for net in (ours, theirs)))


NETS = [{"name": "mlp", "width": 32, "depth": 2, "embedding": 16}, {"name": "mlp_plain"},
        *({"name": name, "channels": 8, "multipliers": [1, 2], "blocks": 1, "attention": []}
          for name in ("unet", "ddpmpp", "ncsnpp", "adm", "edm2"))]


@pytest.mark.parametrize("options", NETS, ids=[str(net["name"]) for net in NETS])
def test_forward_mode_multiplies_twice_and_not_three_times(options: dict[str, object]) -> None:
    """Once for the value, once for the tangent; attention alone, which is left out, has products of its own."""
    net, (s, t) = Backbone(network(options), (1, 8, 8), 0).net(), torch.rand(2, 4)
    at = torch.randn(4, 1, 8, 8), s, t

    def flops(run: Callable[[], object]) -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            run()
        return counter.get_total_flops()

    plain, forward = flops(lambda: net(*at)), flops(lambda: torch.func.jvp(net, at, at))
    assert forward == 2 * plain > 0
