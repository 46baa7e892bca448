"""Small classifiers that ship with the package, as feature sets for a Fréchet distance. Never to be called FID.

Each file under weights/ was written by `python -m bench.features.train_features`; its hash is part of every protocol,
and is checked against weights/SHA256 (lines as of sha256sum), so that a damaged file never scores anything.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.config import ConfigError, nearest

WEIGHTS = Path(__file__).parent / "weights"
HASHES = "SHA256"  # the file beside them


class Classifier(nn.Module):
    """Strided convolutions, a layer of `features` numbers, class scores. shape: (C, H, W) with H = W."""

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, ...], features: int, classes: int = 10) -> None:
        super().__init__()
        channels, side, _ = shape
        self.shape = shape
        layers = []
        for k, width in enumerate(widths):
            layers.append(nn.Conv2d(channels, width, 3, stride=1 if k == 0 else 2, padding=1))
            channels, side = width, side if k == 0 else (side + 1) // 2
        self.layers = nn.ModuleList(layers)
        self.features = nn.Linear(channels * side * side, features)
        self.scores = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, features) of images (B, C, H, W) in [-1, 1]; other sizes are resized, grey repeated to RGB."""
        if x.shape[1] != self.shape[0]:
            x = x.mean(1, keepdim=True).expand(-1, self.shape[0], -1, -1)
        if x.shape[2:] != self.shape[1:]:
            x = F.interpolate(x, self.shape[1:], mode="bilinear", antialias=True, align_corners=False)
        for layer in self.layers:
            x = F.silu(layer(x))
        out: Tensor = self.features(x.flatten(1))
        return out

    def classify(self, features: Tensor) -> Tensor:
        """The class with the highest score, int64 (B,), of features (B, features)."""
        return self.scores(F.silu(features)).argmax(1)  # type: ignore[no-any-return]  # a tensor


TAUGHT = {"digits8": "digits", "cifar32": "cifar10"}
"""The data whose training images each was taught on."""
ARCHITECTURES: dict[str, Callable[[], Classifier]] = {
    "digits8": lambda: Classifier((1, 8, 8), (32, 32), 32),
    "cifar32": lambda: Classifier((3, 32, 32), (32, 48, 64, 64), 64),
}


def load(name: str, device: torch.device | str = "cpu") -> Classifier:
    """The frozen feature network `name`. Raises ConfigError when there is none (with the nearest), or it is damaged."""
    path = _path(name)
    digest(name)
    network = ARCHITECTURES[name]()
    with np.load(path) as stored:
        network.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in stored.items()})
    return network.to(device).eval().requires_grad_(False)


@cache
def digest(name: str) -> str:
    """sha256 of the stored weights. Raises ConfigError unless it is the recorded one."""
    path = _path(name)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if _recorded().get(path.name) != found:
        raise ConfigError(
            f"{path} is damaged: its sha256 {found[:12]} is not the one recorded in {path.parent / HASHES}; reinstall the "
            "package, or restore both files from the repository"
        )
    return found


def record_hashes() -> None:
    """Rewrite the hashes from the files that are there; for whoever makes weights, never to silence the check."""
    files = sorted(WEIGHTS.glob("*.npz"))
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (WEIGHTS / HASHES).write_text("".join(lines), encoding="utf-8")
    digest.cache_clear()


def _recorded() -> dict[str, str]:
    """{file name: sha256}; empty where the list is missing."""
    file = WEIGHTS / HASHES
    words = [line.split() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()] if file.exists() else []
    return {line[1]: line[0] for line in words if len(line) == 2}


def _path(name: str) -> Path:
    path = WEIGHTS / f"{name}.npz"
    if name not in ARCHITECTURES or not path.exists():
        raise nearest("data.features", name, [p.stem for p in WEIGHTS.glob("*.npz")])
    return path
