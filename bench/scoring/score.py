"""From samples to metrics under a protocol: a function built once per evaluation, with the reference side cached."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol as Shape
from typing import TypedDict

import torch
from torch import Tensor, nn

from bench.config import Evaluation
from bench.data import Dataset
from bench.metrics import points
from bench.processes import Ranks
from bench.protocols import Protocol, pixel_type, to_pixels
from bench.scoring.sample import ALONE
from bench.scoring.score_images import ACCURACY, ImageScorer, Progress, Scores
from bench.training import generator
from bench.truth import Checkerboard, map_pairs
from methods.base import Method
from methods.tools import Linear, convert_point

PAIRS = 4096


class Score(Shape):
    """What `scorer` makes."""

    def __call__(self, batches: Iterable[Tensor], seed: int, labels: Tensor | None = None) -> Scores:
        """The scores of samples; labels (n,): the classes that they are to be of."""
        ...


def scorer(
    data: Dataset, protocol: Protocol, device: torch.device, evaluation: Evaluation | None = None,
    progress: Progress | None = None, ranks: Ranks = ALONE,
) -> Score:
    """(batches of samples, evaluation seed, their classes) -> {metric: (value, extra)}. Samples that are not finite score NaN
    throughout.

    evaluation: the settings, for the files that they name; progress(done, all): told while real images pass the network.
    ranks: every one scores its part of the images, and rank 0 has the scores; points are one rank's.
    """
    images = data.kind == "images"
    of_images = ImageScorer(data, protocol, device, **files(evaluation), progress=progress, ranks=ranks) if images else None
    of_points = None if images else _points(data, protocol)

    def score(batches: Iterable[Tensor], seed: int, labels: Tensor | None = None) -> Scores:
        kept, finite = list[Tensor](), [torch.ones(0, dtype=torch.bool, device=device)]
        for batch in batches:
            finite.append(torch.isfinite(batch.flatten(1)).all(1).to(device))
            kept.append(to_pixels(batch, data, protocol.rounding).to(device) if images else batch)  # a quarter of their floats
        rows = torch.cat(finite)
        mine = 0 if rows.all() else int((~rows).sum())
        if (lost := int(ranks.totals([mine])[0])) > 0:
            judged = of_images is not None and of_images.judges(labels)
            return {
                m: (float("nan"), {"not_finite": lost} | ({"primary": True} if k == 0 else {}))
                for k, m in enumerate((*protocol.metrics, *([ACCURACY] * judged)))
            }
        if of_points is not None:
            return of_points(kept, seed)
        assert of_images is not None
        nothing = torch.empty((0, *data.shape), dtype=pixel_type(protocol.rounding), device=device)
        return of_images.score(ranks.gathered(torch.cat([nothing, *kept])), labels)

    return score


class Files(TypedDict):
    """Those that an evaluation names."""

    weights: Path | None
    statistics: Path | None


def files(evaluation: Evaluation | None) -> Files:
    """The files that an evaluation names, ~ expanded."""
    def named(key: str) -> Path | None:
        path = getattr(evaluation, key, None)
        return Path(path).expanduser() if path else None

    return {"weights": named("weights"), "statistics": named("statistics")}


def _points(data: Dataset, protocol: Protocol) -> Score:
    truth = data.truth
    assert truth is not None, "points come from targets with exact truth"

    def score(batches: Iterable[Tensor], seed: int, labels: Tensor | None = None) -> Scores:
        x = torch.cat(list(batches)).cpu()
        g = generator("cpu", "points", seed)
        real = data.train[torch.randperm(len(data.train), generator=g)[: len(x)]]
        scores: Scores = {
            "sliced_w2": (points.sliced_w2(x, real), {"primary": True}),
            "kl": points.histogram_kl(x, truth),
            "w2": (points.exact_w2(x, real), {}),
        }
        if isinstance(truth, Checkerboard):
            scores["kl_50"] = points.paper_kl(x, truth)
        return scores

    return score


@torch.no_grad()
def map_errors(method: Method, models: dict[str, nn.Module], data: Dataset, seed: int, device: torch.device) -> Scores:
    """Mean squared error of X_{s,t} against the exact map: over the upper triangle, and of the one jump to data.

    The first is defined for methods that reach any t; the second for all, from where their clock begins. The exact map
    lives on the linear clock; its points and times are carried to the method's.
    """
    truth, path = data.truth, method.interpolant
    assert truth is not None
    linear = Linear(path.base_scale)

    def error(x_s: Tensor, s: Tensor, x_t: Tensor, t: Tensor, together: bool = False) -> float:
        start, begin = convert_point(x_s, s, linear, path)
        end, finish = convert_point(x_t, t, linear, path)
        x, begin, finish = (z.float() for z in (start, begin, finish))
        if together:
            found = method.jump_together(models, x.to(device), begin[0], finish[0])
        else:
            found = method.jump(models, x.to(device), begin.to(device), finish.to(device))
        return points.map_error(found.cpu(), end)

    out: Scores = {}
    if method.needs.reaches == "any":
        pairs = map_pairs(truth, PAIRS, seed)
        out["map_error"] = (error(pairs.x_s, pairs.s, pairs.x_t, pairs.t), {})
    x_0 = truth.base_scale * torch.randn((PAIRS, *data.shape), generator=generator("cpu", "one jump", seed)).double()
    s = linear.time_of(path.theta(method.grid(1)[0])).expand(PAIRS)
    t, x_s = torch.ones_like(s), linear.alpha(s)[:, None] * x_0
    out["one_jump_error"] = (error(x_s, s, truth.flow(x_s, s, t), t, together=True), {})
    return out
