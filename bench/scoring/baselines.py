"""The rows that give a number its meaning: noise, a full-covariance Gaussian fit and held-out real data."""

import torch
from torch import Tensor

from bench.config import Surroundings
from bench.data import Dataset
from bench.protocols import Protocol
from bench.scoring.score import Score, scorer
from bench.scoring.score_images import Progress, Scores
from bench.training import generator
from results.records import EvalRow

HELD_OUT = "held-out data"
FITTED = 50_000  # training samples that the Gaussian is fitted to


def references(
    data: Dataset, protocol: Protocol, scored: Surroundings, run_id: str, device: torch.device,
    progress: Progress | None = None,
) -> list[EvalRow]:
    """Each at the count of a model's samples, or held-out data at as many as there are (`count` says it)."""
    score = scorer(data, protocol, device, scored.evaluation, progress)
    rows = []
    for label in ("noise", "gaussian fit", HELD_OUT):
        # All held-out samples are one set, whatever the seed.
        once = label == HELD_OUT and protocol.count >= len(data.heldout)
        for k, seed in enumerate(protocol.seeds[:1] if once else protocol.seeds):
            samples = _samples(label, data, protocol.count, seed, scored)
            rows += [
                EvalRow(
                    run_id=run_id, label=label, seed=k, checkpoint="", images_seen=0, ema="", sampler="reference", steps=0,
                    nfe=0, nfe_rows=0, evaluation_seed=seed, count=len(samples), metric=metric, value=value,
                    protocol=protocol.id, extra=extra,
                )
                for metric, (value, extra) in _meant(label, score, samples, seed).items()
            ]
    return rows


def _meant(label: str, score: Score, samples: Tensor, seed: int) -> Scores:
    """Held-out data are at no distance from themselves: what compares with them says nothing of them."""
    found = score([samples], seed)
    if label != HELD_OUT:
        return found
    return {m: v for m, v in found.items() if m not in ("nn_heldout", "nn_closer") and not m.endswith("_heldout")}


def _samples(label: str, data: Dataset, n: int, seed: int, scored: Surroundings) -> Tensor:
    g = generator("cpu", "reference", label, seed)
    z = torch.randn((n, *data.shape), generator=g)
    if label == "noise":
        return z * scored.interpolant.base_scale
    held_out = data.heldout[torch.randperm(len(data.heldout), generator=g)[:n]]
    if label == HELD_OUT:
        return data.decode(held_out) if data.kind == "images" else held_out
    train = data.train[:FITTED]
    x = (data.decode(train) if data.kind == "images" else train).flatten(1).double()
    root_values, root = torch.linalg.eigh(torch.cov(x.T))
    factor: Tensor = root * root_values.clamp(min=0).sqrt()
    return (z.flatten(1).double() @ factor.T + x.mean(0)).float().reshape(z.shape)
