"""`FEWSTEP_CIFAR_FOLDER=... python tests/support/make_golden.py [KEPT.npz]` writes tests/golden/features.npz (20 core-minutes).

For each protocol, by its reference implementation (tests/support/references.py says which, and what was converted for it): the
features of the first 64 CIFAR-10 test images and the Fréchet distance of the first 300 against the first 600 training images,
by clean-fid's distance, for legacy-tensorflow by torch-fidelity's. No code of this package but the reading of the weights is
involved, and the networks must agree with one another to 1e-5 before anything is written. KEPT.npz keeps all 900 features.

The file holds per protocol P: P/codes uint16 (64, 2048) and P/scales (64,), features = codes * scales (their relative error is
below 1e-4, and random), P/distance; and the sha256 of the two image arrays, uint8 (N, 3, 32, 32) in C order.
"""

import hashlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cifar
import numpy as np
import references
import torch
from places import TESTS
from torch import Tensor

PATH = TESTS / "golden" / "features.npz"
KEPT, TEST, TRAIN = 64, 300, 600


def sha256(pixels: Tensor) -> str:
    return hashlib.sha256(pixels.contiguous().numpy().tobytes()).hexdigest()


def packed(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(codes, scales) of features, which are never negative."""
    scales = rows.max(1).astype(np.float64) / 65535
    return (rows / scales[:, None]).round().astype(np.uint16), scales


def unpacked(golden: Mapping[str, Any], protocol: str) -> Tensor:
    """The features of one protocol, float64 (64, 2048)."""
    return torch.from_numpy(golden[f"{protocol}/codes"] * golden[f"{protocol}/scales"][:, None])


def distance(protocol: str, test: np.ndarray, train: np.ndarray) -> float:
    """By the reference's own arithmetic."""
    if protocol == "legacy-tensorflow":
        from torch_fidelity import metric_fid

        both = [metric_fid.fid_features_to_statistics(torch.from_numpy(rows)) for rows in (test, train)]
        return float(metric_fid.fid_statistics_to_metric(*both, verbose=False)[metric_fid.KEY_METRIC_FID])
    from cleanfid.fid import fid_from_feats

    return float(fid_from_feats(test, train))


def main(kept: Path | None) -> None:
    """Compute and write."""
    pixels = {"test": cifar.images("test", TEST), "train": cifar.images("train", TRAIN)}
    out: dict[str, Any] = {f"sha256_{split}": sha256(x) for split, x in pixels.items()}
    whole = dict(np.load(kept)) if kept is not None and kept.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        nets = references.networks(Path(folder))
        apart = references.agreement(nets)
        assert apart < 1e-5, apart
        print(f"the reference networks agree to {apart:.1e}", flush=True)
        for protocol, network in nets.items():
            for split, x in pixels.items():
                if (key := f"{protocol}/{split}") not in whole:
                    whole[key] = references.features(protocol, network, x).numpy()
                    print(f"{key}: {whole[key].shape}", flush=True)
                    if kept is not None:
                        np.savez(kept, **whole)
            test, train = whole[f"{protocol}/test"], whole[f"{protocol}/train"]
            out[f"{protocol}/codes"], out[f"{protocol}/scales"] = packed(test[:KEPT])
            out[f"{protocol}/distance"] = distance(protocol, test, train)
            print(f"{protocol}: distance {out[f'{protocol}/distance']:.6f}", flush=True)
    PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(PATH, **out)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
