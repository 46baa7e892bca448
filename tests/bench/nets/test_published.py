"""Claims about the published U-Nets: their size, their labels, their filters, and that every method trains them."""

import inspect
from math import pi, prod

import pytest
import torch
from contract import METHODS, in_few
from small_nets import LEVELS, SMALL, inputs, made, stirred
from specs import network
from torch import Tensor

from bench.config import ConfigError, request
from bench.layers import Down, Up, lowered, told
from bench.measuring.subject import subject
from bench.nets import Backbone
from bench.nets.backbone import NETS

PUBLISHED = ["ddpmpp", "ncsnpp", "adm"]
SIZES = [  # as the code of EDM (NVlabs/edm, 008a4e5) makes them; GFLOP to a percent
    ("ddpmpp", 32, {"augment": 9}, 55_733_891, 42.4),
    ("ddpmpp", 32, {"augment": 9, "classes": 10}, 55_735_299, 42.4),
    ("ddpmpp", 64, {"augment": 9, "multipliers": [1, 2, 2, 2]}, 61_805_571, 83.7),
    ("ncsnpp", 32, {"augment": 9}, 56_397_827, 42.5),
    ("adm", 64, {"classes": 1000}, 295_899_267, 219.3),
]
VALUES = [  # of the same code in float64, its softmax in float32
    ("ddpmpp", [-0.6564769756, -0.1367782573, -0.5871339455, -0.8952691435], 4.8992555276),
    ("ncsnpp", [-0.5274981235, -0.0288351211, -0.1650427204, -0.4757044517], 3.9937173747),
    ("adm", [-0.8287583585, -0.9650297679, -1.3748549595, -0.9972724523], 10.3819068794),
]
SHAPE = (1, 8, 8)
each = pytest.mark.parametrize("name", PUBLISHED)


@pytest.mark.parametrize(("name", "side", "options", "parameters", "gflops"), SIZES, ids=[str(size[3]) for size in SIZES])
def test_size_is_the_published_one_and_a_layer_for_the_second_time(
    name: str, side: int, options: dict[str, object], parameters: int, gflops: float
) -> None:
    backbone = Backbone(network({"name": name, **options}), (3, side, side), 0, device="meta")
    before = torch.get_rng_state()
    gap = backbone.net().get_parameter("time.gap.weight").numel()
    assert backbone.parameters() - gap == parameters
    assert backbone.gflops() == pytest.approx(gflops, rel=0.01)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("choice", ["ddpmpp", "ddpmpp_64", "ncsnpp", "adm"])
def test_the_defaults_of_files_sections_and_classes_are_the_same(choice: str) -> None:
    chosen = request(["sweep=none", "data=arrays", "data.path=any.npy", f"backbone={choice}"]).experiments[0].backbone
    bare = network({"name": chosen.name}).model_dump()
    differs = {key for key, value in chosen.model_dump().items() if bare[key] != value}
    assert differs == ({"multipliers", "dropout"} if choice == "ddpmpp_64" else set())
    made = {key: option.default for key, option in inspect.signature(NETS[chosen.name]).parameters.items()}
    assert {key: made[key] for key in bare if key != "name"} == {key: value for key, value in bare.items() if key != "name"}


@pytest.mark.parametrize(("name", "values", "norm"), VALUES, ids=PUBLISHED)
def test_values_are_those_of_the_published_code(name: str, values: list[float], norm: float) -> None:
    """Of weights and inputs by a formula, both times equal, with labels."""
    options = {"channels": 64 if name == "adm" else 8, "multipliers": [1, 2, 2], "blocks": 2, "classes": 3, "augment": 2}
    net = made(name, SHAPE, **options).double()
    with torch.no_grad():
        for i, (key, p) in enumerate(sorted(net.named_parameters())):
            k = torch.arange(p.numel(), dtype=torch.float64)
            unit = key.endswith(("norm.weight", "norm_again.weight"))
            p.copy_((torch.sin(1.7 * (k % 1009) + i) / max(p[0].numel(), 1) ** 0.5 + unit).reshape(p.shape))
        net.get_parameter("time.gap.weight").zero_()
        if name == "ncsnpp":
            net.get_buffer("time.frequencies").copy_(2 * pi * torch.linspace(-1, 1, 8))
        x = torch.arange(2 * prod(SHAPE), dtype=torch.float64).square().sin().view(2, *SHAPE)
        s = torch.tensor([0.3, 0.9], dtype=torch.float64)
        v = net(x, s, s, torch.tensor([[1.0, 0, 0, 0.5, -1], [0, 0, 1, 0, 2]])).flatten()
    assert v[[0, 7, 100, -1]].tolist() == pytest.approx(values, abs=1e-6)
    assert float(v.norm()) == pytest.approx(norm, abs=1e-6)


# labels


@each
def test_labels_are_indices_or_numbers_and_none_is_zeros(name: str) -> None:
    net, (x, s, t) = stirred(made(name, SHAPE, classes=3, augment=2)).double(), inputs(SHAPE)
    hot = torch.tensor([[1.0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]])
    assert torch.equal(net(x, s, t, torch.tensor([0, 1, 2, 0])), net(x, s, t, hot))
    assert torch.equal(net(x, s, t), net(x, s, t, torch.zeros(4, 5)))
    turned = hot + torch.tensor([0, 0, 0, 0.5, -1])
    assert not torch.allclose(net(x, s, t, turned), net(x, s, t, hot))
    assert not torch.allclose(net(x, s, t, hot), net(x, s, t))


def test_labels_that_a_network_was_not_built_for_are_refused() -> None:
    like = torch.zeros(4)
    with pytest.raises(ValueError, match=r"backbone\.classes=0"):
        told(torch.tensor([0, 1, 0, 1]), 0, 9, like)
    with pytest.raises(ValueError, match=r"\(4, 3 \+ 2\).*shape \(4, 3\)"):
        told(torch.zeros(4, 3), 3, 2, like)
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        told(torch.tensor([0, 1, 2, 4]), 3, 0, like)


def test_random_frequencies_go_with_the_weights() -> None:
    one, other = (made("ncsnpp", SHAPE, seed) for seed in (0, 1))
    x, s, t = inputs(SHAPE, dtype=torch.float32)
    stirred(one)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x, s, t), other(x, s, t)) and one(x, s, t).abs().max() > 0


# filters


@pytest.mark.parametrize("filter", ["box", "binomial"])
def test_resampling_keeps_constants_inside_and_up_is_four_times_the_adjoint_of_down(filter: str) -> None:
    down, up = Down(filter).double(), Up(filter).double()
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 3, 8, 12, generator=g, dtype=torch.float64), torch.randn(2, 3, 4, 6, generator=g, dtype=torch.float64)
    assert (up(y) * x).sum().item() == pytest.approx(4 * (y * down(x)).sum().item())
    for resampled in (down(torch.ones_like(x)), up(torch.ones_like(y))):
        torch.testing.assert_close(resampled[..., 1:-1, 1:-1], torch.ones_like(resampled[..., 1:-1, 1:-1]))
    assert torch.equal(down(x), torch.nn.functional.avg_pool2d(x, 2)) == (filter == "box")


# shapes


@each
def test_what_is_no_image_or_of_odd_sides_is_refused_in_one_line(name: str) -> None:
    for shape, said in (((2,), "needs images.*use mlp"), ((1, 9, 8), "divisible by 2.*9 x 8"), ((1, 8, 7), "use fewer")):
        with pytest.raises(ConfigError, match=said):
            Backbone(network(SMALL[name]), shape, 0).net()
    for data in ("gaussian", "digits"):
        with pytest.raises(ConfigError, match="are points in the plane" if data == "gaussian" else "halves the sides 4 times"):
            request(["sweep=none", f"data={data}", f"backbone={name}", "backbone.multipliers=[1,1,1,1,1]"])


def test_features_of_time_come_in_pairs() -> None:
    for name in ("ddpmpp", "adm"):
        with pytest.raises(ConfigError, match=r"backbone\.channels must be an even number.*got 9"):
            Backbone(network({**SMALL[name], "channels": 9}), SHAPE, 0).net()


# training


def test_it_compiles_to_one_graph_of_the_same_gradients() -> None:
    """By PyTorch's own operations, in bfloat16; forward mode is compiled in test_nets.py, where there is time."""
    net, (x, s, t) = stirred(made("ncsnpp", (1, 4, 4), multipliers=[1, 1], attention=[2])), inputs((1, 4, 4), 2, torch.float32)

    def loss(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return lowered(net)(x, s, t).square().mean()

    found = torch.compile(loss, fullgraph=True, backend="aot_eager")(x, s, t)
    gradients, expected = (torch.autograd.grad(value, list(net.parameters())) for value in (found, loss(x, s, t)))
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["ddpmpp", "adm"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_it(method: str, name: str) -> None:
    options = [f"backbone.{key}={str(value).replace(' ', '')}" for key, value in {**LEVELS, "dropout": 0.1}.items()]
    command = ["sweep=none", "data=digits", f"method={method}", f"backbone={name}", "budget.batch=8", *in_few(method), *options]
    (experiment,) = request(command).experiments
    tried = subject(experiment, SHAPE, torch.device("cpu"), 8)
    net = tried.trainer.models["net"]
    for stage, _ in tried.stages:
        tried.begin(stage)
        before = {key: value.clone() for key, value in net.state_dict().items()}
        for _ in range(1 + tried.trainer.progress.stage.cycle):
            tried.step()
        after = net.state_dict()
        assert all(bool(value.isfinite().all()) for value in after.values())
        assert any(not torch.equal(after[key], value) for key, value in before.items())
