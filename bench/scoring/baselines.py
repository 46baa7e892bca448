"""The rows that give a number its meaning: noise, a full-covariance Gaussian fit and held-out real data."""

import torch
from torch import Tensor

from bench.config import Surroundings
from bench.data import Dataset
from bench.metrics import Gaussian
from bench.protocols import Protocol
from bench.scoring.score import Score, scorer
from bench.scoring.score_images import Progress, Scores
from bench.training import generator
from results.records import EvalRow

HELD_OUT = "held-out data"
FITTED = 50_000  # training samples that the Gaussian is fitted to
LARGE = 2**28  # numbers that are held at once; CIFAR-10's are fewer
PART = 2000


def references(
    data: Dataset, protocol: Protocol, scored: Surroundings, run_id: str, device: torch.device,
    progress: Progress | None = None,
) -> list[EvalRow]:
    """Each at the count of a model's samples, or held-out data at as many as there are (`count` says it)."""
    score = scorer(data, protocol, device, scored.evaluation, progress)
    rows = []
    for label in ("noise", "gaussian fit", *([HELD_OUT] if len(data.heldout) else [])):
        # All held-out samples are one set, whatever the seed.
        once = label == HELD_OUT and protocol.count >= len(data.heldout)
        for k, seed in enumerate(protocol.seeds[:1] if once else protocol.seeds):
            samples, classes = _samples(label, data, protocol.count, seed, scored)
            rows += [
                EvalRow(
                    run_id=run_id, label=label, seed=k, checkpoint="", images_seen=0, ema="", sampler="reference", steps=0,
                    nfe=0, nfe_rows=0, evaluation_seed=seed, count=len(samples), metric=metric, value=value,
                    protocol=protocol.id, extra=extra,
                )
                for metric, (value, extra) in _meant(label, score, samples, seed, classes).items()
            ]
    return rows


def _meant(label: str, score: Score, samples: Tensor, seed: int, classes: Tensor | None) -> Scores:
    """Held-out data are at no distance from themselves: what compares with them says nothing of them."""
    found = score([samples], seed, classes)
    if label != HELD_OUT:
        return found
    return {m: v for m, v in found.items() if m not in ("nn_heldout", "nn_closer") and not m.endswith("_heldout")}


def _samples(label: str, data: Dataset, n: int, seed: int, scored: Surroundings) -> tuple[Tensor, Tensor | None]:
    """n samples, and where models are told classes those of held-out data."""
    g = generator("cpu", "reference", label, seed)
    z = torch.randn((n, *data.shape), generator=g)
    if label == "noise":
        return z * scored.interpolant.base_scale, None
    if label == HELD_OUT:
        chosen = torch.randperm(len(data.heldout), generator=g)[:n]
        held_out, classes = data.heldout[chosen], data.heldout_labels if scored.conditional else None
        return data.decode(held_out) if data.kind == "images" else held_out, None if classes is None else classes[chosen]
    mean, cov = _fitted(data)
    root_values, root = torch.linalg.eigh(cov)
    factor: Tensor = root * root_values.clamp(min=0).sqrt()
    parts = torch.split(z.flatten(1), max(1, LARGE // len(mean)))
    return torch.cat([(part.double() @ factor.T + mean).float() for part in parts]).reshape(z.shape), None


def _fitted(data: Dataset) -> tuple[Tensor, Tensor]:
    """Mean and covariance of FITTED training samples: the first points, and images from all over, whose order may be that of
    their classes; of large ones in parts."""
    def floats(samples: Tensor) -> Tensor:
        return (data.decode(samples) if data.kind == "images" else samples).flatten(1).double()

    count = len(data.train)
    over = data.kind == "images" and count > FITTED
    train = data.train[torch.arange(FITTED) * count // FITTED] if over else data.train[:FITTED]
    if train.numel() > LARGE and len(train) > train[0].numel():
        gaussian = Gaussian.of_parts(floats(part) for part in torch.split(train, PART))
        assert gaussian.cov is not None
        return gaussian.mean, gaussian.cov
    x = floats(train)
    return x.mean(0), torch.cov(x.T)
