"""Sets that are read in parts are scored as those that are held whole; where no image is held out, nothing claims to be."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import data, protocols
from bench.config import request
from bench.data import Dataset
from bench.features import base as features
from bench.metrics import Gaussian, nearest, neighbours
from bench.scoring import baselines, reference
from bench.scoring.reference import Part
from bench.scoring.score_images import ImageScorer

CPU = torch.device("cpu")


def pixels(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (n, 3, 8, 8), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


IMAGES = Dataset("mine", "images", (3, 8, 8), pixels(150), pixels(40, 1), "m" * 64)


def test_moments_of_parts_are_those_of_the_whole() -> None:
    x = 1000 + torch.randn((500, 7), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole, parts = Gaussian.of_samples(x), Gaussian.of_parts(torch.split(x, 33))
    assert whole.cov is not None and parts.cov is not None
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-14, atol=0)
    torch.testing.assert_close(parts.cov, whole.cov, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="more than they are wide"):
        Gaussian.of_parts([x[:3], x[:4]])
    with pytest.raises(ValueError, match="NaN"):
        Gaussian.of_parts([x / 0])


def test_features_of_a_large_set_are_never_held_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(reference, "MANY", 90)
    net = features.load("cifar32")
    rows = features.extract(net, IMAGES.train, 255, 50)
    found = reference.obtain(Part("large", IMAGES.train, 255), net, 50)
    assert found.gaussian.distance(Gaussian.of_samples(rows)) < 1e-6
    assert found.features is not None and len(found.features) == 90
    places = [int((rows == row).all(1).nonzero()[0]) for row in found.features]
    assert places == sorted(set(places)) and places != list(range(90)), "a choice from all over, in order"
    again = reference.obtain(Part("large", IMAGES.train, 255), net, 50)
    assert again.features is not None and torch.equal(again.features, found.features)


def test_neighbours_in_blocks_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, references = pixels(30, 2), pixels(100, 3)
    references[77] = samples[11]
    exact = (samples[:, None].double() - references[None].double()).flatten(2).square().mean(2).sqrt().min(1).values
    monkeypatch.setattr(neighbours, "BLOCK", 13)
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    found = nearest(samples, references)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=0)
    assert found[11] == 0


def test_the_gaussian_fit_of_large_images_is_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(IMAGES, shape=(1, 4, 4), train=IMAGES.train[:, :1, :4, :4].contiguous())
    mean, cov = baselines._fitted(few)
    monkeypatch.setattr(baselines, "LARGE", 1000)
    monkeypatch.setattr(baselines, "PART", 31)
    in_parts = baselines._fitted(few)
    torch.testing.assert_close(in_parts[0], mean, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(in_parts[1], cov, rtol=1e-10, atol=1e-13)
    monkeypatch.setattr(baselines, "FITTED", 75)
    torch.testing.assert_close(baselines._fitted(few)[0], few.decode(few.train[::2]).flatten(1).double().mean(0))


def test_without_held_out_images_nothing_is_compared_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path))
    alone = replace(IMAGES, heldout=IMAGES.heldout[:0])
    (experiment,) = request(["sweep=none", "data=cifar10", "evaluation.protocol=cifar-frechet"]).experiments
    settings = protocols.planned(experiment)
    rule, usual = (protocols.protocol_of(settings, each) for each in (alone, IMAGES))
    assert rule.count == 150 and set(usual.metrics) - set(rule.metrics) == {"fd_heldout", "nn_heldout", "nn_closer"}
    scores = ImageScorer(alone, rule, CPU).score(pixels(60, 4))
    assert set(scores) <= set(rule.metrics) and "nn_train" in scores
    labels = {row.label for row in baselines.references(alone, replace(rule, count=60), settings, "x", CPU)}
    assert labels == {"noise", "gaussian fit"}


def test_images_that_are_not_resident_are_scored_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path))
    (experiment,) = request(["sweep=none", "data=cifar10", "evaluation.protocol=cifar-frechet"]).experiments
    found = [ImageScorer(each, protocols.protocol_of(protocols.planned(experiment), each), CPU).score(pixels(40, 5))
             for each in (IMAGES, replace(IMAGES, resident=False), replace(IMAGES, resident=None))]
    assert found[0] == found[1] == found[2]
    assert data.hold_back(replace(IMAGES, resident=False), 0.1).train is IMAGES.train
