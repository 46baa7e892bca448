"""All metrics of images from one pass of features: the reference side is made once, then each set of samples is scored.

Nothing lies on disk between the sampler and the features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.data import Dataset
from bench.features import FeatureNet
from bench.features import base as features
from bench.metrics import (
    K_DENSITY,
    Gaussian,
    fid_infinity,
    kid,
    memorised,
    nearest,
    polynomial_mmd,
    precision_recall_density_coverage,
)
from bench.processes import Ranks, memory
from bench.protocols import CHUNKS, Protocol, feature_set, levels, metric_of, stored
from bench.scoring import reference
from bench.scoring.reference import Part, Reference
from bench.scoring.sample import ALONE
from bench.training import generator

Scores = dict[str, tuple[float, dict[str, Any]]]
Progress = Callable[[int, int], None]
ACCURACY = "label_accuracy"
MANIFOLD = ("precision", "recall", "density", "coverage")


class ImageScorer:
    """Scores images of `data`'s shape under one protocol.

    weights and statistics: files that the evaluation names. progress(done, all): told while real images pass the network.
    ranks: each takes the features of its part of the images, and rank 0 compares them.
    Raises ConfigError where weights or statistics are missing or do not fit.
    """

    def __init__(
        self, data: Dataset, protocol: Protocol, device: torch.device, weights: Path | None = None,
        statistics: Path | None = None, progress: Progress | None = None, ranks: Ranks = ALONE,
    ) -> None:
        self.data, self.protocol, self.device, self.ranks = data, protocol, device, ranks
        self.levels = levels(data, protocol.rounding)
        self.net = features.load(feature_set(protocol.features), protocol.resize, device, weights)
        self._others = [self._second(name, weights) for name in protocol.also]
        self._chunks = CHUNKS | {self.net.name: protocol.feature_chunk}
        if ranks.leads:
            self._compare_with(statistics, progress)

    def _compare_with(self, statistics: Path | None, progress: Progress | None) -> None:
        """Make the sides of real images."""
        data, protocol, device = self.data, self.protocol, self.device
        self.train, self.heldout = self._parts()
        self.reference: Reference
        if statistics is None:
            self.reference = self._obtain(self.train, self.net, progress)
        else:
            self.reference = Reference(reference.of_file(statistics, self.net.width, device), None)
        self.heldout_reference = self._obtain(self.heldout, self.net, progress) if self.heldout.count else None
        self.also = [(net, self._obtain(self.train, net, progress)) for net in self._others]
        kept = self.reference.features  # where the samples' will be, if anything but moments is compared
        self._real = kept.to(device) if kept is not None and {"kid", *MANIFOLD} & set(protocol.metrics) else None
        train, heldout = (stored(x, data, protocol.rounding) for x in (data.train, data.heldout))
        self._near = train.to(device) if data.fits(memory.free(device)) else train, heldout.to(device)

    def judges(self, labels: Tensor | None) -> bool:
        """Whether it is known how often samples are taken for these classes."""
        return labels is not None and any(net.taught == self.data.name for net in (self.net, *self._others))

    def score(self, pixels: Tensor, labels: Tensor | None = None) -> Scores:
        """{metric: (value, extra)} of images (N, C, H, W) as `to_pixels` makes them; nothing on ranks that do not lead.

        labels (N,): the classes that they are to be of. A packaged classifier that was taught on these data tells them.
        """
        rows, *others = (self._features(pixels, net) for net in (self.net, *self._others))
        if not self.ranks.leads:
            return {}
        made = Gaussian.of_samples(rows)
        primary, *wanted = self.protocol.metrics
        found: Scores = {primary: (made.distance(self.reference.gaussian), {"primary": True})}
        found |= self._of_features(rows, wanted)
        short = primary.split("_")[0]
        if self.heldout_reference is not None:
            found[f"{short}_heldout"] = (made.distance(self.heldout_reference.gaussian), {})
        found |= self._of_pixels(pixels)
        for (net, real), of_net in zip(self.also, others, strict=True):
            other = Gaussian.of_samples(of_net)
            found[metric_of(net.name, second=True)] = (other.distance(real.gaussian), {})
        for net, of_net in zip((self.net, *self._others), (rows, *others), strict=True):
            if labels is not None and net.taught == self.data.name:
                found[ACCURACY] = (float((net.classify(of_net).cpu() == labels).double().mean()), {})
        return found

    def _of_features(self, rows: Tensor, wanted: list[str]) -> Scores:
        """What more than moments carry, as far as the protocol asks for it."""
        found: Scores = {}
        real = self._real
        if "kid" in wanted and real is not None and len(rows) >= 4:
            value, error = kid(rows, real)
            extra = {"standard_error": error}
            if max(len(rows), len(real)) <= self.protocol.neighbours:
                extra["all_samples"] = polynomial_mmd(rows, real)
            found["kid"] = (value, extra)
        if "precision" in wanted and real is not None and min(len(rows), len(real)) > K_DENSITY:
            n = min(self.protocol.neighbours, len(rows), len(real))  # radii shrink with the number: both sides at one
            order = torch.randperm(len(real), generator=generator("cpu", "manifold", n))[:n]
            manifold = precision_recall_density_coverage(rows[:n], real[order.to(self.device)])
            found |= {name: (manifold[name], {}) for name in MANIFOLD}
        for name in wanted:
            if name.endswith("_infinity") and (first := fid_infinity.smallest(len(rows), self.net.width)) is not None:
                found[name] = (fid_infinity.frechet_infinity(rows, self.reference.gaussian, first), {})
        return found

    def _of_pixels(self, pixels: Tensor) -> Scores:
        """Nearest neighbours of all samples in all training and all held-out images, in the networks' scale of [-1, 1].

        Where training mirrors images, a mirrored copy is one. Where none is held out there is nothing to compare with.
        """
        part, scale = pixels.to(self.device), 2 / self.levels
        train = nearest(part, self._near[0], self.data.flip) * scale
        if not len(self.data.heldout):
            return {"nn_train": (float(train.mean()), {})}
        heldout = nearest(part, self._near[1], self.data.flip) * scale
        closer, error = memorised(train, heldout, (len(self.data.train), len(self.data.heldout)))
        return {
            "nn_train": (float(train.mean()), {}), "nn_heldout": (float(heldout.mean()), {}),
            "nn_closer": (closer, {"standard_error": error}),
        }  # fmt: skip

    def _features(self, pixels: Tensor, net: FeatureNet) -> Tensor:
        """Of all images, on every rank; each takes those of its calls of the network."""
        chunk = self._chunks[net.name]
        mine = self.ranks.piece(-(-len(pixels) // chunk))
        part = pixels[mine.start * chunk : mine.stop * chunk]
        return self.ranks.gathered(features.extract(net, part, self.levels, chunk))

    def _parts(self) -> tuple[Part, Part]:
        """The training part that the protocol compares with, and the held-out images; a part is drawn once for all."""
        wanted = self.protocol.reference_count or max(len(self.data.train), len(self.data.heldout))
        parts = []
        for split, pixels in (("train", self.data.train), ("heldout", self.data.heldout)):
            if wanted < len(pixels):
                order = torch.randperm(len(pixels), generator=generator("cpu", "reference part", split))
                pixels = pixels[order[:wanted]]
            parts.append(Part(f"{split}:{self.data.hash}", stored(pixels, self.data, self.protocol.rounding), self.levels))
        return parts[0], parts[1]

    def _second(self, hashed: str, weights: Path | None) -> FeatureNet:
        name = feature_set(hashed)
        return features.load(name, "clean" if name == features.INCEPTION else features.OWN, self.device, weights)

    def _obtain(self, part: Part, net: FeatureNet, progress: Progress | None) -> Reference:
        done = 0

        def told(more: int) -> None:
            nonlocal done
            done += more
            if progress is not None:
                progress(done, part.count)

        return reference.obtain(part, net, self._chunks[net.name], told)
