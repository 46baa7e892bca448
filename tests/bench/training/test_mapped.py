"""Training from mapped files is training from memory, to the bit: in every slicing, on a restart, and while tuning."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import official_sets as sets
import pytest
import torch
from small_runs import bits
from specs import source

from bench import data, prepare
from bench.config import request
from bench.job import execute
from bench.planning.jobs import jobs
from bench.processes import ahead, memory
from bench.training.batches import batches, held, resident
from bench.training.rng import StepDraws
from results.records import read_run

CPU = torch.device("cpu")
COUNT, BATCH = 90, 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared subset of imagenet32."""
    place = tmp_path_factory.mktemp("sets")
    sets.batches(place / "in", 32, COUNT, 20)
    assert prepare.main(["imagenet32", "--source", str(place / "in"), "--out", str(place / "out"), "--count", str(COUNT),
                         "--heldout-count", "20"]) == 0  # fmt: skip
    return place / "out"


def loaded(folder: Path, **options: object) -> data.Dataset:
    return data.load(source({"name": "imagenet32", "path": str(folder), **options}))


def planned(folder: Path, *more: str) -> list[Any]:
    return jobs(request([
        "sweep=none", "method=flow_matching", "seed=0", "data=imagenet32", f"data.path={folder}", "data.features=cifar32",
        "backbone=unet_small", "backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.blocks=1",
        "backbone.attention=[]", f"budget.images={20 * BATCH}", f"budget.batch={BATCH}", "evaluation.count=32",
        "evaluation.chunk=32", "evaluation.steps=[1,2]", "evaluation.seeds=[0]", "train.ema=[0.9]", *more,
    ]).experiments)  # fmt: skip


def test_a_mapped_training_has_the_weights_and_the_scores_of_a_resident_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is the same run: where its data lie is no part of its identity."""
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path / "cache"))
    found = {}
    for where in ("true", "false", "auto"):
        job = planned(folder, f"data.resident={where}", "data.flip=true")[-1]
        run = tmp_path / where / job.id
        assert execute(job.config, str(run), lambda m: False) == "done"
        name, _ = bits(run)
        weights = (run / "checkpoints" / name).read_bytes()
        rows = [json.loads(line) for line in (run / "evals.jsonl").read_text().splitlines()]
        found[where] = (job.id, weights, [(r["metric"], r["steps"], r["value"], r["protocol"]) for r in rows])
        assert read_run(run).data_hash == loaded(folder).hash
    assert found["false"] == found["true"] == found["auto"]
    assert {metric for metric, *_ in found["true"][2]} >= {"fd_cifar32", "fd_heldout", "nn_closer"}


def test_a_mapped_training_that_is_stopped_goes_on_to_the_same_bits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path / "cache"))
    job = planned(folder, "data.resident=false", "budget.micro_batch=4")[-1]
    assert execute(job.config, str(tmp_path / "calm" / job.id), lambda m: False) == "done"
    rough = tmp_path / "rough" / job.id
    assert execute(job.config, str(rough), lambda m: m["images"] >= 7 * BATCH) == "interrupted"
    assert execute(job.config, str(rough), lambda m: False) == "done"
    assert bits(rough)[1] == bits(tmp_path / "calm" / job.id)[1]


@pytest.mark.parametrize("order", [range(6), (5, 0, 0, 3, 4, 100, 2), (3, 2, 1)])
@pytest.mark.parametrize("size", [BATCH, 5])
def test_whatever_is_asked_for_next_a_slice_has_the_rows_of_its_step(folder: Path, order: list[int], size: int) -> None:
    mapped, whole = (batches(loaded(folder, resident=r, flip=True), CPU, True, None) for r in (False, True))
    assert mapped.ahead is not None and whole.ahead is None
    for seed in (0, 1):
        for step in order:
            draws = StepDraws(seed, step, range(BATCH), BATCH, CPU)
            for begin in range(0, BATCH, size):
                part = draws.slice(range(begin, min(begin + size, BATCH)))
                a, b = mapped.batch(part), whole.batch(part)
                assert torch.equal(a.x_1, b.x_1) and a.condition is not None and torch.equal(a.condition, b.condition)


def test_later_steps_are_read_before_they_are_asked_for(folder: Path) -> None:
    reader = batches(loaded(folder, resident=False), CPU, False, None).ahead
    assert reader is not None
    read = list[int]()
    original = reader._gathered
    reader._gathered = lambda draws, pinned: read.append(draws.place.step) or original(draws, pinned)
    for step in range(5):
        reader(StepDraws(0, step, range(BATCH), BATCH, CPU))
    reader._threads.shutdown()
    assert sorted(read) == list(range(5 + ahead.STEPS)), "each once"


def test_what_a_thread_cannot_read_ends_the_step(folder: Path) -> None:
    reader = batches(loaded(folder, resident=False), CPU, False, None).ahead
    assert reader is not None
    reader(StepDraws(0, 0, range(BATCH), BATCH, CPU))
    reader._rows = lambda draws: torch.full((3,), COUNT)
    with pytest.raises(IndexError):
        for step in (9, 10):
            reader(StepDraws(0, step, range(BATCH), BATCH, CPU))


def test_auto_is_resident_up_to_a_quarter_of_what_is_free(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = COUNT * 3 * 32 * 32
    for free, fits in ((4 * size, True), (4 * size - 4, False), (math.inf, True)):
        monkeypatch.setattr(memory, "free", lambda device, free=free: free)
        assert resident(loaded(folder), CPU) == fits
        assert held(loaded(folder), CPU, 10) == (COUNT if fits else 10 * (1 + ahead.STEPS))
        assert (batches(loaded(folder), CPU, False, None).ahead is None) == fits
    monkeypatch.setattr(memory, "free", lambda device: 0)
    assert resident(loaded(folder, resident=True), CPU) and not resident(loaded(folder, resident=False), CPU)


def test_mapped_images_are_no_memory_of_ours(folder: Path) -> None:
    """The file is mapped for reading only: a private copy would count as memory, and a shared one could be written to."""
    train = loaded(folder, resident=False).train
    lines = Path("/proc/self/maps").read_text().splitlines()
    (mine,) = {line.split()[1] for line in lines if line.endswith(str(folder / "train.npy"))}
    assert mine.startswith("r--") and train.is_contiguous()
    assert np.array_equal(train.numpy(), np.load(folder / "train.npy"))


def test_what_a_search_holds_back_is_the_same_of_mapped_images(folder: Path) -> None:
    mapped, whole = (data.hold_back(loaded(folder, resident=r), 0.2) for r in (False, True))
    assert mapped.hash == whole.hash and mapped.validation is not None and whole.validation is not None
    assert len(mapped.train) == COUNT and len(mapped.validation) == len(whole.validation) == 18
    i = torch.tensor([3, 0, 17])
    assert torch.equal(mapped.validation[i], whole.validation[i])
    a, b = (batches(each, CPU, True, None).batch(StepDraws(0, 4, range(64), 64, CPU)) for each in (mapped, whole))
    assert torch.equal(a.x_1, b.x_1) and a.condition is not None and torch.equal(a.condition, b.condition)


def test_the_version_that_is_left_open_and_the_one_that_is_named_are_one_run(folder: Path) -> None:
    ids = {planned(folder, *more)[-1].id for more in ([], ["data.version=box"], ["data.resident=false"])}
    assert len(ids) == 1 and planned(folder, "data.flip=true")[-1].id not in ids
