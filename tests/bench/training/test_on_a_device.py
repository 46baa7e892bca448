"""Every method trains and samples where its tensors are: a steady step copies nothing to a device and reads nothing back.

The device is not there (tests/support/fake_device.py), so that this is known on any machine, of every method from the day it
is born.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from contract import METHODS, few, made
from fake_device import DEVICE, fake_device
from specs import network
from torch import Tensor, nn

from bench.data import Dataset
from bench.nets import Backbone
from bench.scoring.sample import Sampler
from bench.training.train import Recipe, Trainer
from methods.base import Loss, Method
from methods.flow_matching import FlowMatching

SHAPE = (1, 8, 8)
# One level: each operation takes its time where a device is not there. LEVELS has two.
UNET = Backbone(network({"name": "unet", "channels": 8, "multipliers": [1], "blocks": 1, "attention": [8], "embedding": 16,
                         "dropout": 0.1, "checkpoint": "norms"}), SHAPE, 0, lowered=True)  # fmt: skip
MLP = Backbone(network({"name": "mlp", "width": 16, "depth": 1, "embedding": 8, "dropout": 0.1}), SHAPE, 0)
BATCH, STEPS = 16, 4000


@pytest.fixture
def events() -> Iterator[list[str]]:
    with fake_device() as found:
        yield found


def trainer(method: Method, backbone: Backbone = MLP, **recipe: Any) -> Trainer:
    images = torch.zeros((64, *SHAPE), dtype=torch.uint8)
    needs, taught = method.needs, backbone.net().to(DEVICE)

    def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        out: Tensor = taught(x, t, t, condition=condition)
        return out

    paths = None if needs.trajectories is None else torch.zeros((32, 1 + len(needs.trajectories.kept), *SHAPE))
    return Trainer(
        method, models(method, backbone), Dataset("fake", "images", SHAPE, images, images, "0" * 64, flip=True),
        Recipe(STEPS * BATCH, BATCH, logs=0, checkpoints=0, **recipe), 0, DEVICE, None, b if needs.teacher else None,
        {"net": taught} if needs.teacher else {}, weak_teacher=b if needs.weak_teacher else None, trajectories=paths,
    )  # fmt: skip


def models(method: Method, backbone: Backbone) -> dict[str, nn.Module]:
    return {role: module.to(DEVICE) for role, module in method.build(backbone).items()}


def steady(subject: Trainer, stage: int, events: list[str]) -> list[str]:
    """What passed between the device and the host in the third step of a stage."""
    progress = subject.progress
    progress.step = progress.ends[stage - 1] if stage else 0
    subject.begin_stage(stage)
    for _ in range(2):
        subject.step(progress)
    events.clear()
    subject.step(progress)
    return events


def all_steady(subject: Trainer, events: list[str]) -> bool:
    """Whether nothing passes in the first and the last stage; AssertionError with what passes else."""
    last = len(subject.progress.stages) - 1
    for stage in sorted({0, last}):
        assert steady(subject, stage, events) == []
    return True


@pytest.mark.parametrize("name", METHODS)
def test_a_steady_step_of_every_stage_leaves_the_host_alone(name: str, events: list[str]) -> None:
    assert all_steady(trainer(few(name), MLP, micro_batch=8, ema=(0.999, 0.99)), events)


# One for each way that a loss goes through a network: forward, in forward mode, in reverse mode for an input, with an operator
# made of it, with a critic on it, in groups. A network of convolutions takes ten times as long as the other.
THROUGH = ["flow_matching", "meanflow", "esd", "dsno", "ctm_gan", "imm"]


@pytest.mark.parametrize("name", THROUGH)
def test_so_does_one_that_goes_through_convolutions_and_computes_them_twice(name: str, events: list[str]) -> None:
    assert all_steady(trainer(few(name), UNET), events)


LEVELS = {"channels": 8, "multipliers": [1, 2], "blocks": 1, "attention": [4], "dropout": 0.1}


@pytest.mark.parametrize(("options", "augment"), [
    ({"name": "unet", "embedding": 16, **LEVELS}, "none"),
    ({"name": "ddpmpp", "augment": 9, **LEVELS}, "geometric"), ({"name": "ncsnpp", "augment": 6, **LEVELS}, "mild"),
    ({"name": "adm", "augment": 9, **LEVELS}, "geometric"), ({"name": "edm2", **LEVELS}, "none"),
    ({"name": "dit", "width": 16, "depth": 1, "heads": 2, "dropout": 0.1}, "none"),
])  # fmt: skip
def test_a_steady_step_of_the_papers_networks_and_of_what_they_are_told_does_so_too(
    options: dict[str, object], augment: str, events: list[str]
) -> None:
    """With every change of an image in the batch; edm2 is put back on its spheres."""
    subject = trainer(FlowMatching(), Backbone(network(options), SHAPE, 0), augment=augment, augment_share=1.0)
    assert steady(subject, 0, events) == []


@pytest.mark.parametrize("papers", [False, True], ids=["untuned", "papers"])
@pytest.mark.parametrize("name", METHODS)
def test_samples_are_drawn_where_the_networks_are(name: str, papers: bool, events: list[str]) -> None:
    method = made(name)
    sampler = Sampler(method, models(method, MLP), SHAPE, 0, 8, DEVICE, papers=papers)
    for steps in (n for n in (1, 2, 4) if method.supports(n)):
        sampler.draw(0, steps)
        events.clear()
        assert sampler.draw(0, steps).device.type == DEVICE.type
        assert {event.split(":")[0] for event in events} == {"a copy to the device"}
        assert len(events) == (steps if method.needs.rule == "renoise" else 1), "the noise, which is the same on every device"


@dataclass(frozen=True)
class Spoiled(FlowMatching):
    """Flow matching with a fault."""

    fault: Callable[[Tensor], Tensor] = torch.clone

    def losses(self, models: Any, batch: Any, context: Any) -> dict[str, Loss]:
        loss = super().losses(models, batch, context)["net"].per_sample
        return {"net": Loss(self.fault(loss))}


FAULTS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "none": (torch.clone, ""),
    "a number read": (lambda loss: loss * loss.detach().mean().item(), "the host reads a number"),
    "a condition": (lambda loss: loss if loss.detach().mean() > 0 else 2 * loss, "the host reads a number"),
    "a copy": (lambda loss: loss * torch.ones(BATCH).to(loss), "a copy to the device"),
    "a list": (lambda loss: loss * torch.tensor([1.0] * BATCH, device=loss.device), "a copy to the device"),
    "an index on the host": (lambda loss: loss[torch.arange(BATCH)], "an index on the host"),
    "a boolean index": (lambda loss: torch.where(loss > 0, loss, loss).index_put((loss > 9,), loss.detach()[0]),
                        "a boolean index"),
    "back to the host": (lambda loss: loss * loss.detach().cpu().to(loss.device), "a copy to the host"),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_every_way_to_wait_for_the_host_is_noticed(what: str, events: list[str]) -> None:
    fault, said = FAULTS[what]
    found = steady(trainer(Spoiled(fault=fault)), 0, events)
    assert [event for event in found if event.startswith(said)] if said else found == []


def test_tensors_of_two_devices_do_not_meet(events: list[str]) -> None:
    subject = trainer(Spoiled(fault=lambda loss: loss + torch.ones(BATCH)))
    with pytest.raises(RuntimeError, match=r"lazy.*cpu|cpu.*lazy"):
        steady(subject, 0, events)
