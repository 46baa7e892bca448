"""The curves of a training: every look once in every place where people watch it, through kills; what fails ends nothing."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_results import record, row
from small_runs import planned
from specs import network
from trainings import BATCH, CPU, NET, points

from bench import job
from bench.accounts import Curves, LossMeter, Moved, curves
from bench.accounts.curves import CurveWarning
from bench.config import ConfigError, combinations
from bench.nets import Backbone
from bench.processes import Ranks, dist
from bench.training import Trainer
from bench.training.recipe import Recipe
from methods.flow_matching import FlowMatching
from results.records import CURVES_FILE, read_curves

Seen = list[tuple[int, dict[str, float]]]


class Fake:
    """A sink that keeps what it was told up to step `keeps`, as a process that is killed leaves it."""

    seen: Seen
    keeps = 10**9

    def __init__(self, folder: Path, step: int, about: Mapping[str, Any]) -> None:
        self.seen[:] = [each for each in self.seen if each[0] <= self.keeps]
        self.told = max((step for step, _ in self.seen), default=-1)

    def __call__(self, step: int, images: int, values: Mapping[str, float]) -> None:
        self.seen.append((step, dict(values)))

    def close(self) -> None: ...


class Broken(Fake):
    def __call__(self, step: int, images: int, values: Mapping[str, float]) -> None:
        raise OSError("no space left")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    made = type("Made", (Fake,), {"seen": []})
    monkeypatch.setattr(curves, "SINKS", {"fake": made, "broken": type("Bad", (Broken,), {"seen": []})})
    return made


def looks(made: Curves, *steps: int, **more: float) -> None:
    for step in steps:
        made.look(step, step * 10, {"seconds": step / 5, "loss": 100.0 / step, **more})


def steps_of(folder: Path) -> list[float]:
    return [look["step"] for look in read_curves(folder)]


@pytest.mark.parametrize("lost_after", [40, 60, 75])  # the killed process had written so far: short of the checkpoint, past it
def test_a_killed_run_writes_no_step_twice_and_leaves_no_hole(tmp_path: Path, fake: type[Fake], lost_after: int) -> None:
    before = Curves(tmp_path, ("csv", "fake"))
    before.begin(0)
    looks(before, *range(5, 80, 5))
    fake.keeps = lost_after
    after = Curves(tmp_path, ("csv", "fake"))
    after.begin(50)
    assert steps_of(tmp_path) == list(range(5, 55, 5)), "the file is cut to the checkpoint"
    looks(after, *range(55, 105, 5))
    assert steps_of(tmp_path) == [step for step, _ in fake.seen] == list(range(5, 105, 5))
    assert [look["loss"] for look in read_curves(tmp_path)] == [pytest.approx(100 / step) for step in range(5, 105, 5)]
    assert all(look["images_per_second"] == pytest.approx(50) for look in read_curves(tmp_path))


def test_values_that_begin_later_have_a_column_from_then_on_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    made = Curves(tmp_path)
    made.begin(0)
    looks(made, 1, 2)
    looks(made, 3, **{"part/raw": 7.5})
    with open(tmp_path / CURVES_FILE, "a", encoding="utf-8") as file:
        file.write("4,40,0.8,25,50,7")  # of 7.5
    found = read_curves(tmp_path)
    assert [look.get("part/raw") for look in found] == [None, None, 7.5]
    first = "step,images,seconds,loss,images_per_second,part/raw\n1,10,0.2,100,50,\n"
    assert (tmp_path / CURVES_FILE).read_text().startswith(first)
    again = Curves(tmp_path)
    again.begin(3)
    looks(again, 4)
    assert steps_of(tmp_path) == [1, 2, 3, 4]


def test_a_full_disk_is_told_once_and_what_was_not_written_is_written_later(tmp_path: Path) -> None:
    (tmp_path / CURVES_FILE).mkdir()
    made = Curves(tmp_path)
    with pytest.warns(CurveWarning) as caught:
        made.begin(0)
        looks(made, 1, 2)
    assert len(caught) == 1 and "curves.csv of" in str(caught[0].message)
    (tmp_path / CURVES_FILE).rmdir()
    looks(made, 3)
    assert steps_of(tmp_path) == [1, 2, 3]


def test_a_sink_that_fails_is_told_once_and_the_training_ends_well(tmp_path: Path, fake: type[Fake]) -> None:
    method = FlowMatching()
    trainer = Trainer(method, method.build(Backbone(network(NET), (2,), seed=0)), points("gaussian"),
                      Recipe(20 * BATCH, BATCH, logs=5, clip=0.5), 0, CPU, curves=Curves(tmp_path, ("broken", "fake", "csv")))
    with pytest.warns(CurveWarning) as caught:
        assert trainer.run().status == "done"
    assert [str(each.message) for each in caught] == [
        f"broken of {tmp_path.name}: OSError: no space left; the training goes on without it"]
    found = read_curves(tmp_path)
    assert [look["step"] for look in found] == [step for step, _ in fake.seen] == [4, 8, 12, 16, 20]
    assert set(found[0]) == {"step", "images", "seconds", "images_per_second", "loss", "gradient", "learning_rate"}
    assert found[-1]["images"] == 20 * BATCH and all(look["gradient"] > 0 for look in found)


def test_gradients_are_means_over_the_steps_that_took_them_and_several_losses_have_names() -> None:
    meter = LossMeter(CPU)
    for step, (loss, norm) in enumerate([(1.0, 2.0), (3.0, 4.0)], 1):
        meter.add("net", torch.tensor(loss))
        moved = {"net": Moved(torch.tensor(norm), torch.tensor(0.0))}
        if step == 2:
            meter.add("critic", torch.tensor(5.0))
            moved["critic"] = Moved(torch.tensor(7.0), torch.tensor(0.0))
        meter.end(step, "train", 0.1 * step, moved)
    assert meter.read(Ranks())[0] == 7.0
    assert meter.curves() == {"loss/net": 2.0, "loss/critic": 5.0, "gradient": 3.0, "gradient/critic": 7.0,
                              "learning_rate": 0.2}


def test_the_metric_of_milestones_is_a_curve_that_is_told_once(tmp_path: Path, fake: type[Fake]) -> None:
    run = record()
    rows = [row(run, 1, value, images_seen=images, evaluation_seed=seed)
            for images, value in ((20, 8.0), (40, 6.0)) for seed, value in ((0, value), (1, value + 1))]
    rows.append(row(run, 1, 99.0, images_seen=40, sampler="heun"))
    made = Curves(tmp_path, ("fake",))
    made.begin(0)
    looks(made, 1, 4)
    for _ in range(2):
        made.score(rows, batch=10)
    name = "score/d3adb33f/fd_digits8@1"
    assert fake.seen[2:] == [(2, {name: 8.5}), (4, {name: 6.5})]
    found = read_curves(tmp_path)
    assert [(look["step"], look.get("loss"), look.get(name)) for look in found] == [
        (1, 100.0, None), (2, None, 8.5), (4, 25.0, 6.5)]


@pytest.mark.parametrize("found", [None, SimpleNamespace(origin=None)])  # not there, and a folder of that name
def test_a_missing_package_is_told_when_the_configuration_is_parsed(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    monkeypatch.setattr(combinations, "find_spec", lambda name: found)
    with pytest.raises(ConfigError) as told:
        planned("lsd", "train.log=[csv,wandb]")
    assert told.value.faults == ["train.log=[csv,wandb] needs the package wandb, which is not installed: "
                                 "pip install 'fewstep[wandb]', or leave wandb out"]
    assert planned("lsd", "train.log=[csv]")


def test_where_curves_go_does_not_change_a_runs_identity() -> None:
    assert planned("lsd", "train.log=[]")[-1].id == planned("lsd")[-1].id


def test_one_rank_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = planned("flow_matching")[-1].config
    assert job._Run(job.recorded(config), tmp_path, lambda message: False).curves is not None  # type: ignore[arg-type]
    monkeypatch.setattr(dist, "leads", lambda: False)
    assert job._Run(job.recorded(config), tmp_path, lambda message: False).curves is None  # type: ignore[arg-type]
