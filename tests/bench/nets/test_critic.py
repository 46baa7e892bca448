"""The light critic: logits of places, zero before training, that depend on all they are told."""

import pytest
import torch
from small_nets import inputs, stirred
from specs import network
from torch import nn

from bench.nets import Backbone
from bench.nets.critic import Critic

SHAPES = [((2,), 1), ((1, 8, 8), 16), ((3, 32, 32), 16), ((1, 28, 28), 49), ((3, 4, 4), 16)]


def critic(shape: tuple[int, ...], name: str = "mlp", device: str = "cpu", low: bool = False, **options: object) -> nn.Module:
    return Backbone(network({"name": name, **options}), shape, 3, lowered=low, device=device).critic()


@pytest.mark.parametrize(("shape", "places"), SHAPES, ids=str)
def test_it_has_a_logit_for_each_place_which_is_zero_before_training(shape: tuple[int, ...], places: int) -> None:
    net, (x, s, t) = critic(shape).double(), inputs(shape)
    assert torch.equal(net(x, s, t), torch.zeros(4, places, dtype=torch.float64))
    stirred(net)
    first, later = net(x, s, t), net(x, 1 - s, t)
    assert first.std() > 1e-3 and not torch.equal(first, later) and not torch.equal(first, net(-x, s, t))
    torch.testing.assert_close(net(x[:2], s[:2], t[:2]), first[:2])


def test_it_is_light_and_the_same_wherever_it_is_built() -> None:
    one, other = critic((3, 32, 32)), critic((3, 32, 32))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
    assert sum(p.numel() for p in one.parameters()) < 500_000
    paper = critic((3, 32, 32), device="meta")
    assert all(p.is_meta for p in paper.parameters())
    assert [p.shape for p in paper.parameters()] == [p.shape for p in one.parameters()]


def test_it_runs_in_the_precision_of_the_others() -> None:
    layers = critic((1, 8, 8), low=True).layers
    assert layers and all(each.lowered for each in layers)  # type: ignore[union-attr, arg-type]


def test_it_is_told_classes_and_what_augmentation_did() -> None:
    x, s, t = inputs((2,))
    net = stirred(critic((2,), classes=3).double())
    labels = torch.tensor([0, 1, 2, 0])
    assert not torch.equal(net(x, s, t, condition=labels), net(x, s, t)) and not torch.equal(
        net(x, s, t, condition=labels), net(x, s, t, condition=labels.flip(0)))  # fmt: skip
    both = stirred(Critic((3, 8, 8), classes=2, augment=3).double())
    x, s, t = inputs((3, 8, 8))
    assert not torch.equal(both(x, s, t, condition=torch.ones(4, 5, dtype=torch.float64)), both(x, s, t))
    with pytest.raises(ValueError, match="classes"):
        critic((2,)).double()(*inputs((2,)), condition=labels)
