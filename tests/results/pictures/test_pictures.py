"""Pictures for everybody: lines told apart without colour, names that touch nothing, a range that shows the differences."""

import math
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from colour_blind import apart, lightness
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from places import ROOT

from bench.config import compose
from results.pictures import families, pareto, plots
from results.pictures.labels import spread
from results.pictures.style import COLOURS, FORMATS, MARKERS, Style, save_figure
from results.pictures.window import window
from results.records import archive
from results.tables.table import leaderboard

METHODS = sorted(families.OF)
SIZES = {"screen": Style(), "paper": Style.parse("paper,width=6.75")}


def made(count: int) -> pd.DataFrame:
    """A leaderboard of so many methods, values close together but for one that blows up, with references."""
    rows = [
        {"method": METHODS[k], "metric": "fid", "steps": n, "nfe_rows": n, "low": math.nan, "high": math.nan, "sampler": "hop",
         "status": "done", "league": "plain",
         "value": 9000.0 / n if k == 3 else 20 + 3 * math.sin(k) + 2 * math.cos(5 * k + n) + 8 / n}
        for k in range(count) for n in (1, 2, 4, 8, 16)
    ]  # fmt: skip
    rows += [{"method": name, "metric": "fid", "steps": 0, "nfe_rows": 0, "value": value, "sampler": "reference",
              "status": "done"}
             for name, value in (("noise", 400.0), ("gaussian fit", 35.0), ("held-out data", 1.2))]
    return pd.DataFrame(rows)


def recorded(name: str) -> pd.DataFrame:
    runs, about = archive.read(ROOT / "results" / "reference" / name / archive.FILE)
    frame = leaderboard(runs, about["order"], about["protocols"])
    return frame[frame["metric"] == frame["metric"].iloc[0]]


FRAMES = {"6": lambda: recorded("digits_quickstart"), "48": lambda: recorded("digits_all_methods"), "12": lambda: made(12),
          "44": lambda: made(44)}  # fmt: skip


@pytest.fixture(scope="module", params=[(count, style) for count in FRAMES for style in SIZES], ids="-".join)
def figure(request):
    count, style = request.param
    return plots.drawn(FRAMES[count](), "fid", "a subtitle", SIZES[style])


def boxes(figure):
    """[(what is written, the box that it takes)], without the numbers of ticks outside the axes, which nobody sees."""
    figure.draw_without_rendering()
    unseen = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        shown = axis.axes.axison
        unseen |= {id(tick.label1) for tick in axis.get_major_ticks() if not (shown and low <= tick.get_loc() <= high)}
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible() and id(text) not in unseen]
    # Text's own extent: that of an annotation holds the line that leads to it.
    return [(text.get_text(), box) for text in texts if (box := Text.get_window_extent(text)).width]


def overlaps(figure) -> list[tuple[str, str]]:
    """Pairs of texts that touch, by more than a hair."""
    return [(a, b) for (a, one), (b, other) in combinations(boxes(figure), 2)
            if min(one.x1, other.x1) - max(one.x0, other.x0) > 0.5 and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.5]


def test_no_two_labels_overlap_and_all_lie_in_the_picture(figure) -> None:
    assert overlaps(figure) == []
    width, height = figure.canvas.get_width_height()
    outside = [text for text, box in boxes(figure) if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    assert outside == []


def drawn_lines(figure):
    """[(marker, colour, height of its end)] of the named lines of each panel."""
    for axes in figure.axes:
        yield [(line.get_marker(), line.get_color(), line.get_ydata()[-1] if len(line.get_ydata()) else 0.0)
               for line in axes.lines if not line.get_label().startswith("_")]


def test_lines_are_told_apart_by_marker_or_by_lightness_with_any_colour_vision(figure) -> None:
    panels = [each for each in drawn_lines(figure) if each]
    assert sum(map(len, panels)) in (6, 12, 44, 48)
    for lines in panels:
        for (marker, colour, _), (other, its, _) in combinations(lines, 2):
            assert marker != other or apart(colour, its), (marker, colour, its)


@pytest.mark.parametrize("count", FRAMES)
def test_a_methods_slot_is_the_look_that_its_line_has(count: str) -> None:
    frame = FRAMES[count]()
    drawn = {line.get_label(): (line.get_marker(), line.get_color()) for axes in plots.drawn(frame, "fid", "", Style()).axes
             for line in axes.lines if not line.get_label().startswith("_")}  # fmt: skip
    found = plots.slots(frame[frame["sampler"] != "reference"], "lower")
    assert {label: (MARKERS[slot], COLOURS[slot % len(COLOURS)]) for label, slot in found.items()} == drawn


def test_every_method_is_named_at_the_end_of_its_line(figure) -> None:
    for axes in figure.axes:
        named = {text.get_text() for text in axes.texts}
        assert {line.get_label() for line in axes.lines if not line.get_label().startswith("_")} <= named


def test_the_simulation_knows_what_is_confused() -> None:
    """Red and green of one lightness for most are not so for a protanope, to whom red is dark; grey stays grey."""
    for kind in ("protanopia", "deuteranopia"):
        assert lightness("#808080", kind) == pytest.approx(lightness("#808080", "none"), abs=0.1)
    assert lightness("#ff0000", "protanopia") < lightness("#ff0000", "none") - 10 < lightness("#ff0000", "deuteranopia")
    assert not apart("#D55E00", "#009E73"), "of our own palette: hence the markers"


@pytest.mark.parametrize("name", ["6", "48", "44"])
def test_names_on_the_frontier_touch_neither_each_other_nor_the_legend(name: str, tmp_path, monkeypatch) -> None:
    frame = FRAMES[name]()
    if name == "44":
        frame = frame.assign(train_seconds=frame.index % 7 + 1.0, teacher_seconds=0.0)
        frame["total_compute"] = math.nan
    kept = []
    monkeypatch.setattr(pareto, "save_figure", lambda figure, path, style: kept.append(figure))
    for style in SIZES.values():
        pareto.draw(pareto.pareto(frame), tmp_path / "p.png", "a remark", style)
        assert overlaps(kept[-1]) == [] and all(axes.texts for axes in kept[-1].axes)


@pytest.mark.parametrize("style", [*SIZES.values(), Style.parse("paper")], ids=[*SIZES, "column"])
def test_the_fronts_have_one_legend_beside_them_of_step_counts_and_of_leagues(style: Style, tmp_path, monkeypatch) -> None:
    kept = []
    monkeypatch.setattr(pareto, "save_figure", lambda figure, path, style: kept.append(figure))
    points = pareto.pareto(recorded("mixture_all_methods"))
    pareto.draw(points, tmp_path / "p.png", "", style)
    (figure,) = kept
    (legend,) = figure.legends
    figure.draw_without_rendering()
    assert not any(legend.get_window_extent().overlaps(axes.get_window_extent()) for axes in figure.axes)
    looks = {line.get_label(): (line.get_color(), line.get_marker(), line.get_linestyle()) for line in legend.legend_handles}
    assert list(looks) == ["1 step", "2 steps", "4 steps", "8 steps", "16 steps", "main table", "extra networks",
                           "perceptual losses"] and len(set(looks.values())) == 8
    sampling, training = ([line for line in axes.lines if line.get_drawstyle() == "steps-post"] for axes in figure.axes)
    edge = points[points["frontier"]]
    for lines, part, by in ((sampling, edge[edge["cost"] == "nfe_rows"], ["league"]),
                            (training, edge[edge["cost"] != "nfe_rows"], ["league", "steps"])):
        assert len(lines) == len({(line.get_color(), line.get_linestyle()) for line in lines}) == part.groupby(by).ngroups
    titles = {"plain": "main table", "extra networks": "extra networks", "perceptual": "perceptual losses"}
    assert {line.get_linestyle() for line in sampling} == {looks[titles[league]][2] for league in
                                                           edge.loc[edge["cost"] == "nfe_rows", "league"]}
    assert not {line.get_color() for line in sampling} & {colour for name, (colour, *_) in looks.items() if "step" in name}


def test_without_any_number_the_fronts_are_drawn_empty(tmp_path) -> None:
    frame = recorded("digits_quickstart")
    nothing = pareto.pareto(frame[frame["sampler"] == "reference"])
    assert nothing.empty and list(nothing.columns) == list(pareto.COLUMNS)
    assert pareto.draw(nothing, tmp_path / "p.png").exists()


def test_of_one_league_and_one_step_count_a_front_needs_no_legend(tmp_path, monkeypatch) -> None:
    kept = []
    monkeypatch.setattr(pareto, "save_figure", lambda figure, path, style: kept.append(figure))
    frame = recorded("digits_quickstart")
    pareto.draw(pareto.pareto(frame[frame["steps"] < 2]), tmp_path / "p.png")
    assert kept[0].legends == []


@given(st.lists(st.floats(0, 1), max_size=15), st.floats(0.001, 0.06))
def test_names_are_moved_apart_in_their_order_and_no_further_than_needed(wanted: list[float], gap: float) -> None:
    wanted = sorted(wanted)
    found = spread(wanted, gap, 0.0, 1.0)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(found))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found) and len(found) == len(wanted)
    if all(b - a >= gap for a, b in pairwise(wanted)):
        assert found == pytest.approx(wanted, abs=1e-9), "nothing is moved that touches nothing"


def test_a_front_tells_the_numbers_beyond_its_edge_over_their_marks(tmp_path, monkeypatch) -> None:
    frame = made(6).assign(train_seconds=1.0, teacher_seconds=0.0, total_compute=math.nan)
    kept = []
    monkeypatch.setattr(pareto, "save_figure", lambda figure, path, style: kept.append(figure))
    pareto.draw(pareto.pareto(frame), tmp_path / "p.png", "", SIZES["paper"])
    sampling, training = ([text for text in axes.texts if text.get_text()[0].isdigit()] for axes in kept[0].axes)
    assert [text.get_text() for text in sampling] == ["9000", "4500", "2250", "1125", "562"], "one over each mark"
    assert [text.get_text() for text in training] == ["562 – 9000"], "five marks at one price"
    assert [text.xy[0] for text in sampling] == pytest.approx([1, 2, 4, 8, 16])


def test_two_names_at_one_height_part_evenly() -> None:
    assert spread([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.45, 0.55])


def test_what_lies_far_outside_is_cut_and_marked_with_its_number() -> None:
    figure = plots.drawn(made(6), "fid", "", Style())
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert high < 100 and low > 5, "neither the one that blows up nor the references set the range"
    hollow = [line for line in axes.lines if line.get_marker() == "^" and line.get_markerfacecolor() == "white"]
    assert [line.get_xdata()[0] for line in hollow] == [1, 2, 4, 8, 16]
    texts = [text.get_text() for text in axes.texts]
    assert {"9000", "4500", "noise 400 ↑", "held-out data 1.20 ↓", "gaussian fit 35.0"} <= set(texts)


@pytest.mark.parametrize(("values", "better", "inside", "outside"), [
    ([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 900], "lower", [10, 19], [900]),
    ([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 60], "lower", [10, 60], []),
    ([0.01, 0.5, 0.6, 0.7, 0.8, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95], "higher", [0.5, 0.95], [0.01]),
    ([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 900], "", [10, 900], []),
    ([-1.0, 2.0, 900.0], "lower", [-1.0, 900.0], []),
])  # fmt: skip
def test_only_what_is_worse_and_far_is_cut(values, better, inside, outside) -> None:
    shown = window(values, [], better)
    assert all(map(shown.inside, inside)) and not any(map(shown.inside, outside))


def test_every_shipped_method_has_its_family_once() -> None:
    listed = [method for methods in families.FAMILIES.values() for method in methods.split()]
    assert sorted(listed) == sorted(compose.names("method")) and len(set(listed)) == len(listed)


def test_variants_stand_with_their_method_strangers_by_themselves_and_a_large_family_in_parts() -> None:
    found = families.grouped(["ect q=4", "mine", "lsd", *(f"cd lr={k}" for k in range(12))], 12)
    assert found == [("the map from its own diagonal", ["lsd"]),
                     ("the map to data (1 of 2)", ["ect q=4", *(f"cd lr={k}" for k in range(11))]),
                     ("the map to data (2 of 2)", ["cd lr=11"]), (families.OTHERS, ["mine"])]
    assert len(set(MARKERS)) == len(MARKERS) == plots.TOGETHER


@pytest.mark.parametrize("kind", FORMATS)
def test_equal_input_gives_an_equal_file_in_every_format(tmp_path, kind) -> None:
    style = Style(formats=(kind,))
    for name in ("a", "b"):
        save_figure(plots.drawn(made(3), "fid", "", style), tmp_path / f"{name}.png", style)
    first = (tmp_path / f"a.{kind}").read_bytes()
    assert first == (tmp_path / f"b.{kind}").read_bytes() and len(list(tmp_path.iterdir())) == 2
    assert {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[kind] == first[:5].rstrip(b"\r-")


def test_a_papers_picture_has_its_width_its_letters_and_no_title() -> None:
    figure = plots.drawn(made(6), "fid", "a subtitle", Style.parse("paper,width=5.5,font=8"))
    assert figure.get_figwidth() == 5.5 and not figure.get_suptitle()
    assert {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()} <= {8, 7, 6.5}
    assert "a subtitle" in plots.drawn(made(6), "fid", "a subtitle", Style()).get_suptitle()


@pytest.mark.parametrize(("style", "formats", "said"), [
    ("papper", [], "nearest: paper"), ("paper,widht=3", [], "nearest: width"), ("paper,width=wide", [], "between 2 and 40"),
    ("paper,font=400", [], "between 4 and 24"), ("screen", ["pgn"], "nearest: png"),
])  # fmt: skip
def test_a_look_that_is_none_is_refused_in_one_line(style, formats, said) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Style.parse(style, formats)
    assert "\n" not in str(caught.value)


def test_values_at_one_place_beyond_the_edge_stand_above_each_other() -> None:
    frame = made(20)
    frame.loc[(frame["method"] == METHODS[4]) & (frame["steps"] == 1), "value"] = 5000.0
    figure = plots.drawn(frame, "fid", "a subtitle", Style())
    assert overlaps(figure) == [] and np.isfinite(figure.axes[0].get_ylim()).all()
