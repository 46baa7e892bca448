"""A class-conditional run from the command line to its rows and its model, and what stays as it was without one."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import planned

from bench import data
from bench.config import request
from bench.data import compared
from bench.job import execute
from bench.model import load
from bench.planning import jobs
from bench.protocols import planned as filled
from bench.protocols import protocol_of
from bench.scoring import baselines
from results.records import EvalRow, read_rows, read_run

LEARNED = ["conditional=true", "budget.images=25600", "evaluation.guidance=[1,3]", "evaluation.steps=[4]"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    job = planned("flow_matching", *LEARNED)[-1]
    folder = tmp_path_factory.mktemp("conditional") / job.id
    assert execute(job.config, str(folder), lambda message: False) == "done"
    return folder


def of(rows: list[EvalRow], metric: str) -> dict[str, EvalRow]:
    return {row.sampler: row for row in rows if row.metric == metric}


def test_a_short_training_makes_samples_of_the_class_that_is_asked_for(run: Path) -> None:
    found = of(read_rows(run), "label_accuracy")
    assert list(found) == ["hop:euler", "hop:euler guided 3"]
    assert 1 >= found["hop:euler guided 3"].value > found["hop:euler"].value > 0.6  # chance is a tenth


def test_guided_rows_alone_are_paid_for_twice(run: Path) -> None:
    for metric in ("fd_digits8", "label_accuracy"):
        plain, guided = of(read_rows(run), metric).values()
        assert (plain.nfe, plain.nfe_rows, guided.nfe, guided.nfe_rows) == (4, 4, 4, 8)
        assert plain.extra["guidance"] == 1 and guided.extra["guidance"] == 3
        assert plain.protocol == guided.protocol


def test_a_network_that_learned_its_scale_is_guided_by_one_row_a_call(tmp_path: Path) -> None:
    job = planned("lsd", "conditional=true", "method.scale=[1,4]", "evaluation.guidance=[1,3]", "evaluation.steps=[2]",
                  "budget.images=1280")[-1]
    assert execute(job.config, str(tmp_path / job.id), lambda message: False) == "done"
    plain, guided = of(read_rows(tmp_path / job.id), "label_accuracy").values()
    assert (plain.sampler, guided.sampler) == ("hop", "hop guided 3")
    assert (plain.nfe, plain.nfe_rows, guided.nfe, guided.nfe_rows) == (2, 2, 2, 2) and guided.extra["guidance"] == 3
    model = load(tmp_path / job.id)
    assert not torch.equal(model.sample(8, 2, guidance=3.0), model.sample(8, 2))
    with pytest.raises(ValueError, match=r"from 1 to 4 \(method.scale\), and 5 is none"):
        model.sample(8, 2, guidance=5.0)


def test_a_finished_model_samples_by_the_training_frequencies_or_one_class(run: Path) -> None:
    model, record = load(run), read_run(run)
    assert record.config["label_counts"] == data.load(model.experiment.data).frequencies.tolist()
    assert record.config["backbone"]["classes"] == 10
    four = model.sample(40, 4, condition=4)
    assert torch.equal(four[:10], model.sample(10, 4, condition=4)) and not torch.equal(four, model.sample(40, 4))
    from bench.features import base as features

    net = features.load("digits8")
    seen = net.classify(net(((four + 1) * 8).round().to(torch.uint8), 16))
    assert (seen == 4).double().mean() > 0.5
    assert not torch.equal(model.sample(8, 4, guidance=3.0), model.sample(8, 4))
    with pytest.raises(ValueError, match="no class 10"):
        model.sample(8, 4, condition=10)
    for wrong in ({"n": 0}, {"steps": 4.0}, {"steps": 0}, {"guidance": math.nan}, {"guidance": -3.0}, {"guidance": "a"}):
        (name, value), = wrong.items()
        with pytest.raises(ValueError, match=f"^{name}={value!r} must be a (whole )?number, at least"):
            model.sample(**{"n": 8, "steps": 4} | wrong)


def test_a_model_that_was_told_no_class_is_asked_for_none(tmp_path: Path) -> None:
    job = planned("flow_matching", "budget.images=1280")[-1]
    execute(job.config, str(tmp_path / job.id), lambda message: False)
    model = load(tmp_path / job.id)
    assert {row.metric for row in read_rows(tmp_path / job.id)} & {"label_accuracy"} == set()
    with pytest.raises(ValueError, match="not told classes"):
        model.sample(8, 4, condition=1)
    with pytest.raises(ValueError, match="no conditional velocity model"):
        model.sample(8, 4, guidance=2.0)


def scored(*more: str) -> tuple[Any, data.Dataset]:
    experiment = filled(request(["sweep=none", "evaluation.seeds=[0]", *more]).experiments[0])
    return experiment, compared(experiment, data.dataset(experiment))


def test_held_out_data_say_how_often_the_classifier_is_right_where_models_are_told_classes() -> None:
    found = {}
    for flag in ("true", "false"):
        experiment, of_data = scored(f"conditional={flag}")
        rows = baselines.references(of_data, protocol_of(experiment, of_data), experiment, "reference", CPU)
        found[flag] = {(row.label, row.metric): row.value for row in rows}
    added = {key: found["true"].pop(key) for key in set(found["true"]) - set(found["false"])}
    assert found["true"] == found["false"] and list(added) == [("held-out data", "label_accuracy")]
    assert added["held-out data", "label_accuracy"] > 0.95


def test_one_class_is_compared_with_its_own_images_under_a_protocol_of_its_own() -> None:
    experiment, own = scored("conditional=true", "evaluation.one_class=3")
    whole = data.dataset(experiment)
    assert whole.labels is not None and len(own.train) == int((whole.labels == 3).sum())
    assert whole.heldout_labels is not None and len(own.heldout) == int((whole.heldout_labels == 3).sum())
    images, labels = torch.cat([whole.train, whole.heldout]), torch.cat([whole.labels, whole.heldout_labels])
    everything = {image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    assert all(everything[image.numpy().tobytes()] == 3 for image in (*own.train, *own.heldout))
    assert protocol_of(experiment, own).id != protocol_of(experiment, whole).id


def test_conditional_and_other_runs_stand_in_one_table_with_one_set_of_reference_rows() -> None:
    both = request(["sweep=none", "sweep.name=both", "conditional=true,false", "method=flow_matching,lmd"]).experiments
    made = jobs(both)
    references = [job for job in made if job.kind == "reference"]
    assert len(references) == 1 and references[0].config["conditional"]
    told = {job.id: job.config["conditional"] for job in made if job.kind != "reference"}
    taught = [job for job in made if job.config.get("method", {}).get("name") == "lmd"]
    assert len(told) == 4 and sorted(told.values()) == [False, False, True, True]  # the teachers are among the four
    assert all(told[job.parents[0]] == job.config["conditional"] for job in taught)


def test_what_runs_are_called_without_classes_does_not_know_of_them() -> None:
    plain = jobs(request(["sweep=none"]).experiments)
    same = jobs(request(["sweep=none", "conditional=false", "evaluation.guidance=[1]"]).experiments)
    assert [job.id for job in plain] == [job.id for job in same]
