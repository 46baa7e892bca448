"""A preset is a paper's whole setting: every key that it sets is in a table with its source, it plans without data, trains, and
is never ranked with a comparison."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from presets import OURS, PUBLISHED
from small_runs import ended

from bench import run
from bench.config import ConfigError, request
from bench.config.compose import presets, section
from bench.config.experiment import parse
from bench.planning.jobs import chain, jobs
from results.tables import render, table

PRESETS = presets()
SMALL = [
    "data=arrays", "backbone.channels=8", "backbone.blocks=1", "backbone.multipliers=[1,2]", "backbone.attention=[8]",
    "budget.batch=8", "backend=debug", "train.precision=float32", "train.logs=20", "evaluation.protocol=cifar-frechet",
    "evaluation.rounding=null", "evaluation.count=8", "evaluation.steps=[1]", "evaluation.seeds=[0]", "evaluation.chunk=8",
]  # fmt: skip


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_settings_of_its_table_and_sets_nothing_besides(name: str) -> None:
    stated = {key: value for source in (*PUBLISHED[name], *OURS[name]) for key, value in source.values.items()}
    for experiment in request([f"preset={name}"]).experiments:
        for key, value in stated.items():
            assert experiment.value(key) == value, key
    raw = section("sweep", f"preset/{name}")
    knobs = {f"method.{knob}" for own in raw["sweep"].get("knobs", {}).values() for knob in own}
    written = {key for key, _ in leaves({k: v for k, v in raw.items() if k not in ("defaults", "sweep")})} | knobs
    assert written <= set(stated), "every value has its source"
    assert raw["sweep"]["preset"] == name and raw["sweep"]["published"] and raw["sweep"]["note"]


def test_every_preset_has_its_tables_and_the_other_way_round() -> None:
    assert set(PRESETS) == set(PUBLISHED) == set(OURS)
    wanted = {"edm", "ect", "ict", "cm", "ctm", "meanflow", "sct", "tcm", "flow_map_matching/cifar10"}
    assert wanted | {f"self_distillation/{data}" for data in ("cifar10", "celeba64", "afhq64")} <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_plans_without_data(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.main([f"preset={name}", "plan=true"]) == 0
    said = capsys.readouterr().out
    assert "nothing can start yet" in said and f"sweeps/{name.replace('/', '_')}" in said
    assert "GPU" in said


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8))
    return f"data.path={file}"


@pytest.mark.parametrize("name", PRESETS)
def test_twenty_steps_of_a_preset_and_of_its_teacher_have_finite_losses(name: str, images: str, tmp_path: Path) -> None:
    """As the command line runs it, the network and the budget made small; those of PFMM's stages need a step each."""
    again = ["method=lsd"] if name in ("self_distillation/celeba64", "self_distillation/afhq64") else []  # cifar10's rest
    for record, rows, losses in ended(tmp_path, f"preset={name}", *again, *SMALL, images, "budget.images=160"):
        assert record.status == "done" and record.optimizer_steps == 20 and record.league.startswith("preset ")
        assert len(losses) >= 10 and np.isfinite(losses).all()
        assert all(np.isfinite(row.value) for row in rows if row.metric == "fd_cifar32")


def test_a_teacher_is_trained_by_its_own_preset_and_is_that_presets_run() -> None:
    teacher, student = (job for job in jobs(request(["preset=ect"]).experiments) if job.kind != "reference")
    (own,) = (job for job in jobs(request(["preset=edm"]).experiments) if job.kind != "reference")
    assert student.parents == (teacher.id,) == (own.id,)
    assert teacher.config["budget"]["images"] == 200_000_000 and teacher.config["train"]["augment"] == "geometric"
    assert student.config["budget"]["images"] == 25_600_000 and student.config["train"]["augment"] == "none"


def test_a_teacher_of_another_network_is_refused_where_weights_are_taken_over() -> None:
    with pytest.raises(ConfigError, match=r"teacher\.preset=edm_ncsnpp trains the network .* starts from its weights"):
        request(["preset=ect", "teacher.preset=edm_ncsnpp"])
    with pytest.raises(ConfigError, match=r"teacher\.preset=edn .*nearest: edm"):
        request(["preset=ect", "teacher.preset=edn"])


def test_a_preset_stands_in_place_of_a_sweep() -> None:
    with pytest.raises(ConfigError, match="a preset is a paper's whole setting"):
        request(["preset=edm", "sweep=cifar_hour"])
    with pytest.raises(ConfigError, match="preset/meanflow"):
        request(["preset=meanflo"])


def test_the_same_settings_without_a_preset_are_another_run() -> None:
    (one,) = (job for job in jobs(request(["preset=meanflow"]).experiments) if job.kind != "reference")
    plain = {key: value for key, value in one.config.items() if key != "preset"}
    *_, other = chain(parse({key: plain[key] for key in plain if key not in ("kind", "cost", "precision", "shape")}))
    assert other.id != one.id


def test_a_preset_is_ranked_by_itself(tmp_path: Path, images: str) -> None:
    common = [*SMALL, images, "budget.images=16", "train.ema=[0.5]", "train.ema_rule=decay"]  # of one protocol
    runs = [*ended(tmp_path, "preset=edm", *common), *ended(tmp_path, "sweep=none", "method=edm", "backbone=ddpmpp", *common)]
    frame = table.leaderboard([(record, rows) for record, rows, _ in runs])
    assert sorted(frame["league"].unique()) == ["plain", "preset edm"]
    written = render.markdown(frame, "both")
    assert "the setting of edm" in written and "its budget, network and recipe are its own" in written
