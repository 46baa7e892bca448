"""The score by which settings are tuned, and a run's best checkpoint is found: cheap, and never the one that is reported.

It compares samples drawn with evaluation seeds of its own (from 1000 on) with data that were not trained on: for settings a
part of the training data that trials hold back, for checkpoints the held-out data (bench/protocols/best.py). Images by the
Fréchet distance of features (biased by the number of samples, which is the same for all that are compared), points by the
sliced W2; the geometric mean over step counts and seeds, so that no step count decides alone because its distances are large.
Runs whose numbers are reported train on all training data and are scored by the reported protocol alone; trials never meet it.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from bench.config import Experiment
from bench.data import Dataset, Rows
from bench.features import FeatureNet
from bench.features import base as features
from bench.metrics import Gaussian, points
from bench.protocols import Best, Protocol, feature_set
from bench.scoring.labels import Labels
from bench.scoring.sample import Sampler
from bench.scoring.score import files
from bench.training import generator
from methods.base import Method
from results.records import PROXY_FILE, append_jsonl, proxy_scores

CHUNK = 500
LEAST = 1e-12  # a smaller distance is none, and its logarithm would decide alone


class Proxy:
    """Compares samples of one method with `real` ones of `data`, as `protocol` says: its count, seeds, chunk and average.

    net: the features of images, None for points; steps: numbers of sampling steps.
    """

    def __init__(self, method: Method, data: Dataset, real: Tensor, net: FeatureNet | None, protocol: Protocol,
                 steps: Sequence[int], device: torch.device, labels: Labels | None) -> None:
        self.method, self.data, self.real, self.net, self.protocol = method, data, real, net, protocol
        self.steps, self.device, self.labels, self.ema = steps, device, labels, protocol.ema
        self.reference = Gaussian.of_samples(features.extract(net, real, data.levels, CHUNK)) if net else None

    @classmethod
    def of_trial(cls, experiment: Experiment, data: Dataset, device: torch.device) -> Self:
        """That of a trial of a search; `data` is without the part that is held back."""
        settings, method = experiment.proxy, experiment.method
        assert settings is not None, "only a trial has a proxy"
        steps = [n for n in settings.steps if method.supports(n)]
        name = settings.features if data.kind == "images" else None
        assert data.validation is not None, "a trial holds a part of its training data back"
        real = _some(data.validation, settings.count)
        protocol = Protocol(
            name=f"{experiment.data.name}-proxy", metrics=tuple(f"{'fd' if name else 'sliced_w2'}@{n}" for n in steps),
            features=f"{name}:{features.digest(name)[:12]}" if name else "none", count=len(real),
            seeds=settings.seeds,
            reference=f"validation:{experiment.validation}:{data.hash[:12]}", chunk=experiment.evaluation.chunk,
            ema=experiment.ema, rounding="levels" if name else "none", version=2,
        )
        net = features.load(name, device=device) if name else None
        return cls(method, data, real, net, protocol, steps, device, Labels.of(experiment, data.frequencies.tolist()))

    @classmethod
    def of_checkpoints(cls, experiment: Experiment, data: Dataset, rule: Best, reported: Protocol, device: torch.device,
                       labels: Labels | None) -> Self:
        """That of the checkpoints of one run; `data` are those that the run is scored on, and `reported` how."""
        images, steps = data.kind == "images", rule.steps(experiment.method)
        name, weights = feature_set(reported.features), files(experiment.evaluation)["weights"]
        protocol = Protocol(
            name=f"{experiment.data.name}-best", metrics=(f"{rule.measure}@{steps}",), features=reported.features,
            resize=reported.resize, count=rule.count, seeds=(rule.seed,), reference=f"heldout:{data.hash}",
            chunk=reported.chunk, ema=reported.ema, rounding="levels" if images else "none", grid=reported.grid,
        )
        net = features.load(name, reported.resize, device, weights) if images else None
        return cls(experiment.method, data, _some(data.heldout, rule.count), net, protocol, [steps], device, labels)

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
        count, chunk, papers = self.protocol.count, self.protocol.chunk, self.protocol.papers
        sampler = Sampler(self.method, dict(models), self.data.shape, seed, chunk, self.device, self.labels, papers)
        samples = torch.cat(list(sampler.batches(count, steps, count)))
        if not torch.isfinite(samples).all():
            return float("nan")
        if self.reference is None:
            return points.sliced_w2(samples.cpu(), self.real)
        return Gaussian.of_samples(self._features(samples)).distance(self.reference)

    def _features(self, samples: Tensor) -> Tensor:
        assert self.net is not None
        return features.extract(self.net, self.data.encode(samples), self.data.levels, CHUNK)


def _some(real: Tensor | Rows, count: int) -> Tensor:
    """A fixed choice of so many, or all."""
    return real[torch.randperm(len(real), generator=generator("cpu", "proxy"))[:count]]
