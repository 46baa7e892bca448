"""What a data set looks like: rows of its samples, as a training sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from results.pictures import gallery
from results.pictures.style import save_figure

ACROSS = 12  # images in a line


def preview(parts: Mapping[str, NDArray[np.floating]], path: Path, title: str) -> Path:
    """Draw {what a part is: its samples} and write `path` (PNG).

    Samples are images (n, C, H, W) in [0, 1], all of them shown, or points (n, 2).
    """
    points = any(each.ndim == 2 for each in parts.values())
    lines = [math.ceil(len(each) / ACROSS) for each in parts.values()]
    size = (4.2 * len(parts), 4.8) if points else (8.4, 0.66 * sum(lines) + 0.7)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.02, wspace=0, hspace=0))
    if points:
        panels = figure.subplots(1, len(parts), squeeze=False, sharex=True, sharey=True)
    else:
        panels = figure.subplots(len(parts), 1, squeeze=False, gridspec_kw={"height_ratios": lines})
    for axes, (label, samples) in zip(panels.flat, parts.items(), strict=True):
        (_points if points else _images)(axes, label, samples)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    save_figure(figure, path)
    return path


def _points(axes: Axes, label: str, points: NDArray[np.floating]) -> None:
    axes.scatter(points[: gallery.SCATTER, 0], points[: gallery.SCATTER, 1], s=1.2, color="#0072B2", alpha=0.5, linewidths=0)
    axes.set_title(label, fontsize=10)
    axes.set_aspect("equal")


def _images(axes: Axes, label: str, images: NDArray[np.floating]) -> None:
    axes.imshow(gallery.tiled(images, ACROSS), interpolation="nearest")
    axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, labelpad=8)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
