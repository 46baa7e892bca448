"""Claims about networks without numbers."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.config import request
from bench.nets import Backbone

CASES = [("mlp", (2,)), ("mlp", (1, 8, 8)), ("mlp_plain", (2,)), ("unet_small", (1, 8, 8)), ("unet_small", (3, 32, 32)),
         *((f"{name} backbone.channels=8 backbone.blocks=1", (1, 8, 8)) for name in ("ddpmpp", "ncsnpp", "adm")),
         ("edm2", (3, 8, 8)), ("dit_s", (3, 8, 8)), ("unet_55m", (3, 32, 32))]  # fmt: skip


def backbone(name: str, shape: tuple[int, ...], *more: str, device: str = "cpu") -> Backbone:
    (experiment,) = request(["sweep=none", *f"backbone={name}".split(), *more]).experiments
    return Backbone(experiment.backbone, shape, 0, device=device)


@pytest.mark.parametrize(("name", "shape"), CASES[:-1])
def test_arithmetic_is_what_pytorch_s_counter_counts(name: str, shape: tuple[int, ...]) -> None:
    made = backbone(name, shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        made.net()(torch.zeros(1, *shape), torch.zeros(1), torch.ones(1))
    assert made.gflops() == pytest.approx(counter.get_total_flops() / 1e9) and counter.get_total_flops() > 0


def test_the_large_unet_takes_40_gflop_whatever_its_kernel_and_what_is_computed_again() -> None:
    plain = backbone("unet_55m", (3, 32, 32)).gflops()
    assert plain == pytest.approx(40.27, abs=0.01)
    assert backbone("unet_55m", (3, 32, 32), "backbone.attention_kernel=fused", "backbone.checkpoint=blocks").gflops() == plain


@pytest.mark.parametrize(
    ("name", "side", "published"),
    [("edm2", 32, 44.2), ("edm2_64", 64, 89.9), ("dit_s", 32, 12.1), ("dit_b", 32, 46.0), ("dit_l", 32, 161.4),
     ("dit_xl", 32, 237.2)],
)  # fmt: skip
def test_the_arithmetic_of_published_networks(name: str, side: int, published: float) -> None:
    assert backbone(name, (4 if name[:3] == "dit" else 3, side, side)).gflops() == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_without_numbers_a_network_has_the_same_tensors(name: str, shape: tuple[int, ...]) -> None:
    real, outline = backbone(name, shape), backbone(name, shape, device="meta")
    pairs = [(real.net(), outline.net()), (real.weight(), outline.weight())]
    pairs += [] if name == "mlp_plain" else [(real.operator(4, 2), outline.operator(4, 2))]
    for one, other in pairs:
        found = other.state_dict()
        assert {k: v.shape for k, v in one.state_dict().items()} == {k: v.shape for k, v in found.items()}
        assert all(each.is_meta for each in found.values())
