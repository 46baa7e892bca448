"""Claims about layers that keep magnitudes, and about the weights that live on spheres."""

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import network
from torch import Tensor, nn

from bench.layers.magnitude import MPConv, MPLinear, mp_cat, mp_silu, mp_sum, pixel_norm
from bench.nets import Backbone, project
from bench.nets.edm2 import EDM2, Block

OPTIONS = {"name": "edm2", "channels": 64, "multipliers": [1, 2], "blocks": 2, "attention": [8]}


def white(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def magnitude(x: Tensor) -> float:
    return float(x.detach().square().mean().sqrt())


def layer(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make()


def spheres(net: nn.Module) -> list[Tensor]:
    return [module.weight for module in net.modules() if isinstance(module, MPConv | MPLinear)]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: layer(lambda: MPLinear(64, 64))(x.flatten(2).transpose(1, 2)),
        lambda x: layer(lambda: MPConv(64, 96, 3))(x)[:, :, 1:-1, 1:-1],
        mp_silu,
        lambda x: mp_sum(x, white(*x.shape, seed=1), 0.3),
        lambda x: mp_cat(x, white(8, 16, 16, 16, seed=1)),
        lambda x: pixel_norm(5 * x),
    ],
    ids=["linear", "convolution", "silu", "sum", "concatenation", "norm of a pixel"],
)
def test_what_comes_in_with_unit_magnitude_leaves_with_it(f: Callable[[Tensor], Tensor]) -> None:
    assert magnitude(f(white(8, 64, 16, 16))) == pytest.approx(1, abs=0.03)


def test_both_parts_of_a_concatenation_weigh_the_same() -> None:
    wide, narrow = mp_cat(white(8, 48, 8, 8), white(8, 16, 8, 8, seed=1)).split([48, 16], 1)
    assert float(wide.square().sum() / narrow.square().sum()) == pytest.approx(1, abs=0.05)


def test_the_activations_of_an_untrained_network_keep_their_magnitude() -> None:
    """Through 14 blocks, with residuals, attention and skips. A sum is of unit magnitude where its parts are independent."""
    net = Backbone(network(OPTIONS), (3, 16, 16), 0).net()
    found: dict[str, float] = {}
    for name, module in net.named_modules():
        if isinstance(module, Block | MPConv):
            module.register_forward_hook(lambda _, at, out, name=name: found.update({name: magnitude(out)}))
    s, t = torch.rand(2, 8, generator=torch.Generator().manual_seed(1))
    net(0.5 * white(8, 3, 16, 16), s, t)
    blocks = [size for name, size in found.items() if name.count(".") == 1]
    assert len(blocks) == 5 + 2 + 1 + 6 and all(0.75 < size < 1.3 for size in blocks), found
    assert all(0.5 < size < 1.6 for name, size in found.items() if name != "head"), found


@settings(max_examples=25)
@given(lengths=st.lists(st.floats(0.01, 100), min_size=5, max_size=5), seed=st.integers(0, 9))
def test_the_length_of_a_weight_changes_nothing(lengths: list[float], seed: int) -> None:
    for make, x in ((lambda: MPLinear(7, 5), white(4, 7, dtype=torch.float64)),
                    (lambda: MPConv(3, 5, 3), white(2, 3, 4, 4, dtype=torch.float64))):  # fmt: skip
        one = layer(make).double()
        before = one(x)
        with torch.no_grad():
            one.weight.mul_(torch.tensor(lengths).reshape(-1, *[1] * (one.weight.ndim - 1)))
        torch.testing.assert_close(one(x), before)


def test_projection_puts_weights_on_their_spheres_and_changes_no_value() -> None:
    net = Backbone(network(OPTIONS), (3, 8, 8), 0).net().double()
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.add_(white(*p.shape, seed=i, dtype=p.dtype))
    x, (s, t) = white(2, 3, 8, 8, dtype=torch.float64), torch.rand(2, 2, dtype=torch.float64)
    before, others = net(x, s, t), [p.clone() for p in net.parameters() if p.ndim == 0]
    project(net)
    assert before.abs().max() > 0.1
    torch.testing.assert_close(net(x, s, t), before, rtol=1e-9, atol=1e-9)
    assert len(spheres(net)) > 40
    for weight in spheres(net):
        norms = weight.flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, torch.full_like(norms, sqrt(weight[0].numel())), rtol=1e-12, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(others, (p for p in net.parameters() if p.ndim == 0), strict=True))


def test_frozen_weights_are_left_where_they_are() -> None:
    net = Backbone(network(OPTIONS), (3, 8, 8), 0).net().requires_grad_(False)
    before = [w.clone() for w in spheres(net)]
    project(net)
    assert all(torch.equal(a, b) for a, b in zip(before, spheres(net), strict=True))


def test_an_attention_head_has_64_channels_or_what_there_are() -> None:
    for channels, heads in ((8, 1), (64, 1), (96, 1), (128, 2), (224, 2), (256, 4)):
        net = EDM2((3, 8, 8), channels=channels, multipliers=[1], blocks=1, attention=[8])
        assert {block.attention.heads for block in net.modules() if isinstance(block, Block) and block.attention} == {heads}
