"""Picture 2: samples, methods as rows and step counts as columns, the same noise in every cell."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from results.pictures.labels import wrapped
from results.pictures.style import save_figure
from results.records import StoreError, write_bytes

Samples = Mapping[str, Mapping[int, NDArray[np.floating]]]
SCATTER = 3000  # more points than this are drawn as a two-dimensional histogram
TILES = 16  # images shown in one cell
FILE = "samples.npz"
INK = "#767b81"  # read on white paper and on a dark page alike: the picture has no ground of its own


def keep(samples: Samples, path: Path) -> None:
    """Write the samples beside their picture, which can be drawn again from them.

    Images are kept as 256 levels, points in half precision where they fit.
    """
    cells = [(label, steps) for label, own in samples.items() for steps in own]
    arrays = [samples[label][steps] for label, steps in cells]
    small: list[Any] = [_levels(array) if array.ndim > 2 and np.isfinite(array).all() else _half(array)
                        for array in arrays]  # fmt: skip
    file = io.BytesIO()
    named: dict[str, Any] = {"cells": np.array(json.dumps(cells))} | {str(k): array for k, array in enumerate(small)}
    np.savez_compressed(file, **named)
    write_bytes(path, file.getvalue())


def _levels(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.round(images * 255).clip(0, 255).astype(np.uint8)


def _half(points: NDArray[np.floating]) -> NDArray[np.floating]:
    far = np.abs(points).max(initial=0.0, where=np.isfinite(points)) > np.finfo(np.float16).max
    return points.astype(np.float32 if far else np.float16)


def kept(path: Path) -> dict[str, dict[int, NDArray[np.floating]]]:
    """The samples that `keep` wrote; none without such a file. Raises StoreError if it is damaged."""
    if not path.exists():
        return {}
    found: dict[str, dict[int, NDArray[np.floating]]] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for k, (label, steps) in enumerate(json.loads(str(file["cells"]))):
                array = file[str(k)]
                found.setdefault(label, {})[steps] = array / 255.0 if array.dtype == np.uint8 else array
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: the samples cannot be read ({error}); remove the file to go on without them") from error
    return found


def samples_grid(samples: Samples, path: Path, order: Sequence[str] | None = None, title: str = "Samples") -> Path:
    """Draw {label: {steps: array}} and write `path` (PNG).

    Arrays are images (n, C, H, W) in [0, 1] or points (n, 2). Step count 0 marks a reference (real data), drawn once
    in the first column. Diverged samples (not finite) and missing step counts are said so in their cell.
    """
    labels = [label for label in dict.fromkeys([*(order or ()), *samples]) if label in samples]
    columns = sorted({steps for cells in samples.values() for steps in cells if steps > 0}) or [0]
    box = _box([array for cells in samples.values() for array in cells.values() if _is_points(array)])
    side = 1.35
    size = (max(side * len(columns) + 1.7, 4.2), side * max(len(labels), 1) + 1.1)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.07, wspace=0, hspace=0))
    grid = figure.subplots(max(len(labels), 1), len(columns), squeeze=False)
    for row, label in enumerate(labels):
        for column, steps in enumerate(columns):
            axes = grid[row, column]
            cell = samples[label].get(steps, samples[label].get(0) if column == 0 else None)
            _cell(axes, cell, box, reference=0 in samples[label])
            if row == 0:
                axes.set_title(f"{steps} step{'s' * (steps != 1)}" if steps else "", fontsize=10, color=INK)
            if column == 0:
                name = f"{label}\n(reference)" if set(samples[label]) == {0} else label
                axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, labelpad=8, color=INK)
    figure.suptitle(wrapped(title, 0.85 * size[0], 12), fontsize=12, fontweight="bold", color=INK)
    figure.supxlabel("same noise in every cell", fontsize=9, color=INK)
    save_figure(figure, path, clear=True)
    return path


def _cell(axes: Axes, array: NDArray[np.floating] | None, box: tuple[float, ...], reference: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if array is None or len(array) == 0:
        _say(axes, "" if reference else "–")
    elif not np.isfinite(array).all():
        _say(axes, "diverged")
    elif _is_points(array):
        _points(axes, array, box)
    else:
        axes.imshow(tiled(array), interpolation="nearest")


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=INK)


def _is_points(array: NDArray[np.floating]) -> bool:
    return array.ndim == 2


def _points(axes: Axes, array: NDArray[np.floating], box: tuple[float, ...]) -> None:
    left, right, bottom, top = box
    if len(array) > SCATTER:
        counts, _, _ = np.histogram2d(array[:, 0], array[:, 1], bins=96, range=[[left, right], [bottom, top]])
        limit = max(float(np.quantile(counts[counts > 0], 0.99)) if counts.any() else 1.0, 1.0)
        axes.imshow(counts.T, origin="lower", extent=(left, right, bottom, top), cmap="Blues", vmin=0, vmax=limit)
    else:
        axes.scatter(array[:, 0], array[:, 1], s=1.2, color="#0072B2", alpha=0.5, linewidths=0)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    for spine in axes.spines.values():
        spine.set(visible=True, color="#cccccc", linewidth=0.6)


def _box(arrays: Sequence[NDArray[np.floating]]) -> tuple[float, float, float, float]:
    """(left, right, bottom, top) common to all cells; the median over arrays, so one exploded method cannot set it."""
    finite = [array for array in arrays if len(array) and np.isfinite(array).all()]
    if not finite:
        return -1.0, 1.0, -1.0, 1.0
    low = np.median([np.quantile(array, 0.002, axis=0) for array in finite], axis=0)
    high = np.median([np.quantile(array, 0.998, axis=0) for array in finite], axis=0)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2 * 1.12, 1e-6)
    left, right, bottom, top = centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half
    return float(left), float(right), float(bottom), float(top)


def tiled(images: NDArray[np.floating], across: int | None = None) -> NDArray[np.floating]:
    """Images (n, C, H, W) as one picture (H', W', 4) in [0, 1], so many in a line, or the first ones in a square; the gaps
    between them are clear."""
    shown = np.clip(images if across else images[:TILES], 0, 1)
    count, channels, height, width = shown.shape
    if channels not in (1, 3):
        shown = shown[:, :1]
    across = across or math.ceil(math.sqrt(count))
    gap = max(1, width // 8)
    down = math.ceil(count / across)
    sheet = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap, 4), dtype=float)
    for index, image in enumerate(shown):
        top, left = index // across * (height + gap), index % across * (width + gap)
        sheet[top : top + height, left : left + width, :3] = image.transpose(1, 2, 0)
        sheet[top : top + height, left : left + width, 3] = 1
    return sheet
