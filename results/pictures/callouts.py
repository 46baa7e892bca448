"""Names beside points: each where it covers least, and nearer to its own point than to any other's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from typing import NamedTuple, Self

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

PLACES = ((5, 4), (5, -5), (-5, 4), (-5, -5), (7, 0), (-7, 0), (0, 6), (0, -7))
"""From the point, in points, the most usual one first."""
AGAIN = 2.5  # heights of a name around it in which it is not said again
NEARER, COVERED, CROSSED = 9.0, 3.0, 2.0  # how bad it is to stand nearer to another's mark, to hide one, to lie along a line
HALO = [withStroke(linewidth=2.5, foreground="white")]


class Mark(NamedTuple):
    """A point by whose it is. at: in data; x, y: in pixels."""

    name: str
    at: tuple[float, float]
    x: float
    y: float


class Drawn(NamedTuple):
    """What a name must not hide, in pixels. size: half a mark's width."""

    marks: Sequence[Mark]
    lines: Sequence[Bbox]
    size: float

    @classmethod
    def of(cls, lines: Sequence[Sequence[Mark]], size: float) -> Self:
        """Of lines that go on level until the next mark."""
        boxes = list[Bbox]()
        for a, b in (pair for line in lines for pair in pairwise(line)):
            low, high = sorted((a.y, b.y))
            boxes += [Bbox([(a.x, a.y - 1), (b.x, a.y + 1)]), Bbox([(b.x - 1, low), (b.x + 1, high)])]
        return cls([mark for line in lines for mark in line], boxes, size)

    def cost(self, mark: Mark, box: Bbox) -> float:
        """How bad it is that the name of a mark stands in `box`."""
        covered = sum(_between(box, each) < self.size for each in self.marks)
        nearer = any(_between(box, each) <= _between(box, mark) for each in self.marks if each.name != mark.name)
        crossed = sum(part.width / box.width for line in self.lines if (part := Bbox.intersection(line, box)))
        return COVERED * covered + NEARER * nearer + CROSSED * crossed


def name_points(axes: Axes, lines: Iterable[Sequence[tuple[str, float, float]]], font: float, size: float) -> None:
    """Name the points of `lines` ((name, x, y) from left to right, in data), each name once per line, at any of its points.

    Where it stands near by already, as where lines meet, that one will do; where no place is free and inside the axes, it
    has none. font, size: of a letter and of a mark, in points. The axes must have the size that they are drawn in.
    """
    placed = [[Mark(name, (x, y), *map(float, axes.transData.transform((x, y)))) for name, x, y in line] for line in lines]
    scale = float(axes.get_figure(root=True).dpi) / 72  # type: ignore[union-attr]
    drawn, inside = Drawn.of(placed, size * scale / 2), axes.get_window_extent()
    taken = list[tuple[str, Bbox]]()
    for line in placed:
        shown = [mark for mark in line if inside.contains(mark.x, mark.y)]
        for name in dict.fromkeys(mark.name for mark in shown):
            own = [mark for mark in shown if mark.name == name]
            said = any(_between(box, mark) < AGAIN * box.height for other, box in taken if other == name for mark in own)
            if not said and (box := _name(axes, own, font, drawn, inside, taken)):
                taken.append((name, box))


def _between(box: Bbox, mark: Mark) -> float:
    """The distance of a mark's middle from a box, in pixels."""
    return math.hypot(max(box.x0 - mark.x, 0, mark.x - box.x1), max(box.y0 - mark.y, 0, mark.y - box.y1))


def _name(
    axes: Axes, own: Sequence[Mark], font: float, drawn: Drawn, inside: Bbox, taken: Sequence[tuple[str, Bbox]]
) -> Bbox | None:
    """Writes the name of these marks where it costs least; its box, or None where there is no room."""
    found: list[tuple[float, Annotation, Bbox]] = []
    for mark, (x, y) in product(own, PLACES):
        text = axes.annotate(mark.name, mark.at, (x, y), textcoords="offset points", fontsize=font, path_effects=HALO, zorder=4,
                             ha="center" if not x else "right" if x < 0 else "left",
                             va="center" if not y else "top" if y < 0 else "bottom")  # fmt: skip
        text.set_in_layout(False)
        box = text.get_window_extent()
        free = inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)
        if free and not any(box.overlaps(other) for _, other in taken):
            found.append((drawn.cost(mark, box), text, box))
        else:
            text.remove()
    best = min(found, key=lambda each: each[0], default=None)
    for each in found:
        if each is not best:
            each[1].remove()
    return best[2] if best else None
