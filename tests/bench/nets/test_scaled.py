"""A network that is told a scale of guidance: at the scale 1 it is the network it was made of, and elsewhere it need not be."""

import pytest
import torch
from small_nets import SHAPES, SMALL, inputs, made, stirred
from specs import network
from torch import Tensor, nn

from bench.config import ConfigError
from bench.layers import parted
from bench.nets import Backbone
from methods.base import share_teacher
from methods.tools import conditioned, derivative, with_scale

LABELS = torch.tensor([0, 1, 2, 3])  # of three classes; the last is of none
SCALES = torch.tensor([1.0, 1.5, 2.5, 4.0], dtype=torch.float64)
EACH = pytest.mark.parametrize(("name", "shape"), SHAPES)


def told(name: str, shape: tuple[int, ...], **options: object) -> nn.Module:
    return Backbone(network({**SMALL[name], "classes": 3, **options}), shape, 0).scaled().double()


@EACH
def test_before_training_it_is_its_source_at_every_scale(name: str, shape: tuple[int, ...]) -> None:
    source, own = made(name, shape, classes=3).double(), told(name, shape)
    weights = own.state_dict()
    assert {key for key in weights if not key.startswith("scaling.")} == set(source.state_dict())
    assert all(torch.equal(weights[key], value) for key, value in source.state_dict().items())
    for net in (source, own):  # what comes behind is not zero
        nn.init.ones_(net.head.weight if hasattr(net.head, "weight") else net.head[-1].weight)  # type: ignore[union-attr]
    x, s, t = inputs(shape)
    assert torch.equal(own(x, s, t, condition=with_scale(LABELS, SCALES)), source(x, s, t, condition=LABELS))


@EACH
def test_a_student_that_is_told_the_scale_starts_as_its_teacher_that_is_not(name: str, shape: tuple[int, ...]) -> None:
    teacher, student = stirred(made(name, shape, classes=3).double()), told(name, shape)
    share_teacher({"net": student}, {"net": teacher})
    x, s, t = inputs(shape)
    assert torch.equal(student(x, s, t, condition=with_scale(LABELS, SCALES)), teacher(x, s, t, condition=LABELS))


@EACH
def test_at_the_scale_one_it_is_told_nothing_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    net = stirred(told(name, shape))
    x, s, t = inputs(shape)
    plain = net(x, s, t, condition=LABELS)
    assert torch.equal(net(x, s, t, condition=with_scale(LABELS, torch.ones_like(SCALES))), plain)
    moved = (net(x, s, t, condition=with_scale(LABELS, SCALES)) - plain).abs().flatten(1).amax(1)
    assert moved[0] == 0 and moved[1:].min() > 1e-6
    torch.testing.assert_close(net(x, s, t), net(x, s, t, condition=torch.full((4,), 3)))  # None is no class, at the scale 1


@EACH
def test_it_is_differentiated_in_time_and_every_weight_of_the_scale_has_a_gradient(name: str, shape: tuple[int, ...]) -> None:
    net = stirred(told(name, shape))
    x, s, t = inputs(shape)
    v = conditioned(net, with_scale(LABELS, SCALES))
    dv, h = derivative(v, x, s, t, dt=1.0)[1], 1e-5
    torch.testing.assert_close(dv, (v(x, s, t + h) - v(x, s, t - h)) / (2 * h), rtol=1e-5, atol=1e-7)
    dv.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.scaling.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("condition", [torch.tensor([2, 0]), torch.tensor([[0.0, 1, 0, 0.5], [1, 0, 0, 0]])])
def test_what_is_told_is_told_apart_again(condition: Tensor) -> None:
    of_class, scale = parted(with_scale(condition, SCALES[1:3]))
    assert of_class is not None and torch.equal(of_class, condition.to(of_class.dtype))
    assert scale is not None and torch.equal(scale, SCALES[1:3])
    assert parted(None) == (None, None) and parted(LABELS) == (LABELS, None)


def test_beside_augmentation_it_is_told_all_three() -> None:
    net, source = stirred(told("ddpmpp", (1, 8, 8), augment=2)), made("ddpmpp", (1, 8, 8), classes=3, augment=2).double()
    source.load_state_dict({key: value for key, value in net.state_dict().items() if not key.startswith("scaling.")})
    x, s, t = inputs((1, 8, 8))
    numbers = torch.tensor([[0, 1, 0, 0.3, -1.0]] * 4, dtype=torch.float64)
    same = with_scale(numbers, torch.ones_like(SCALES))
    assert torch.equal(net(x, s, t, condition=same), source(x, s, t, condition=numbers))
    assert not torch.equal(net(x, s, t, condition=with_scale(numbers, SCALES)), net(x, s, t, condition=same))


def test_a_network_without_an_input_for_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"backbone=mlp_plain has no input for a scale .* use one of mlp, unet"):
        Backbone(network({"name": "mlp_plain"}), (2,), 0).scaled()
