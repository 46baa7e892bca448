"""Names beside the lines they name: a column at the right end, moved apart until none touches another."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation

RIGHT, LINE = 1.03, 1.28  # where the column stands, of the axes' width; the height of a line of text, of its font


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places in the order of `wanted` (ascending), at least `gap` apart, inside [low, high] where there is room, and as near to
    what was wanted as that allows (least squares)."""
    blocks: list[tuple[float, int]] = []  # (mean, size) of places that are pushed as one: pool adjacent violators
    for index, place in enumerate(wanted):
        blocks.append((place - index * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    last = max(low, high - (len(wanted) - 1) * gap)
    shifted = [min(max(mean, low), last) for mean, size in blocks for _ in range(size)]
    return [place + index * gap for index, place in enumerate(shifted)]


class Column:
    """The names at the right end of one pair of axes."""

    def __init__(self, axes: Axes, font: float) -> None:
        self.axes, self.font = axes, font
        self.names: list[tuple[float, Annotation]] = []
        self.beyond: Counter[tuple[float, bool]] = Counter()  # numbers outside the range, by place and edge
        self.above = 0.0  # points that they take above the axes

    def add(self, text: str, x: float | None, height: float, colour: str, italic: bool = False) -> None:
        """A name wanted at `height` (of the axes: 0 to 1); a thin line leads to it from `x` (of their width)."""
        arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2, "linestyle": (0, (1, 1.5))}
        name = self.axes.annotate(text, xy=(1 if x is None else x, height), xytext=(RIGHT, height), xycoords="axes fraction",
                                  textcoords="axes fraction", arrowprops=None if x is None else arrow, va="center", ha="left",
                                  fontsize=self.font, color=legible(colour), style="italic" if italic else "normal",
                                  annotation_clip=False)  # fmt: skip
        self.names.append((height, name))

    def settle(self) -> None:
        """Move the names apart, in the size that the axes have now."""
        if not self.names:
            return
        pixels = self.axes.get_window_extent().height
        scale = float(self.axes.get_figure(root=True).dpi) / 72  # type: ignore[union-attr]
        gap = min(LINE * self.font * scale / pixels, 1.1 / len(self.names))
        ordered = sorted(self.names, key=lambda each: each[0])
        places = spread([height for height, _ in ordered], gap, 0.01, 0.99)
        for place, (_, name) in zip(places, ordered, strict=True):
            name.set_position((RIGHT, place))


def legible(colour: str) -> tuple[float, ...]:
    """A line's colour, dark enough for small letters on white."""
    return tuple(0.65 * part for part in to_rgb(colour))


def wrapped(text: str, inches: float, font: float) -> str:
    """A title in lines that are no longer than that."""
    return "\n".join(textwrap.wrap(text, max(10, int(inches * 72 / (0.56 * font)))))


def settle(figure: Figure, columns: Sequence[Column]) -> None:
    """After everything is drawn: lay the figure out once, then move names apart in the space that they have."""
    figure.draw_without_rendering()
    for column in columns:
        column.settle()
