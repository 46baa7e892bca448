"""What each metric is called in words, and which direction is good."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Metric:
    """`better` is "lower", "higher" or "" where neither direction is; `note` is one sentence or two, or empty.

    half: it says half of what is asked, and a model that fails at the other half may have the best of it. Such a one has a
    direction, and ranks nobody by itself.
    """

    name: str
    title: str
    better: str = "lower"
    note: str = ""
    half: bool = False

    @property
    def ranking(self) -> str:
        """`better` where the best of it is the best method, else ""."""
        return "" if self.half else self.better

    @property
    def ranks(self) -> bool:
        """Whether it ranks methods by itself."""
        return bool(self.ranking)


_KNOWN = (
    Metric("unscored", "nothing has been scored", better=""),
    Metric("fid", "Fréchet Inception distance",
           note="FID on the protocol's Inception features; biased upwards by few samples, so the count is part of it."),
    Metric("fd_digits8", "Fréchet distance on digits-classifier features (not FID)",
           note="Features of the packaged digits classifier; comparable inside this harness only."),
    Metric("fd_cifar32", "Fréchet distance on CIFAR-classifier features (not FID)",
           note="Features of the packaged CIFAR-10 classifier; comparable inside this harness only."),
    Metric("fid_infinity", "FID extrapolated to infinitely many samples", note="Free of the bias that the sample count has."),
    Metric("fd_infinity", "Fréchet distance extrapolated to infinitely many samples (not FID)",
           note="Free of the bias that the sample count has."),
    Metric("fid_heldout", "FID against held-out images", note="Clearly above fid means that the training set is favoured."),
    Metric("fd_heldout", "Fréchet distance against held-out images (not FID)",
           note="Clearly above the reported distance means that the training set is favoured."),
    Metric("kid", "kernel distance (unbiased MMD²)", note="Unbiased: it may be negative near zero."),
    Metric("precision", "precision", "higher", "Share of samples within the real images' neighbourhoods. "
           "Not ranked by itself: one good image over and over has it full; read it with recall.", half=True),
    Metric("recall", "recall", "higher", "Share of real images within the samples' neighbourhoods. "
           "Not ranked by itself: samples that scatter widely have it high; read it with precision.", half=True),
    Metric("density", "density", "higher", "Like precision, counting neighbourhoods; it may exceed 1. "
           "Not ranked by itself either: read it with coverage.", half=True),
    Metric("coverage", "coverage", "higher", "Share of real images with a sample in their neighbourhood."),
    Metric("label_accuracy", "label accuracy", "higher",
           "Share of samples that the packaged classifier takes for the class asked for; the held-out data row is its own. "
           "Not ranked by itself: one image of each class has it full.", half=True),
    Metric("kl", "histogram KL divergence",
           note="A perfect sampler scores the floor at this sample count; excess = value - floor."),
    Metric("kl_50", "histogram KL divergence by the self-distillation paper's rule",
           note="Its 50 cells a side cut the squares: a perfect sampler scores the floor; excess = value - floor."),
    Metric("sliced_w2", "sliced Wasserstein-2 distance"),
    Metric("w2", "Wasserstein-2 distance"),
    Metric("map_error", "mean squared error against the exact flow map"),
    Metric("one_jump_error", "mean squared error of the one jump from noise against the exact flow map"),
    Metric("nn_train", "nearest-neighbour distance to training images", better="",
           note="No rank: of all training images; clearly below the held-out data row means memorised images."),
    Metric("nn_heldout", "nearest-neighbour distance to held-out images", better="",
           note="No rank: of all held-out images, mostly fewer than the training images and so farther by chance."),
    Metric("nn_closer", "nearer to the training set than to held-out images, corrected for their numbers", better="",
           note="No rank: 0.5 where nothing is memorised, 1 for copies of any training images, 0.75 if half are copies."),
)  # fmt: skip
_BY_NAME = {metric.name: metric for metric in _KNOWN}


@lru_cache
def metric_info(name: str) -> Metric:
    """Title and direction of a metric.

    `kid_cifar32` is `kid` on another feature set's features; an unknown metric is shown under its own name, lower taken as
    better.
    """
    base, _, features = name.rpartition("_")
    if name in _BY_NAME:
        return _BY_NAME[name]
    if base in _BY_NAME:
        known = _BY_NAME[base]
        return Metric(name, f"{known.title} on {features} features", known.better, known.note, known.half)
    return Metric(name, name.replace("_", " "))
