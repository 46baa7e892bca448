"""Names beside points: nearer to their own than to any other's, and over neither marks nor lines where there is room."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from results.pictures.callouts import name_points

Line = list[tuple[str, float, float]]
CLOSE: list[Line] = [[("a teacher's student", 1, 0.0625), ("a teacher's student", 2, 0.0589)], [("its rival", 1, 0.0654)]]


def named(lines: Sequence[Line], size: tuple[float, float] = (5, 4)) -> tuple[Axes, dict[str, list[Bbox]]]:
    """The axes, and where its names stand."""
    axes = Figure(figsize=size).subplots()
    axes.set_xlim(0.5, 10)
    axes.set_ylim(0.05, 0.1)
    name_points(axes, lines, 8, 5)
    boxes: dict[str, list[Bbox]] = {}
    for text in axes.texts:
        boxes.setdefault(text.get_text(), []).append(text.get_window_extent())
    return axes, boxes


def gap(axes: Axes, box: Bbox, x: float, y: float) -> float:
    across, up = axes.transData.transform((x, y))
    return math.hypot(max(box.x0 - across, 0, across - box.x1), max(box.y0 - up, 0, up - box.y1))


@pytest.mark.parametrize("lines", [CLOSE, CLOSE[::-1]], ids=["one way", "the other"])
def test_a_name_is_nearer_to_its_own_point_than_to_any_others(lines: list[Line]) -> None:
    axes, boxes = named(lines)
    marks = [mark for line in lines for mark in line]
    assert {name: len(found) for name, found in boxes.items()} == dict.fromkeys({name for name, *_ in marks}, 1)
    for name, (box,) in boxes.items():
        assert min(marks, key=lambda mark: gap(axes, box, *mark[1:]))[0] == name


def test_where_there_is_room_a_name_lies_on_no_line_and_hides_no_mark() -> None:
    line = [("first", 1.0, 0.09), ("second", 2.0, 0.08), ("third", 6.0, 0.07)]
    axes, boxes = named([line])
    for (box,) in boxes.values():
        assert all(gap(axes, box, x, y) > 3 for _, x, y in line)
        for (_, x, y), (_, next_x, next_y) in pairwise(line):
            corners = axes.transData.transform([(x, y), (next_x, y), (next_x, next_y)])
            assert not Bbox(corners[:2]).overlaps(box) and not Bbox(corners[1:]).overlaps(box)


def test_a_name_goes_below_where_a_line_passes_above() -> None:
    axes, boxes = named([[("other", 0.6, 0.0718), ("other", 9, 0.06)], [("mine", 2, 0.07)]])
    assert boxes["mine"][0].y1 < axes.transData.transform((2, 0.07))[1]


def test_a_name_hides_no_other_mark_of_its_own() -> None:
    axes, boxes = named([[("one of two", 2, 0.07)], [("one of two", 2.4, 0.0722)]])
    (box,) = boxes["one of two"]
    assert gap(axes, box, 2.4, 0.0722) > 2


def test_a_name_that_stands_near_by_is_not_said_again() -> None:
    _, boxes = named([[("once", 2, 0.07)], [("once", 2, 0.071)], [("beyond", 2, 0.2)]])
    assert {name: len(found) for name, found in boxes.items()} == {"once": 1}
    _, boxes = named([[("twice", 2, 0.06)], [("twice", 8, 0.09)]])
    assert len(boxes["twice"]) == 2


def test_without_room_a_point_has_no_name() -> None:
    _, boxes = named([[("a name that is wider than all of the picture", 2, 0.07)]], (1.5, 1.5))
    assert not boxes
