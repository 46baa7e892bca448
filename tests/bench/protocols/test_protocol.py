"""What fixes a number is in its protocol's id: names, hashes, rounding, reference, counts; wrong names are told."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from places import ROOT
from specs import source

from bench import data, protocols
from bench.config import ConfigError, Experiment, request
from bench.features import base as features
from bench.planning.jobs import jobs
from bench.protocols.protocol import Protocol
from bench.protocols.rounding import RULES, stored, to_pixels

TABLES = ROOT / "results" / "reference"


def composed(*arguments: str) -> Experiment:
    """One experiment with its evaluation as planning fills it in."""
    (made,) = request(["sweep=none", *arguments]).experiments
    return protocols.planned(made)


def protocol(*arguments: str, of: data.Dataset | None = None) -> Protocol:
    made = composed(*arguments)
    return protocols.protocol_of(made, of or data.dataset(made))


def colours(n: int = 400, held: int = 50) -> data.Dataset:
    x = torch.randint(0, 256, (n + held, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return data.Dataset("cifar10", "images", (3, 8, 8), x[:n], x[n:], "0" * 64)


@pytest.mark.parametrize(("sweep", "id"), [
    ("mixture_all_methods", "mixture-points-v1-e7ba71db"),
    ("paper/checkerboard_self_distillation_cpu", "checkerboard-points-v1-d74bb514"),
])  # fmt: skip
def test_protocols_of_points_keep_their_ids(sweep: str, id: str) -> None:
    made = protocols.planned(request([f"sweep={sweep}"]).experiments[0])
    assert protocols.protocol_of(made, data.dataset(made)).id == id


def test_everything_that_a_protocol_fixes_is_in_its_id() -> None:
    base = Protocol("p", ("fid",), "a:1", "train:1", 10, (0,), 5, 0.9, "round", resize="clean", feature_chunk=5, neighbours=9,
                    also=("b:2",), grid="untuned", reference_count=4)
    other: dict[str, Any] = {
        "name": "q", "metrics": ("fid", "kid"), "features": "a:2", "reference": "train:2", "count": 11, "seeds": (1,),
        "chunk": 6, "ema": 0.8, "rounding": "floor", "checkpoint": "best", "version": 2, "resize": "tensorflow",
        "feature_chunk": 6, "neighbours": 8, "also": (), "grid": "papers", "reference_count": 5,
    }  # fmt: skip
    assert set(other) == {f.name for f in dataclasses.fields(Protocol)}
    ids = {dataclasses.replace(base, **{key: value}).id for key, value in other.items()}
    assert len(ids | {base.id}) == 1 + len(other)
    assert base.id.startswith("p-v1-")


def test_the_default_of_cifar10_is_fid_of_50000_samples_against_the_training_images() -> None:
    found = protocol("data=cifar10", of=colours())
    assert (found.name, found.count, found.resize, found.rounding) == ("clean-fid", 50_000, "clean", "round")
    assert found.metrics[0] == "fid" and found.reference == "train:" + "0" * 64 and found.reference_count == 0
    assert found.features == f"inception:{features.digest('inception')}"
    assert (found.checkpoint, found.grid) == ("last", "untuned")
    further = {"kid", "precision", "recall", "density", "coverage", "fid_infinity", "fid_heldout", "nn_closer"}
    assert further <= set(found.metrics)


def test_a_colour_data_set_can_have_any_protocol_and_digits_have_their_classifiers() -> None:
    names = {name: protocol("data=cifar10", f"evaluation.protocol={name}", of=colours()) for name in protocols.SHIPPED}
    assert len({found.id for found in names.values()}) == len(names)
    assert [found.metrics[0] for found in names.values()] == ["fid"] * 4 + ["fd_digits8", "fd_cifar32"]
    assert protocol("data=cifar10", "data.features=cifar32", of=colours()).id == names["cifar-frechet"].id
    assert names["legacy-tensorflow"].rounding == "edm"
    jax = names["flow-maps-jax"]
    assert (jax.rounding, jax.resize, jax.count) == ("floats", names["legacy-pytorch"].resize, 50_000)
    digits = protocol("data=digits")
    assert (digits.name, digits.metrics[0], digits.count, digits.rounding) == ("digits-frechet", "fd_digits8", 597, "levels")


def test_a_second_feature_set_is_never_called_fid() -> None:
    found = protocol("data=cifar10", "evaluation.also=[cifar32]", of=colours())
    assert found.metrics[-1] == "fd_cifar32" and found.also == (f"cifar32:{features.digest('cifar32')}",)
    assert protocol("evaluation.also=[inception]").metrics[-1] == "fd_inception"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["evaluation.protocol=clean_fid"], ["evaluation.protocol", "clean-fid"]),
        (["evaluation.protocol=min-of-3"], ["evaluation.protocol"]),
        (["data=gaussian", "evaluation.protocol=clean-fid"], ["evaluation.protocol", "gaussian"]),
        (["data.features=cifar_32"], ["data.features", "cifar32"]),
        (["evaluation.also=[cifar23]"], ["evaluation.also", "cifar32"]),
        (["evaluation.also=[digits8]"], ["evaluation.also"]),
        (["evaluation.also=cifar32"], ["evaluation.also", "list"]),
        (["evaluation.rounding=rund"], ["evaluation.rounding", "round"]),
        (["evaluation.statistics=tests"], ["evaluation.statistics=tests is a folder; name the file in it"]),
        (["evaluation.statistics=nowhere.npz"], ["evaluation.statistics", "nowhere.npz"]),
        (["evaluation.reference_count=many"], ["evaluation.reference_count", "whole number"]),
        (["evaluation.count=1.5"], ["evaluation.count", "whole number"]),
    ],
)
def test_a_wrong_choice_is_told_at_planning(arguments: list[str], names: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        jobs(request(["sweep=none", *arguments]).experiments)
    for name in names:
        assert name in str(error.value)


def test_fewer_images_than_asked_for_are_told_with_their_number() -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.reference_count=5000: .* 1200 training images"):
        protocol("evaluation.reference_count=5000")
    with pytest.raises(ConfigError, match=r"evaluation\.count=1 must be a whole number, at least 2"):
        protocol("evaluation.count=1")
    assert protocol("evaluation.reference_count=1200").id == protocol().id != protocol("evaluation.reference_count=500").id


def test_metrics_that_so_few_samples_cannot_carry_are_left_out() -> None:
    assert "fd_infinity" in protocol().metrics and "fd_infinity" not in protocol("evaluation.count=64").metrics
    few = protocol("evaluation.count=5").metrics
    assert "kid" in few and "precision" not in few and "kid" not in protocol("evaluation.count=3").metrics


def test_each_rounding_rule_is_its_definition() -> None:
    x = torch.tensor([-2.0, -1.0, -0.999, -0.5, 0.0, 0.001, 0.499, 0.9999, 1.0, 3.0]).reshape(1, 1, 2, 5)
    found, of = {rule: to_pixels(x, colours(), rule).flatten().tolist() for rule in RULES}, x.flatten().double().numpy()
    assert found["round"] == np.clip(np.round(127.5 * of + 127.5), 0, 255).tolist() == found["levels"]
    assert found["edm"] == np.clip(np.trunc(127.5 * of + 128), 0, 255).tolist()
    assert found["floor"] == np.clip(np.trunc(127.5 * of + 127.5), 0, 255).tolist()
    assert found["floats"] == pytest.approx(np.clip(127.5 * of + 127.5, 0, 255).tolist(), abs=1e-4)
    assert len({tuple(values) for values in found.values()}) == 3, "round and edm differ at most on ties"
    digits = data.load(source({"name": "digits"}))
    assert to_pixels(x, digits, "levels").max() == 16 and stored(digits.train, digits, "round").max() == 255


@pytest.mark.parametrize("rule", RULES)
def test_real_pixels_survive_every_rule(rule: str) -> None:
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    of = dataclasses.replace(colours(), shape=(1, 16, 16))
    assert torch.equal(stored(every, of, rule), every)
    if rule != "floor":  # which loses a level to rounding errors: why real images never pass through it
        torch.testing.assert_close(to_pixels(of.decode(every), of, rule).double(), every.double(), rtol=0, atol=1e-4)
        assert rule == "floats" or torch.equal(to_pixels(of.decode(every), of, rule), every)


def test_a_statistics_file_is_part_of_the_id_and_leaves_distances_only(tmp_path: Path) -> None:
    ids = set()
    for k in range(2):
        np.savez(tmp_path / "stats.npz", mu=np.full(32, k), sigma=np.eye(32))
        found = protocol(f"evaluation.statistics={tmp_path / 'stats.npz'}")
        ids.add(found.id)
    assert len(ids | {protocol().id}) == 3
    digits = data.load(source({"name": "digits"}))
    assert "file:" in found.reference and digits.hash in found.reference, "nn_train looks at the data"
    assert found.metrics == ("fd_digits8", "fd_infinity", "fd_heldout", "nn_train", "nn_heldout", "nn_closer")


def test_what_only_says_where_files_lie_changes_no_identity(tmp_path: Path) -> None:
    def identity(*arguments: str) -> tuple[str, str]:
        made = jobs(request(["sweep=none", "data=cifar10", *arguments]).experiments)
        return made[0].id, made[-1].id

    assert identity() == identity(f"evaluation.weights={tmp_path}") == identity("evaluation.milestones=true")
    assert identity()[0] != identity("evaluation.reference_count=500")[0]
