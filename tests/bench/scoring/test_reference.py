"""Reference features are computed once for all who want them, survive damage and death, and say what does not fit."""

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_reference import CHUNK, compute, part

from bench.config import request
from bench.config.errors import ConfigError
from bench.features import base as features
from bench.protocols import planned
from bench.scoring import reference
from bench.scoring.reference import Part, ReferenceWarning, obtain, of_file


@pytest.fixture()
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path))
    return tmp_path / "reference"


@pytest.fixture()
def extractions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of every extraction."""
    calls: list[int] = []
    original = features.extract
    monkeypatch.setattr(features, "extract", lambda net, x, *rest: calls.append(len(x)) or original(net, x, *rest))
    return calls


def test_the_features_are_computed_once_and_come_back_bit_for_bit(folder: Path, extractions: list[int]) -> None:
    net, told = features.load("digits8"), list[int]()
    first, again = obtain(part(), net, CHUNK, told.append), obtain(part(), net, CHUNK, told.append)
    assert extractions == [120] and told == [50, 50, 20]
    assert first.features is not None and again.features is not None and torch.equal(first.features, again.features)
    other = reference.Gaussian.of_samples(features.extract(net, part(90).pixels, 16, CHUNK))
    assert other.distance(first.gaussian) == other.distance(again.gaussian)
    assert len(list(folder.glob("*.npz"))) == 1 and not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize("change", ["source", "pixels", "levels", "chunk", "network"])
def test_what_changes_the_features_is_another_file(change: str, folder: Path, extractions: list[int]) -> None:
    net = features.load("digits8")
    obtain(part(), net, CHUNK)
    second = {
        "source": lambda: obtain(part(source="heldout:x"), net, CHUNK),
        "pixels": lambda: obtain(part(100), net, CHUNK),
        "levels": lambda: obtain(Part("train:x", part().pixels, 255), net, CHUNK),
        "chunk": lambda: obtain(part(), net, 60),
        "network": lambda: obtain(part(), features.load("cifar32"), CHUNK),
    }
    second[change]()
    assert len(extractions) == 2 and len(list(folder.glob("*.npz"))) == 2


@pytest.mark.parametrize("damage", [lambda x: x[: len(x) // 2], lambda x: b"no archive", lambda x: x[:5000] + b"?" + x[5001:]])
def test_a_damaged_file_is_told_and_computed_again(
    damage: Callable[[bytes], bytes], folder: Path, extractions: list[int]
) -> None:
    net = features.load("digits8")
    whole = obtain(part(), net, CHUNK)
    (file,) = folder.glob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(ReferenceWarning, match="is damaged"):
        mended = obtain(part(), net, CHUNK)
    assert mended.features is not None and torch.equal(mended.features, whole.features)  # type: ignore[arg-type]
    obtain(part(), net, CHUNK)
    assert len(extractions) == 2


def test_a_folder_that_cannot_be_written_costs_time_and_not_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path / "file"))
    with pytest.warns(ReferenceWarning, match="FEWSTEP_CACHE"):
        found = obtain(part(), features.load("digits8"), CHUNK)
    assert found.features is not None and found.features.shape == (120, 32)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_two_processes_one_computes_and_the_other_waits(folder: Path, tmp_path: Path) -> None:
    log, context = tmp_path / "log", multiprocessing.get_context("spawn")
    workers = [context.Process(target=compute, args=(str(log), 1.0)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(log.read_text().splitlines()) == 1


def test_one_that_dies_while_it_computes_does_not_block_the_others(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = multiprocessing.get_context("spawn").Process(target=compute, args=(str(log), 600.0))
    worker.start()
    until(log.exists)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(600)
    found = obtain(part(), features.load("digits8"), CHUNK)
    assert found.features is not None and list(folder.glob("*.npz"))


def test_statistics_of_others_give_the_distance_of_their_moments(tmp_path: Path) -> None:
    x = torch.randn((200, 32), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.savez(tmp_path / "stats.npz", mu=x.mean(0).numpy(), sigma=np.cov(x.numpy(), rowvar=False))
    other = reference.Gaussian.of_samples(x[:90] + 0.3)
    expected = other.distance(reference.Gaussian.of_samples(x))
    assert other.distance(of_file(tmp_path / "stats.npz", 32)) == pytest.approx(expected)


GOOD = {"mu": np.zeros(32), "sigma": np.eye(32)}


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"mu": GOOD["mu"]}, "no sigma; it holds mu"),
        ({"feats": np.zeros((5, 32))}, "no mu and no sigma; it holds feats"),
        (GOOD | {"sigma": np.full((32, 32), np.nan)}, "NaN"),
        (GOOD | {"sigma": np.eye(31)}, "mu has 32 features, and sigma is"),
        (GOOD | {"sigma": np.diag(np.ones(31), 1)}, "sigma is not symmetric"),
        (GOOD | {"sigma": np.eye(32) - 0.1}, "no covariance, its least eigenvalue is -2.2"),
        (GOOD | {"mu": np.zeros((1, 32))}, "mu is float64 .1, 32."),
        (GOOD | {"sigma": np.eye(32).astype(str)}, "sigma is <U"),
        (GOOD | {"sigma": np.eye(32).astype(object)}, "is not a readable .npz"),
        ({"mu": np.zeros(2048), "sigma": np.eye(2048)}, "2048 features, and this protocol's are 32"),
        (None, "is not a readable .npz"),
        (np.zeros(3), "is not a readable .npz"),
    ],
)
def test_statistics_that_do_not_fit_are_one_clear_error(arrays: object, told: str, tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    if isinstance(arrays, dict):
        np.savez(path, **arrays)
    elif arrays is None:
        path.write_bytes(b"<html>not found</html>")
    else:
        with open(path, "wb") as file:
            np.save(file, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigError, match=told) as error:
            of_file(path, 32)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=told):  # and so does planning, before anything starts
        planned(request(["sweep=none", f"evaluation.statistics={path}"]).experiments[0])


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_what_rounding_leaves_of_few_samples_is_a_covariance(kind: str, tmp_path: Path) -> None:
    x = np.random.RandomState(0).randn(20, 32) + 3  # fewer than features: eigenvalues that are zero but for rounding
    np.savez(tmp_path / "s.npz", mu=x.mean(0).astype(kind), sigma=np.cov(x, rowvar=False).astype(kind))
    assert of_file(tmp_path / "s.npz", 32).trace == pytest.approx(np.cov(x, rowvar=False).trace(), rel=1e-5)
