"""Feature networks behind one call: 8-bit images in, one row of features per image out.

"inception" is the network of FID (its weights come from outside, see inception_weights.py); the packaged
classifiers "digits8" and "cifar32" are small feature sets whose distance is never to be called FID.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.config import ConfigError, nearest
from bench.features import classifier, inception, inception_weights
from bench.features.resize import RULES, normalised

INCEPTION, OWN = "inception", "own"
PART = {"cpu": 8, "cuda": 64}  # images at a time through Inception: what fits the caches of a CPU, and fills a GPU


@dataclass(frozen=True)
class FeatureNet:
    """A frozen network and how images reach it. Equal (name, digest, resize) mean the same function of the pixels.

    name: "inception" or a packaged classifier. width: features per image. digest: sha256 of its weights. resize: the rule of
    bench.features.resize, or "own" where the network takes care of sizes itself. taught: the data whose classes it tells apart
    by its features; "" where it does not.
    """

    name: str
    width: int
    digest: str
    resize: str
    device: torch.device
    _function: Callable[[Tensor, int], Tensor]
    taught: str = ""
    _classes: Callable[[Tensor], Tensor] | None = None

    def __call__(self, pixels: Tensor, levels: int = 255) -> Tensor:
        """float32 (B, width) on `device`, of uint8 or float32 (B, C, H, W) in 0..levels; C is 1 (grey) or 3.

        Bits may depend on B, as those of any convolution may: see `extract`.
        """
        if pixels.dtype not in (torch.uint8, torch.float32) or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            raise ValueError(
                f"features are taken of uint8 or float32 (B, 1 or 3, H, W), not {pixels.dtype} {tuple(pixels.shape)}"
            )
        with torch.no_grad(), _full_precision():
            return self._function(pixels.to(self.device), levels)

    def classify(self, features: Tensor) -> Tensor:
        """The class that each row of features is taken for, int64 (B,)."""
        assert self._classes is not None, "only what was taught classes tells them"
        with torch.no_grad(), _full_precision():
            return self._classes(features)


def load(
    name: str, resize: str = OWN, device: torch.device | str = "cpu", weights: Path | str | None = None
) -> FeatureNet:
    """The feature network `name` with one resize rule: "own" for classifiers, a rule of bench.features.resize for "inception".

    weights: a file with Inception's weights, before all other places. Raises ConfigError for an unknown name or rule, and for
    weights that are missing, damaged or others than the pinned ones.
    """
    device = torch.device(device)
    if name == INCEPTION:
        return FeatureNet(name, inception.WIDTH, digest(name), resize, device, _inception(resize, device, weights))
    weights_hash = digest(name)
    if resize != OWN:
        raise ConfigError(f"the features {name} resize images in their own way, and the rule {resize} is for {INCEPTION}; "
                          "evaluation.protocol chooses both")
    small = classifier.load(name, device)
    return FeatureNet(name, small.features.out_features, weights_hash, resize, device,
                      lambda pixels, levels: small(pixels.float() * (2 / levels) - 1), classifier.TAUGHT[name], small.classify)


def digest(name: str) -> str:
    """sha256 of the weights of `name`; known without its file for "inception". Raises ConfigError for an unknown name."""
    if name == INCEPTION:
        return inception_weights.DIGEST
    if name not in classifier.ARCHITECTURES:
        raise nearest("data.features", name, [INCEPTION, *classifier.ARCHITECTURES])
    return classifier.digest(name)


def extract(
    net: FeatureNet, pixels: Tensor, levels: int, chunk: int, progress: Callable[[int], None] | None = None
) -> Tensor:
    """float32 (N, width) on the network's device, of uint8 or float32 (N, C, H, W), N >= 0.

    The network always sees `chunk` images, the last time padded with black ones: bits are a function of the images, their
    order and the chunk alone. progress: called with the number of images done since its last call.
    """
    return torch.cat([torch.empty(0, net.width, device=net.device), *parts(net, pixels, levels, chunk, progress)])


def parts(
    net: FeatureNet, pixels: Tensor, levels: int, chunk: int, progress: Callable[[int], None] | None = None
) -> Iterator[Tensor]:
    """The rows of `extract`, `chunk` at a time: of images that are read as they are needed, or whose features are too many."""
    for part in torch.split(pixels, chunk) if len(pixels) else ():
        padded = F.pad(part, (0, 0, 0, 0, 0, 0, 0, chunk - len(part)))
        yield net(padded, levels)[: len(part)]
        if progress is not None:
            progress(len(part))


def _inception(rule: str, device: torch.device, weights: Path | str | None) -> Callable[[Tensor, int], Tensor]:
    if rule not in RULES:
        raise ConfigError(f"there is no resize rule {rule!r} for {INCEPTION}, only {', '.join(sorted(RULES))}; "
                          "evaluation.protocol chooses it")
    network = inception.Inception(inception_weights.find(None if weights is None else Path(weights))).to(device)
    few = PART.get(device.type, 8)

    def function(pixels: Tensor, levels: int) -> Tensor:
        parts = (normalised(_eight_bit(part, levels), rule) for part in torch.split(pixels, few))
        return torch.cat([torch.empty(0, inception.WIDTH, device=device), *(network(part) for part in parts)])

    return function


def _eight_bit(pixels: Tensor, levels: int) -> Tensor:
    """As an image file would hold it: RGB, 0..255, rounded."""
    if levels != 255:
        pixels = (pixels.double() * (255 / levels)).round().to(torch.uint8)
    return pixels.expand(-1, 3, -1, -1)


@contextmanager
def _full_precision() -> Iterator[None]:
    """float32 is float32, neither TF32 nor a caller's autocast, and the same bits in every call."""
    before = torch.get_float32_matmul_precision()
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, deterministic=True, allow_tf32=False):
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
                yield
        finally:
            torch.set_float32_matmul_precision(before)
