"""Features and distances of real images are those that tests/support/make_golden.py wrote by the reference implementations.

Every run takes 8 images per protocol. The other 56 and the distance of 300 test images against 600 training images are 900
passes of the network per protocol, and need FEWSTEP_SLOW=1 (about ten minutes on one core).
"""

import os
from typing import Any

import cifar
import make_golden
import numpy as np
import pytest
import references
from torch import Tensor

from bench.features import base as features
from bench.metrics.frechet import frechet_distance_of_samples

slow = pytest.mark.skipif(os.environ.get("FEWSTEP_SLOW") != "1", reason="FEWSTEP_SLOW=1 runs 900 images per protocol")


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(make_golden.PATH) as stored:
        return dict(stored)


def pixels(golden: dict[str, Any], split: str) -> Tensor:
    found = cifar.images(split, {"test": make_golden.TEST, "train": make_golden.TRAIN}[split])
    if make_golden.sha256(found) != golden[f"sha256_{split}"]:
        pytest.skip(f"FEWSTEP_CIFAR_FOLDER holds other {split} images than the golden file was made from")
    return found


def network(protocol: str) -> features.FeatureNet:
    cifar.need_weights()
    return features.load("inception", references.PROTOCOLS[protocol])


def compare(golden: dict[str, Any], protocol: str, found: Tensor) -> None:
    """To 1e-3 of each image's features, as norms, and of the largest feature, one by one."""
    expected = make_golden.unpacked(golden, protocol)[: len(found)]
    apart = found.double() - expected
    assert (apart.norm(dim=1) / expected.norm(dim=1)).max() < 1e-3
    assert (apart.abs() / expected.max(1, keepdim=True).values).max() < 1e-3


@pytest.mark.parametrize("protocol", references.PROTOCOLS)
def test_the_first_features_are_the_golden_ones(golden: dict[str, Any], protocol: str) -> None:
    compare(golden, protocol, features.extract(network(protocol), pixels(golden, "test")[:8], 255, 8))


@slow
@pytest.mark.parametrize("protocol", references.PROTOCOLS)
def test_all_features_and_the_distance_are_the_golden_ones(golden: dict[str, Any], protocol: str) -> None:
    net = network(protocol)
    test, train = (features.extract(net, pixels(golden, split), 255, 50) for split in ("test", "train"))
    compare(golden, protocol, test[: make_golden.KEPT])
    assert frechet_distance_of_samples(test, train) == pytest.approx(float(golden[f"{protocol}/distance"]), rel=1e-3)


def test_the_golden_file_tells_protocols_apart(golden: dict[str, Any]) -> None:
    """Else a test of one could pass with another's features."""
    kept = [make_golden.unpacked(golden, protocol) for protocol in references.PROTOCOLS]
    assert all(rows.shape == (make_golden.KEPT, 2048) and rows.min() >= 0 for rows in kept)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert ((kept[one] - kept[other]).norm(dim=1) / kept[one].norm(dim=1)).min() > 0.01
    assert make_golden.PATH.stat().st_size < 1_000_000
