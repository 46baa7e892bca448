"""One pass of features feeds every metric; what was memorised is exposed; odd images have honest values."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from specs import source
from torch import Tensor, nn

from bench import data, protocols
from bench import evaluate as given
from bench.config import Experiment, request
from bench.features import base as features
from bench.metrics.frechet import frechet_distance_of_samples
from bench.processes import Ranks
from bench.protocols.protocol import Protocol
from bench.scoring import evaluation as evaluate
from bench.scoring.score import scorer
from bench.scoring.score_images import ImageScorer
from methods.self_distillation import LSD
from results.records.record import EvalRow

CPU = torch.device("cpu")
DIGITS = data.load(source({"name": "digits"}))


def settings(*arguments: str) -> Experiment:
    (made,) = request(["sweep=none", *arguments]).experiments
    return protocols.planned(made)


def protocol(of: data.Dataset, *arguments: str) -> Protocol:
    return protocols.protocol_of(settings(*arguments), of)


def colours(seed: int, n: int = 120) -> Tensor:
    """Smooth random colour images 16 x 16, uint8."""
    coarse = torch.rand((n, 3, 4, 4), generator=torch.Generator().manual_seed(seed))
    return (nn.functional.interpolate(coarse, (16, 16), mode="bilinear") * 255).round().to(torch.uint8)


COLOURS = data.Dataset("cifar10", "images", (3, 16, 16), colours(0, 200), colours(1), "c" * 64)
SMALL = ["data=cifar10", "evaluation.protocol=cifar-frechet", "evaluation.count=60"]


def test_all_metrics_come_from_one_pass_of_features_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[tuple[str, int]] = []
    original = features.extract
    monkeypatch.setattr(features, "extract", lambda net, x, *r: passed.append((net.name, len(x))) or original(net, x, *r))
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path))
    of = dataclasses.replace(COLOURS)
    rule = protocol(of, *SMALL, "evaluation.also=[digits8]")
    made = ImageScorer(of, rule, CPU)
    assert sorted(passed) == [("cifar32", 120), ("cifar32", 200), ("digits8", 200)]
    passed.clear()
    stored = sorted(tmp_path.rglob("*"))
    scores = made.score(colours(2, 60))
    assert passed == [("cifar32", 60), ("digits8", 60)]
    assert set(scores) == set(rule.metrics)
    assert scores["fd_cifar32"][1]["primary"] and scores["kid"][1]["standard_error"] > 0
    assert sorted(tmp_path.rglob("*")) == stored


def test_a_rank_that_does_not_lead_takes_the_features_of_its_part_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Second(Ranks):
        gathered = staticmethod(lambda part: part)  # type: ignore[assignment]
        totals = staticmethod(list)  # type: ignore[assignment]

    passed: list[tuple[str, int]] = []
    original = features.extract
    monkeypatch.setattr(features, "extract", lambda net, x, *r: passed.append((net.name, len(x))) or original(net, x, *r))
    rule = dataclasses.replace(protocol(COLOURS, *SMALL), feature_chunk=10)
    assert scorer(COLOURS, rule, CPU, ranks=Second(1, 2))([COLOURS.decode(colours(2, 56))], 0) == {}
    assert passed == [("cifar32", 26)], "the first has 30: a call of the network is not cut"


def test_the_distances_are_those_of_the_features_and_held_out_data_have_their_own() -> None:
    rule, net = protocol(COLOURS, *SMALL), features.load("cifar32")
    pixels = colours(3, 60)
    scores = ImageScorer(COLOURS, rule, CPU).score(pixels)
    own, train, heldout = (features.extract(net, x, 255, 500) for x in (pixels, COLOURS.train, COLOURS.heldout))
    assert scores["fd_cifar32"][0] == pytest.approx(frechet_distance_of_samples(own, train), rel=1e-9)
    assert scores["fd_heldout"][0] == pytest.approx(frechet_distance_of_samples(own, heldout), rel=1e-9)


def test_a_part_of_the_reference_is_one_for_all_and_of_the_asked_size() -> None:
    rule = protocol(COLOURS, *SMALL, "evaluation.reference_count=50")
    made, again = ImageScorer(COLOURS, rule, CPU), ImageScorer(COLOURS, rule, CPU)
    assert made.reference.features is not None and made.heldout_reference.features is not None
    assert len(made.reference.features) == len(made.heldout_reference.features) == 50
    assert torch.equal(made.train.pixels, again.train.pixels)
    assert not torch.equal(made.train.pixels, COLOURS.train[:50]), "not the first: files are often sorted by class"


@pytest.mark.parametrize("of", [DIGITS, COLOURS], ids=["grey", "colour"])
@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_constant_images_have_finite_values(of: data.Dataset, value: float) -> None:
    rule = protocol(of, *SMALL) if of is COLOURS else protocol(of, "evaluation.count=60")
    scores = scorer(of, rule, CPU)([torch.full((60, *of.shape), value)], 0)
    assert np.isfinite([v for v, _ in scores.values()]).all()
    assert scores["recall"][0] == 0 and scores[rule.metrics[0]][0] > 0


@pytest.mark.parametrize("name", ["cifar-frechet", "digits-frechet"])
def test_grey_images_have_features_of_colour_networks(name: str) -> None:
    rule = protocol(DIGITS, f"evaluation.protocol={name}", "evaluation.count=60", "evaluation.rounding=round")
    scores = scorer(DIGITS, rule, CPU)([DIGITS.decode(DIGITS.heldout[:60])], 0)
    assert scores[rule.metrics[0]][0] >= 0 and scores["nn_heldout"][0] < 0.2


def test_floats_are_scored_as_they_are_and_whole_pixels_alike_under_both_rules() -> None:
    near = COLOURS.decode(COLOURS.heldout[:60])

    def scored(shift: float, rounding: str) -> float:
        rule = protocol(COLOURS, *SMALL, f"evaluation.rounding={rounding}")
        return scorer(COLOURS, rule, CPU)((near + shift / 127.5).split(25), 0)[rule.metrics[0]][0]

    assert scored(0.0, "floats") == pytest.approx(scored(0.0, "round"), rel=1e-3)
    assert scored(0.4, "round") == scored(0.0, "round")
    assert abs(scored(0.4, "floats") / scored(0.0, "floats") - 1) > 1e-3


def test_samples_that_are_not_finite_score_nan_throughout_and_say_how_many() -> None:
    rule = protocol(DIGITS, "evaluation.count=20")
    samples = torch.zeros(20, 1, 8, 8)
    samples[[3, 7], 0, 0, 0] = torch.tensor([float("nan"), float("inf")])
    scores = scorer(DIGITS, rule, CPU)(samples.split(7), 0)
    assert set(scores) == set(rule.metrics)
    assert all(np.isnan(value) and extra["not_finite"] == 2 for value, extra in scores.values())


def test_statistics_of_others_in_place_of_the_training_images(tmp_path: Path) -> None:
    rows = features.extract(features.load("digits8"), DIGITS.train, 16, 500).double()
    path = tmp_path / "stats.npz"
    np.savez(path, mu=rows.mean(0).numpy(), sigma=np.cov(rows.numpy(), rowvar=False))
    x = DIGITS.heldout
    theirs = protocol(DIGITS, f"evaluation.statistics={path}")
    found = ImageScorer(DIGITS, theirs, CPU, statistics=path).score(x)
    own = ImageScorer(DIGITS, protocol(DIGITS), CPU).score(x)
    assert set(found) == set(theirs.metrics) == set(own) - {"kid", "precision", "recall", "density", "coverage"}
    for metric in found:
        assert found[metric][0] == pytest.approx(own[metric][0], rel=1e-6, abs=1e-9)


class Copier(LSD):
    """Its samples are training images: noise chooses which."""

    train: Tensor

    def jump(self, models: Any, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        share = torch.special.ndtr(x.flatten(1)[:, 0])
        return self.train[(share * len(self.train)).long().clamp(max=len(self.train) - 1)]


class Drawer(Copier):
    """The same with real images that nobody trained on."""


def rows_of(method: type[Copier], images: Tensor, of: data.Dataset) -> dict[str, EvalRow]:
    made = settings("evaluation.count=500", "evaluation.steps=[1]", "evaluation.seeds=[0]")
    rule = protocols.protocol_of(made, of)
    copier = method()
    object.__setattr__(copier, "train", of.decode(images))
    config_of = dataclasses.replace(made, label="copier")
    job = evaluate.Evaluation(copier, {"net": nn.Identity()}, of, rule, scorer(of, rule, CPU), config_of, "run", "", 0, CPU)
    (rows,) = job.rows(skip=set())
    return {row.metric: row for row in rows}


def test_a_method_that_copies_the_training_set_is_exposed_where_its_distance_is_excellent() -> None:
    """A training part of 60 digits: copies are much nearer to it than new digits are, and only the last columns tell why."""
    of = dataclasses.replace(DIGITS, train=DIGITS.train[:60], hash="tiny")
    copied, new = rows_of(Copier, of.train, of), rows_of(Drawer, DIGITS.train[60:], of)
    assert copied["fd_digits8"].value < 0.2 * new["fd_digits8"].value, "the reported distance looks excellent"
    assert copied["precision"].value == 1.0
    assert copied["nn_closer"].value > 0.99 and abs(new["nn_closer"].value - 0.5) < 0.2
    assert copied["nn_train"].value == 0 < 0.5 * new["nn_train"].value
    assert copied["fd_heldout"].value > 2 * new["fd_heldout"].value


def test_what_others_made_is_scored_as_a_run_would_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "train.npy", colours(0, 200).numpy())
    np.save(tmp_path / "made.npy", colours(5, 40).permute(0, 2, 3, 1).numpy())
    options = ["data=arrays", f"data.path={tmp_path / 'train.npy'}"]
    assert given.main([str(tmp_path / "made.npy"), *options]) == 0
    told = capsys.readouterr().out
    made = settings(*options, "evaluation.count=40")
    of = data.dataset(made)
    rule = protocols.protocol_of(made, of)
    expected = ImageScorer(of, rule, CPU).score(colours(5, 40))
    assert told.startswith(f"40 samples under {rule.id}")
    assert f"{'fd_cifar32':16s} {expected['fd_cifar32'][0]:.6g}" in told and "kid" in told and "+-" in told


def test_a_folder_of_images_scores_like_the_array(tmp_path: Path) -> None:
    from PIL import Image

    np.save(tmp_path / "train.npy", colours(0, 200).numpy())
    np.save(tmp_path / "made.npy", colours(5, 20).numpy())
    (tmp_path / "made").mkdir()
    for k, x in enumerate(colours(5, 20).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(x).save(tmp_path / "made" / f"{k:03d}.png")
    options = ["data=arrays", f"data.path={tmp_path / 'train.npy'}"]
    assert given.score(str(tmp_path / "made"), options) == given.score(str(tmp_path / "made.npy"), options)


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((40, 3, 16, 16), ["data=digits"], r"\(3, 16, 16\), and those of data=digits are \(1, 8, 8\)"),
        ((40, 1, 8, 8), ["data=digits"], "values up to 255, and data=digits has the levels 0..16"),
        ((40, 1, 8, 8), ["data=gaussian"], "points in the plane"),
        ((0, 8, 8), ["data=digits"], r"made\.npy has 0 images, too few"),
        ((40, 1, 8, 8), ["data=digits", "evaluation.count=50"], "has 40 images, and evaluation.count=50"),
        ((40, 1, 8, 8), ["data=digits", "evaluation.protocol=clean-fidd"], "clean-fid"),
    ],
)
def test_samples_that_do_not_fit_are_one_clear_line(
    shape: tuple[int, ...], options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "made.npy", np.full(shape, 255, np.uint8))
    assert given.main([str(tmp_path / "made.npy"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(told, error)


def test_a_file_that_is_not_there_is_named_with_its_neighbours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "made.npy").touch()
    assert given.main([str(tmp_path / "mode.npy"), "data=digits"]) == 2
    assert re.match(r"error: SAMPLES=.*mode\.npy does not exist; .* has made\.npy\n$", capsys.readouterr().err)
