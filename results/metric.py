"""What each metric is called in words, and which direction is good."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """`better` is "lower", "higher" or "" where neither direction ranks methods; `note` is one sentence or empty."""

    name: str
    title: str
    better: str = "lower"
    note: str = ""


_KNOWN = (
    Metric("fd_digits8", "Fréchet distance on digits-classifier features (not FID)",
           note="Features of the packaged digits classifier; comparable inside this harness only."),
    Metric("fd_cifar32", "Fréchet distance on CIFAR-classifier features (not FID)",
           note="Features of the packaged CIFAR-10 classifier; comparable inside this harness only."),
    Metric("kl", "histogram KL divergence",
           note="A perfect sampler scores the floor at this sample count; excess = value - floor."),
    Metric("kl_50", "histogram KL divergence by the self-distillation paper's rule",
           note="Its 50 cells a side cut the squares: a perfect sampler scores the floor; excess = value - floor."),
    Metric("sliced_w2", "sliced Wasserstein-2 distance"),
    Metric("w2", "Wasserstein-2 distance"),
    Metric("map_error", "mean squared error against the exact flow map"),
    Metric("one_jump_error", "mean squared error of the one jump from noise against the exact flow map"),
    Metric("nn_train", "nearest-neighbour distance to training images", better="",
           note="No rank: clearly below the held-out data row means memorised images."),
    Metric("nn_heldout", "nearest-neighbour distance to held-out images", better="",
           note="No rank: read it beside nn_train."),
)  # fmt: skip


def metric_info(name: str) -> Metric:
    """Title and direction of a metric; an unknown one is shown under its own name, lower taken as better."""
    return next((metric for metric in _KNOWN if metric.name == name), Metric(name, name.replace("_", " ")))
