"""A split network: its first part is told s alone, its last part t alone, and at s = t it is the network it was made of."""

import pytest
import torch
from small_nets import SHAPES, SMALL, inputs, made, stirred
from specs import network
from torch import nn

from bench.config import ConfigError
from bench.nets import Backbone
from methods.edm import EDM


def split(name: str, shape: tuple[int, ...], **options: object) -> nn.Module:
    return Backbone(network({**SMALL[name], **options}), shape, 0).decoupled()


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_at_equal_times_it_is_its_source_bit_for_bit_without_new_weights(name: str, shape: tuple[int, ...]) -> None:
    source, own = stirred(made(name, shape)).double(), split(name, shape).double()
    assert [(key, value.shape) for key, value in own.state_dict().items()] == [
        (key, value.shape) for key, value in source.state_dict().items()]
    own.load_state_dict(source.state_dict())
    x, s, t = inputs(shape)
    assert torch.equal(own(x, s, s), source(x, s, s)) and own(x, s, s).abs().max() > 1e-3
    assert not torch.equal(own(x, s, t), own(x, s, s)) and not torch.equal(own(x, s, t), own(x, t, t)), "it is told both"


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_its_first_part_is_told_s_alone_and_its_last_part_t_alone(name: str, shape: tuple[int, ...]) -> None:
    net = stirred(split(name, shape)).double()
    _, s, t = inputs(shape)
    both, moved_s, moved_t = (net.changes(*times, None) for times in ((s, t), (s + 0.1, t), (s, t + 0.1)))
    assert 0 < net.early < both.shape[1]
    assert torch.equal(both[:, : net.early], moved_t[:, : net.early])
    assert torch.equal(both[:, net.early :], moved_s[:, net.early :])
    assert not torch.equal(both[:, : net.early], moved_s[:, : net.early])
    assert not torch.equal(both[:, net.early :], moved_t[:, net.early :])


@pytest.mark.parametrize(("name", "blocks"), [("mlp", 1), ("unet", 3), ("ddpmpp", 5), ("adm", 5), ("edm2", 5), ("dit", 1)])
def test_the_parts_meet_where_it_is_said(name: str, blocks: int) -> None:
    """How many blocks see s: two thirds, or the way down (a block a level, one to halve in the papers') and the bottom."""
    net = split(name, (1, 8, 8))
    width = {"mlp": 2, "unet": 2, "ddpmpp": 1, "adm": 2, "edm2": 1, "dit": 6}[name]
    assert net.early == width * sum(net.widths[:blocks])


def test_a_preconditioned_one_is_its_source_too() -> None:
    edm = EDM(sigma_data=0.7)
    backbone = Backbone(network(SMALL["mlp"]), (2,), 0, edm.parametrise)
    source, own = stirred(backbone.net()).double(), backbone.decoupled().double()
    own.load_state_dict(source.state_dict())
    x, s, _ = inputs((2,))
    assert torch.equal(own(x, s, s), source(x, s, s))


def test_a_network_without_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"backbone=mlp_plain has no parts .* use one of mlp, unet, ddpmpp"):
        Backbone(network({"name": "mlp_plain"}), (2,), 0).decoupled()
