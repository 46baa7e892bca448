"""`python -m pytest tests/benchmarks/test_speed_features.py -o addopts= --benchmark-only`: features over clean-fid's."""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
import cifar
import references

from bench.features import base as features

BATCH = 32  # clean-fid's own default


def test_the_feature_pipeline_over_clean_fids(ratio: Any, tmp_path: Path) -> None:
    """Goal: at most 0.7 of clean-fid's time on a CPU: its resizer and network, same images, same threads."""
    cifar.need_weights()
    pixels, ours = cifar.images("test", BATCH), features.load("inception", "clean")
    theirs = references.networks(tmp_path)["clean-fid"]

    def clean_fid() -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return references.features("clean-fid", theirs, pixels, BATCH)

    for _ in range(2):  # TorchScript compiles itself anew in its first calls
        expected = clean_fid()
    found = features.extract(ours, pixels, 255, BATCH)
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)
    threads = torch.get_num_threads()
    ratio(f"features / clean-fid's, {BATCH} images, {threads} threads",
          lambda: features.extract(ours, pixels, 255, BATCH), clean_fid, rounds=5)
