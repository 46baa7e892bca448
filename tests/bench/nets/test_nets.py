"""Claims about the networks: their derivatives, their randomness, their diagonal, their size."""

import copy
import os
from collections.abc import Callable
from zlib import crc32

import pytest
import torch
import torch.nn.functional as F
from small_nets import SHAPES, SMALL, inputs, made, stirred
from specs import network
from torch import Tensor, nn

from bench.config import ConfigError
from bench.layers import KERNELS, Attention, GroupNorm, exact_attention, fused_attention, lowered
from bench.nets import Backbone, counting
from bench.nets.dit import places

EDM2_64 = {"multipliers": [1, 2, 3, 4], "blocks": 3, "attention": [16, 8]}
DITS = [(384, 12, 6, 32_858_896), (768, 12, 12, 130_303_504), (1024, 24, 16, 457_824_272), (1152, 28, 16, 674_816_272)]
CIFAR = {"name": "unet", "channels": 128, "multipliers": [2, 2, 2], "blocks": 4, "attention": [16], "dropout": 0.13}
each_net = pytest.mark.parametrize(("name", "shape"), SHAPES)
each_without_gap = pytest.mark.parametrize(("name", "shape"), [each for each in SHAPES if each[0] != "edm2"])


def keyed(seed: int, rows: range | None = None) -> Callable[[str, tuple[int, ...]], Tensor]:
    """Numbers uniform over int64 as a pure function of the name and the global row."""

    def dropout(name: str, shape: tuple[int, ...]) -> Tensor:
        keys = [crc32(f"{seed} {name} {row}".encode()) for row in rows or range(shape[0])]
        generators = [torch.Generator().manual_seed(key) for key in keys]
        return torch.stack([torch.randint(-(2**63), 2**63 - 1, shape[1:], generator=g) for g in generators])

    return dropout


# derivatives


@each_net
@pytest.mark.parametrize("direction", ["x", "s", "t", "all"])
def test_forward_mode_equals_central_differences(name: str, shape: tuple[int, ...], direction: str) -> None:
    net, (x, s, t) = stirred(made(name, shape)).double(), inputs(shape)
    dx = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    tangents = [dx, torch.ones_like(s), -2 * torch.ones_like(t)]
    for i, d in enumerate(("x", "s", "t")):
        if direction not in (d, "all"):
            tangents[i] = torch.zeros_like(tangents[i])
    dv = torch.func.jvp(net, (x, s, t), tuple(tangents))[1]
    h = 1e-5

    def moved(by: float) -> Tensor:
        return net(*(a + by * da for a, da in zip((x, s, t), tangents, strict=True)))

    with torch.no_grad():
        slope = (moved(h) - moved(-h)) / (2 * h)
    assert slope.abs().max() > 1e-4
    assert (dv - slope).abs().max() < 1e-8


@each_net
def test_the_gradient_through_a_tangent_equals_a_finite_difference(name: str, shape: tuple[int, ...]) -> None:
    net, (x, s, t) = stirred(made(name, shape)).double(), inputs(shape)

    def loss() -> Tensor:
        tangents = torch.ones_like(x), torch.zeros_like(s), torch.ones_like(t)
        v, dv = torch.func.jvp(net, (x, s, t), tangents)[:2]
        return (v + dv).square().mean()

    parameters = list(net.parameters())
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    assert all(g is None or bool(g.isfinite().all()) for g in gradients)
    p = net.get_parameter("time.gap.weight")
    slope = gradients[[q is p for q in parameters].index(True)]
    with torch.no_grad():
        p[0, 1] += 1e-5
        up = loss()
        p[0, 1] -= 2e-5
        assert slope is not None and float(slope[0, 1]) == pytest.approx(float((up - loss()) / 2e-5), rel=1e-5)
        p[0, 1] += 1e-5
        g = torch.Generator().manual_seed(4)
        ways = [torch.randn(p.shape, generator=g, dtype=p.dtype) for p in parameters]
        ends = []
        for step in (1e-5, -2e-5):
            torch._foreach_add_(parameters, ways, alpha=step)
            ends.append(float(loss()))
    along = sum(float((g * way).sum()) for g, way in zip(gradients, ways, strict=True) if g is not None)
    assert along == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5), "and along a change of all parameters"


@each_net
def test_negative_gaps_and_a_moving_network_in_float32(name: str, shape: tuple[int, ...]) -> None:
    net, (x, s, t) = stirred(made(name, shape)), inputs(shape, dtype=torch.float32)
    forth, back = net(x, s.minimum(t), s.maximum(t)), net(x, s.maximum(t), s.minimum(t))
    assert forth.shape == back.shape == x.shape and forth.dtype == x.dtype
    assert back.isfinite().all() and not torch.allclose(forth, back)


# the diagonal


@each_without_gap
def test_a_network_trained_on_the_diagonal_does_not_know_t(name: str, shape: tuple[int, ...]) -> None:
    net, (x, s, t) = made(name, shape), inputs(shape, rows=13, dtype=torch.float32)
    assert net(x, s, t).abs().max() == 0
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(5):
        optimizer.zero_grad()
        (net(x, s, s) - x).square().mean().backward()
        optimizer.step()
    assert not torch.equal(net(x, s, s), net(x, t, t))
    assert torch.equal(net(x, s, s), net(x, s, t)) and torch.equal(net(x, s, s), net(x, s, s - 2))


@each_net
def test_off_the_diagonal_it_learns_the_gap(name: str, shape: tuple[int, ...]) -> None:
    net, (x, s, t) = made(name, shape), inputs(shape, rows=16, dtype=torch.float32)
    target = (t - s).reshape(-1, *[1] * len(shape)).expand_as(x)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = (net(x, s, t) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


# dropout


@each_net
def test_dropout_is_a_function_of_its_key(name: str, shape: tuple[int, ...]) -> None:
    net, (x, s, t) = stirred(made(name, shape, dropout=0.3)), inputs(shape, dtype=torch.float32)
    with torch.no_grad():
        first, again, other = (net(x, s, t, dropout=keyed(key)) for key in (0, 0, 1))
        assert torch.equal(first, again) and not torch.allclose(first, other)
        assert torch.equal(net(x, s, t), net.train()(x, s, t)), "without a key nothing is dropped, training or not"
        slices = [net(x[r], s[r], t[r], dropout=keyed(0, range(4)[r])) for r in (slice(0, 1), slice(1, 4))]
    assert torch.allclose(torch.cat(slices), first, atol=1e-5), "micro-batches see the masks of their rows"


@pytest.mark.parametrize(("name", "places"), [("unet", 7), ("edm2", 10), ("dit", 2)])
def test_dropout_keeps_the_mean_and_names_every_place_once(name: str, places: int) -> None:
    net, (x, s, t) = stirred(made(name, (1, 8, 8), dropout=0.5)), inputs((1, 8, 8), dtype=torch.float32)
    names: list[str] = []

    def none_dropped(name: str, shape: tuple[int, ...]) -> Tensor:
        names.append(name)
        return torch.full(shape, 2**62)

    net(x, s, t, dropout=none_dropped)
    assert len(set(names)) == len(names) == places
    assert made("mlp", (2,), dropout=0.0)(x.flatten(1)[:, :2], s, t, dropout=keyed(0)).shape == (4, 2)


# the factory


def test_construction_is_a_function_of_the_seed_and_moves_no_global_generator() -> None:
    before = torch.get_rng_state()
    backbone = Backbone(network(SMALL["unet"]), (1, 8, 8), seed=3)
    one, two, other = backbone.net(), backbone.net(), made("unet", (1, 8, 8), seed=4)
    weight = backbone.weight()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    for name, p in one.state_dict().items():
        assert torch.equal(p, two.state_dict()[name])
    assert any(not torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(weight.state_dict()["layer"], backbone.weight().state_dict()["layer"])


def test_parameter_counts() -> None:
    assert Backbone(network(CIFAR), (3, 32, 32), 0).parameters() == pytest.approx(54.7e6, rel=0.01), "as in arXiv 2505.18825"
    for options, side, published in (({}, 32, 54_673_314), (EDM2_64, 64, 124_264_485)):
        large = Backbone(network({"name": "edm2", **options}), (3, side, side), 0, device="meta")
        assert large.parameters() + sum(p.numel() for p in large.weight().parameters()) == published, "with the learned weight"
    for width, depth, heads, published in DITS:
        sizes = {"width": width, "depth": depth, "heads": heads, "classes": 1000}
        large = Backbone(network({"name": "dit", **sizes}), (4, 32, 32), 0)
        assert large.parameters() - 256 * width == published, "without the gap's layer"
    small = Backbone(network({"name": "unet", "channels": 16, "multipliers": [1, 2], "blocks": 1}), (1, 8, 8), 0)
    assert 1e5 < small.parameters() < 2e5
    assert small.parameters() == sum(p.numel() for p in small.net().parameters())


@pytest.mark.parametrize(("name", "side"), [
    *((name, side) for name in ("unet", "edm2") for side in (8, 16, 28, 32, 64)), ("ddpmpp", 28), ("ncsnpp", 28), ("adm", 28),
])  # fmt: skip
def test_a_unet_takes_the_usual_sides(name: str, side: int) -> None:
    x, s, t = inputs((3, side, side), rows=2, dtype=torch.float32)
    net = stirred(made(name, (3, side, side), multipliers=[1, 2, 2], attention=[8, 7]))
    net = net.to(memory_format=torch.channels_last)
    with torch.no_grad():
        plain, last = net(x, s, t), net(x.to(memory_format=torch.channels_last), s, t)
    assert plain.shape == x.shape and torch.allclose(plain, last, atol=1e-4)
    assert last.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"name": "unett"}, "nearest: unet"),
        ({"width": 3}, "backbone.name"),
        ({"name": "mlp", "widht": 3}, "backbone.widht.*nearest: backbone.width"),
        ({"name": "unet", "atention": [8]}, "backbone.atention.*nearest: backbone.attention"),
        ({"name": "unet", "attention_kernel": "exakt"}, "nearest: exact"),
        ({"name": "mlp", "width": "many"}, "backbone.width"),
        ({"name": "mlp", "dropout": 1.0}, "backbone.dropout"),
        ({"name": "mlp", "time_scale": 0}, "backbone.time_scale"),
        ({"name": "mlp", "embedding": 15}, "backbone.embedding"),
        ({"name": "unet", "multipliers": []}, "backbone.multipliers"),
        ({"name": "unet", "multipliers": [1, 1, 1, 1, 1]}, "fewer multipliers"),
        ({"name": "edm2", "multipliers": [1, 1, 1, 1, 1]}, "fewer multipliers"),
        ({"name": "edm2", "channels": 3, "multipliers": [1, 2]}, "backbone.channels x backbone.multipliers.* even"),
        ({"name": "edm2", "data_scale": 0}, "backbone.data_scale"),
        ({"name": "dit", "patch": 3}, "backbone.patch=3 does not divide .* 8 x 8"),
        ({"name": "dit", "width": 20}, "backbone.width=20 must be a multiple of 4 and of backbone.heads=6"),
        ({"name": "dit", "width": 18}, "backbone.width=18"),
        ({"name": "dit", "hedas": 3}, "backbone.hedas.*nearest: backbone.heads"),
    ],
)
def test_a_wrong_configuration_names_the_key_and_the_nearest_value(config: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Backbone(network(config), (1, 8, 8), 0).net()


@pytest.mark.parametrize("name", ["unet", "ddpmpp", "ncsnpp", "adm", "edm2", "dit"])
def test_networks_for_images_refuse_points(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} .*use mlp"):
        Backbone(network(SMALL[name]), (2,), 0).net()


def test_the_learned_weight_hears_times_as_its_network_does() -> None:
    for name, scale in (("unet", 4.0), ("edm2", 1.0), ("dit", 1.0), ("mlp_plain", 4.0)):
        assert Backbone(network({"name": name}), (1, 8, 8), 0).weight().get_buffer("frequencies").max() == scale


@each_net
def test_class_labels_matter_and_are_refused_by_a_network_without_classes(name: str, shape: tuple[int, ...]) -> None:
    x, s, t = inputs(shape, dtype=torch.float32)
    net, labels = stirred(made(name, shape, classes=3)), torch.tensor([0, 1, 2, 0])
    assert not torch.allclose(net(x, s, t, labels), net(x, s, t))
    dv = torch.func.jvp(lambda u: net(x, s, u, condition=labels), (t,), (torch.ones_like(t),))[1]
    assert dv.isfinite().all()
    with pytest.raises(ValueError, match="classes=0"):
        made(name, shape)(x, s, t, labels)


# the weight


def test_the_weight_is_zero_at_first_and_learns() -> None:
    weight, (_, s, t) = Backbone(network(SMALL["mlp"]), (2,), 0).weight(), inputs((2,), rows=64, dtype=torch.float32)
    assert weight(s, t).shape == (64,) and weight(s, t).abs().max() < 1e-5
    optimizer = torch.optim.Adam(weight.parameters(), lr=1e-2)
    error = torch.exp(2 + s + t)
    for _ in range(300):
        optimizer.zero_grad()
        w = weight(s, t)
        (torch.exp(-w) * error + w).mean().backward()
        optimizer.step()
    assert (weight(s, t) - error.log()).abs().mean() < 0.2, "the minimum of e^-w r + w is w = log r"
    twin = Backbone(network(SMALL["mlp"]), (2,), 5).weight()
    twin.load_state_dict(weight.state_dict())
    assert torch.equal(twin(s, t), weight(s, t))


# counting


def test_counting_sees_calls_and_rows_of_one_network() -> None:
    net, (x, s, t) = made("mlp", (2,)), inputs((2,), dtype=torch.float32)
    twin = copy.deepcopy(net)
    with counting(net) as count, counting(twin) as other:
        inner = copy.deepcopy(net)
        net(x, s, t)
        torch.func.jvp(lambda u: net(x[:3], s[:3], u), (t[:3],), (t[:3],))
        torch.func.functional_call(net, dict(net.named_parameters()), (x, s, t))
        twin(x, s, t)
        inner(x, s, t)
    net(x, s, t)
    inner(x, s, t)
    assert (count.calls, count.rows, other.calls, other.rows) == (3, 11, 1, 4)
    assert not net._forward_hooks and not twin._forward_hooks
    with pytest.raises(KeyError), counting(net):
        raise KeyError
    assert not net._forward_hooks


# numerics


@pytest.mark.parametrize("name", ["unet", "adm", "edm2", "dit"])
def test_both_attention_kernels_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = torch.randn(3, 2, 16, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(exact_attention(q, k, v), fused_attention(q, k, v), atol=1e-12)
    calls: list[str] = []
    for kernel, attend in KERNELS.items():
        monkeypatch.setitem(KERNELS, kernel, lambda *at, kernel=kernel, attend=attend: calls.append(kernel) or attend(*at))
    x, s, t = inputs((1, 8, 8))
    for width in (8, 64):  # of 64 channels some networks make several heads
        wide = {} if name == "dit" else {"channels": width}
        nets = [stirred(made(name, (1, 8, 8), attention_kernel=kernel, **wide)).double() for kernel in ("exact", "fused")]
        assert torch.allclose(nets[0](x, s, t), nets[1](x, s, t), atol=1e-10)
        exact, fused = (torch.func.jvp(net, (x, s, t), (x, s, t))[1] for net in nets)
        assert torch.allclose(exact, fused, atol=1e-10)
    assert set(calls) == {"exact", "fused"}


def test_attention_of_heads_is_the_library_one() -> None:
    ours, theirs = stirred(Attention(12, exact_attention, heads=3)), nn.MultiheadAttention(12, 3, batch_first=True)
    x = torch.randn(2, 12, 4, 4, generator=torch.Generator().manual_seed(0))
    state = ours.qkv.state_dict()
    theirs.load_state_dict({"in_proj_weight": state["weight"], "in_proj_bias": state["bias"],
                            **{f"out_proj.{key}": value for key, value in ours.project.state_dict().items()}})
    tokens = ours.norm(x).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours(x).flatten(2).transpose(1, 2), theirs(tokens, tokens, tokens)[0])


def test_group_norm_equals_the_library_one() -> None:
    ours, theirs = stirred(GroupNorm(24)), nn.GroupNorm(6, 24)
    theirs.load_state_dict({k: v.flatten() for k, v in ours.state_dict().items()})
    x = torch.randn(2, 24, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)


@each_net
def test_a_lowered_network_is_the_network_to_bfloat16(name: str, shape: tuple[int, ...]) -> None:
    net, (x, s, t) = stirred(made(name, shape)), inputs(shape, dtype=torch.float32)
    full = net(x, s, t)
    half = lowered(net)(x, s, t)
    half.square().mean().backward()
    assert half.dtype == x.dtype
    assert (half - full).norm() < 0.05 * full.norm()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in net.parameters())


SLOW = pytest.mark.skipif(os.environ.get("FEWSTEP_SLOW") != "1", reason="compiles for minutes; set FEWSTEP_SLOW=1")
TINY = [("edm2", {"multipliers": [1], "attention": [8]}), ("dit", {"depth": 1})]


@pytest.mark.parametrize(
    ("name", "shape", "backend", "options"),
    [*((name, (1, 8, 8), "aot_eager", options) for name, options in TINY),
     *(pytest.param(name, shape, "inductor", {}, marks=SLOW) for name, shape in SHAPES)],
)  # fmt: skip
def test_a_compiled_jvp_equals_the_eager_one(
    name: str, shape: tuple[int, ...], backend: str, options: dict[str, object]
) -> None:
    torch._dynamo.reset()
    net, (x, s, t) = stirred(made(name, shape, **options)), inputs(shape, dtype=torch.float32)

    def step(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        v, dv = torch.func.jvp(lambda u: net(x, s, u), (t,), (torch.ones_like(t),))[:2]
        return (v + dv).square().mean()

    loss = torch.compile(step, fullgraph=True, backend=backend)(x, s, t)
    gradients = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    expected = torch.autograd.grad(step(x, s, t), list(net.parameters()), allow_unused=True)
    for ours, theirs in zip(gradients, expected, strict=True):
        if theirs is not None:
            assert ours is not None and torch.allclose(ours, theirs, atol=1e-4, rtol=1e-3)


def test_the_plain_network_is_the_papers_stack_of_dense_layers() -> None:
    net, (x, s, t) = Backbone(network({"name": "mlp_plain", "scale": 0.5}), (2,), 0).net(), inputs((2,), dtype=torch.float32)
    assert [layer.weight.shape for layer in net.hidden] == [(512, 4), *[(512, 512)] * 4]
    h = torch.stack([s, t, *(2 * x).T], 1)
    for layer in net.hidden:
        h = torch.nn.functional.gelu(h @ layer.weight.T + layer.bias, approximate="tanh")
    torch.testing.assert_close(net(x, s, t), 0.5 * (h @ net.head.weight.T + net.head.bias))
    net, (x, s, t) = net.double(), inputs((2,))
    ahead, back = (net(x, s, t + h) for h in (1e-5, -1e-5))
    tangent = torch.func.jvp(lambda t: net(x, s, t), (t,), (torch.ones_like(t),))[1]
    torch.testing.assert_close(tangent, (ahead - back) / 2e-5, rtol=1e-6, atol=1e-8)


# what is published


def test_off_the_diagonal_the_gap_is_what_edm2_hears() -> None:
    """s and t - s, each by cosines and sines of frequencies from 1 to 1e-4 with a mean square of 1."""
    net, (_, s, t) = made("edm2", (1, 8, 8)).double(), inputs((1, 8, 8))
    turn = 10000.0 ** (-torch.arange(4) / 4)
    parts = [2**0.5 * torch.cat([(time[:, None] * turn).cos(), (time[:, None] * turn).sin()], 1) for time in (s, t - s)]
    rows = [F.normalize(getattr(net.time, name).weight, dim=1) for name in ("start", "gap")]
    heard = sum(part @ row.T for part, row in zip(parts, rows, strict=True)) * 0.5**0.5
    torch.testing.assert_close(net.time(s, t), F.silu(heard) / 0.596)


def test_a_block_of_edm2_is_the_published_one() -> None:
    """A decoder's block, written out: no norm of pixels, 7 : 3 with the residual, one factor a channel from time."""
    net = stirred(made("edm2", (1, 8, 8))).double()
    block = net.decoder[-1]
    x = 3 * torch.randn(4, block.inputs, 8, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    change = torch.randn(4, block.width, generator=torch.Generator().manual_seed(6), dtype=torch.float64)

    def conv(layer: nn.Module, x: Tensor) -> Tensor:
        return F.conv2d(x, F.normalize(layer.weight.flatten(1), dim=1).view_as(layer.weight), padding=layer.padding)

    h = conv(block.first, F.silu(x) / 0.596) * (1 + block.gain * change)[:, :, None, None]
    h = conv(block.second, F.silu(h) / 0.596)
    torch.testing.assert_close(block(x, change, None), (0.7 * conv(block.skip, x) + 0.3 * h) / 0.58**0.5)
    encoder = net.encoder[0]
    assert torch.allclose(encoder(x[:, :8], change[:, :8], None), encoder(9 * x[:, :8], change[:, :8], None), atol=1e-6)


def test_the_places_of_tokens_are_their_columns_and_rows() -> None:
    table = places(2, 3, 16).view(2, 3, 4, 4)  # sines and cosines of the column, then of the row
    turn = 10000.0 ** (-torch.arange(4) / 4)
    for row in range(2):
        for column in range(3):
            wanted = torch.stack([(column * turn).sin(), (column * turn).cos(), (row * turn).sin(), (row * turn).cos()])
            torch.testing.assert_close(table[row, column], wanted)


def test_tokens_are_patches_in_their_place() -> None:
    """A transformer without blocks' effect sees each patch alone."""
    net, (x, s, t) = made("dit", (3, 8, 12)).double(), inputs((3, 8, 12))
    with torch.no_grad():
        net.head.weight.normal_(generator=torch.Generator().manual_seed(1))
        moved = x.clone()
        moved[:, :, 2:4, 6:8] += 1
        change = (net(moved, s, t) - net(x, s, t)).abs().amax((0, 1))
    assert (change[2:4, 6:8] > 1e-3).all() and int((change > 0).sum()) == 4
