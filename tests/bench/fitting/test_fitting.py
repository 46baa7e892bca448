"""What a step holds, counted without numbers: as much as PyTorch's allocator is asked for, and the slice that fits."""

from dataclasses import replace

import pytest
import torch
from contract import METHODS, made
from specs import network
from torch.profiler import ProfilerActivity, profile

from bench.data import Dataset
from bench.fitting import Fit, Live, fit, on_paper
from bench.fitting.live import ROWS
from bench.fitting.slices import GB, count, state, usable
from bench.nets import Backbone
from bench.training import Recipe, Trainer
from bench.training.rng import StepDraws
from methods.base import Method

SHAPE, BATCH = (3, 16, 16), 64
SMALL = {"name": "unet", "channels": 32, "multipliers": [1, 2], "blocks": 1, "attention": [8], "embedding": 128}
RECIPE = Recipe(4000 * BATCH, BATCH, logs=0, checkpoints=0)
HEADLINE = {"name": "unet", "channels": 128, "multipliers": [2, 2, 2], "blocks": 4, "attention": [16], "embedding": 512,
            "attention_kernel": "fused", "dropout": 0.13}  # fmt: skip


def backbone(device: str, low: bool = False, **options: object) -> Backbone:
    return Backbone(network({**SMALL, **options}), SHAPE, 0, lowered=low, device=device)


def real(method: Method, networks: Backbone) -> Trainer:
    """The training on paper, with numbers."""
    paper, needs = on_paper(method, networks, RECIPE), method.needs
    images = torch.zeros((1, *SHAPE), dtype=torch.uint8)
    paths = torch.zeros((1, 1 + len(needs.trajectories.kept), *SHAPE)) if needs.trajectories else None
    data = Dataset("real", "images", SHAPE, images, images, "0" * 64, flip=True)
    return replace(paper, models=method.build(networks), data=data, device=torch.device("cpu"), trajectories=paths)


def measured(trainer: Trainer) -> int:
    """The most that the allocator has handed out at once in a step, on top of what was there before it."""
    progress = trainer.progress
    progress.step = progress.ends[-2] if len(progress.ends) > 1 else 0
    trainer.begin_stage(len(progress.stages) - 1)
    trainer.step(progress)
    trainer.state.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        trainer.step.gradients(progress)
    events = sorted((e.start_ns(), e.nbytes()) for e in seen.profiler.kineto_results.events() if e.name() == "[memory]")
    now = most = 0
    for _, size in events:
        now += size
        most = max(most, now)
    return most


@pytest.mark.parametrize("checkpoint", ["none", "norms", "blocks"])
@pytest.mark.parametrize("name", ["flow_matching", "meanflow", "lsd", "lmd", "psd_m", "ctm", "ect", "dsno"])
def test_the_count_is_what_the_allocator_hands_out(name: str, checkpoint: str) -> None:
    method = made(name)
    trainer = on_paper(method, backbone("meta", checkpoint=checkpoint), RECIPE)
    trainer.begin_stage(len(trainer.progress.stages) - 1)
    counted = count(method, backbone("meta", checkpoint=checkpoint), RECIPE, [BATCH])[BATCH] - state(trainer)
    assert counted == pytest.approx(measured(real(method, backbone("cpu", checkpoint=checkpoint))), rel=0.1)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_counted_and_takes_a_slice_that_fits(name: str) -> None:
    """At the headline network, batch and precision with whole blocks computed again: 32 rows or more on 80 GB."""
    networks = Backbone(network({**HEADLINE, "checkpoint": "blocks"}), (3, 32, 32), 0, lowered=True, device="meta")
    found = fit(made(name), networks, Recipe(51_200_000, 512, ema=(0.9999, 0.999)), 80 * GB, 50_000 * 3072)
    assert found.memory <= usable(80 * GB)
    assert found.rows >= (128 if name in ("flow_matching", "meanflow", "ect", "psd_m", "psd_u", "lsd") else 32)
    assert found.rows % made(name).needs.group == 0


def test_a_smaller_card_takes_a_smaller_slice_of_equal_parts_and_none_takes_no_row() -> None:
    method, networks = made("flow_matching"), backbone("meta")
    whole, recipe = fit(method, networks, RECIPE, 80 * GB), RECIPE
    assert whole.rows == BATCH
    fixed = count(method, networks, recipe, [0, BATCH])
    half = fixed[0] + 0.55 * (fixed[BATCH] - fixed[0])
    card = (half + 1.5 * GB) / 0.92
    found = fit(method, networks, recipe, card)
    assert found == Fit(32, count(method, networks, recipe, [32])[32])
    assert fit(method, networks, recipe, 1.5 * GB).rows == 0
    more = fit(method, networks, recipe, card, data=round(0.3 * (fixed[BATCH] - fixed[0])))
    assert 0 < more.rows < 32, "the data lie on the card as well"


def test_particles_stay_together() -> None:
    method = made("imm")
    assert method.needs.group == 4
    tight = count(method, backbone("meta"), RECIPE, [24])[24]
    assert fit(method, backbone("meta"), RECIPE, (tight + 1.5 * GB) / 0.92).rows in (20, 24)


def test_the_bytes_alive_are_those_of_tensors_that_are() -> None:
    with Live([ROWS]) as live:
        a = torch.empty(ROWS, 4, device="meta")
        b = a.view(-1)  # shares
        c = torch.empty(ROWS, device="meta") + 1  # two, of which one goes
        assert live.peaks[ROWS] == (16 + 4 + 4) * ROWS
        del a
        d = torch.empty(ROWS, 2, device="meta")
        del b, c, d
        assert live._growing == live._fixed == 0
        assert live.peaks[ROWS] == (16 + 4 + 8) * ROWS, "a view keeps its storage"
        e = torch.empty(ROWS, 8, device="meta")
    assert live.peaks[ROWS] == 32 * ROWS == e.untyped_storage().nbytes(), "what is alive at the end counts"


@pytest.mark.parametrize("rows", [range(16), range(4, 12), range(5, 6), range(1000)], ids=str)
@pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 0.5, 0.75, 1.0])
def test_a_split_on_paper_has_as_many_rows_as_one_that_is_drawn(rows: range, share: float) -> None:
    on_paper, drawn = (StepDraws(0, 0, rows, 1000, torch.device(kind)).split(share) for kind in ("meta", "cpu"))
    assert [len(part) for part in on_paper] == [len(part) for part in drawn]
