"""The score by which settings are tuned: cheap, and never the one that is reported.

It compares samples drawn with evaluation seeds of its own (from 1000 on) with a part of the training data that trials do not
train on: images by the Fréchet distance of features (biased by the number of samples, which is the same for all trials),
points by the sliced W2; the geometric mean over step counts and seeds, so that no step count decides alone because its
distances are large. Runs whose numbers are reported train on all training data and are scored by the reported protocol
alone; trials never meet it.
"""

import copy
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.config import Experiment
from bench.data import Dataset
from bench.features import base as features
from bench.metrics import Gaussian, points
from bench.protocols import Protocol
from bench.scoring.labels import Labels
from bench.scoring.sample import Sampler
from bench.training import generator
from results.records import PROXY_FILE, append_jsonl, proxy_scores

CHUNK = 500
LEAST = 1e-12  # a smaller distance is none, and its logarithm would decide alone


class Proxy:
    """The proxy of one trial; `data` is without the part that is held back."""

    def __init__(self, experiment: Experiment, data: Dataset, device: torch.device) -> None:
        settings, method = experiment.proxy, experiment.method
        assert settings is not None, "only a trial has a proxy"
        self.method, self.data, self.device = method, data, device
        self.steps = [n for n in settings.steps if method.supports(n)]
        self.ema, self.labels = experiment.ema, Labels.of(experiment, data.frequencies.tolist())
        name = settings.features if data.kind == "images" else None
        assert data.validation is not None, "a trial holds a part of its training data back"
        real = data.validation[torch.randperm(len(data.validation), generator=generator("cpu", "proxy"))[:settings.count]]
        self.net = features.load(name, device=device) if name else None
        self.real = real
        self.reference = Gaussian.of_samples(features.extract(self.net, real, data.levels, CHUNK)) if self.net else None
        self.protocol = Protocol(
            name=f"{experiment.data.name}-proxy", metrics=tuple(f"{'fd' if name else 'sliced_w2'}@{n}" for n in self.steps),
            features=f"{name}:{features.digest(name)[:12]}" if name else "none", count=len(real),
            seeds=settings.seeds,
            reference=f"validation:{experiment.validation}:{data.hash[:12]}", chunk=experiment.evaluation.chunk,
            ema=self.ema, rounding="levels" if name else "none", version=2,
        )

    def note(self, folder: Path, images: int, models: Mapping[str, nn.Module]) -> None:
        """Score the networks of this moment into the folder's proxy.jsonl, unless that was done before."""
        if images not in proxy_scores(folder):
            row = {"images": images, "value": self.score(models), "protocol": self.protocol.id}
            append_jsonl(folder / PROXY_FILE, [row])

    def score(self, models: Mapping[str, nn.Module]) -> float:
        """The proxy of these networks, lower is better; NaN where a sample is not finite. They are not touched."""
        own = {role: copy.deepcopy(module).eval() for role, module in models.items()}
        found = [self._distance(own, steps, seed) for steps in self.steps for seed in self.protocol.seeds]
        return math.exp(sum(math.log(max(distance, LEAST)) for distance in found) / len(found))

    def _distance(self, models: Mapping[str, nn.Module], steps: int, seed: int) -> float:
        count = self.protocol.count
        sampler = Sampler(self.method, dict(models), self.data.shape, seed, self.protocol.chunk, self.device, self.labels)
        samples = torch.cat(list(sampler.batches(count, steps, count)))
        if not torch.isfinite(samples).all():
            return float("nan")
        if self.reference is None:
            return points.sliced_w2(samples.cpu(), self.real)
        return Gaussian.of_samples(self._features(samples)).distance(self.reference)

    def _features(self, samples: Tensor) -> Tensor:
        assert self.net is not None
        return features.extract(self.net, self.data.encode(samples), self.data.levels, CHUNK)
