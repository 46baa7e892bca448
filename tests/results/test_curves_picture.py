"""What trainings told is drawn: a panel for each method, and at milestones the metric, told apart without colour."""

import csv
import math
from pathlib import Path
from typing import Any

import pytest
from fake_results import record, row, write
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import imread

from results import report
from results.pictures import curves
from results.records import CURVES_FILE, KEPT_CURVES, Look, archive, distinct_labels, kept_curves
from results.webpage import page

NUMBERS = {1: 1, 6: 3, 13: 5, 26: 5}
"""Of methods, and in how many columns they stand."""


def made(count: int, seeds: int = 2, scored: bool = True) -> tuple[list[Any], dict[str, list[Look]]]:
    """Method i has loss i + 1/look and metric 100 / images * (i + 1) + seed, at 10 and 20 images; m01 has a teacher. A second
    sampler of each, which is the first one of others, scores 999."""
    runs, looks = [], {}
    for at in range(count):
        for seed in range(seeds):
            run = record(f"m{at:02d}", seed, images_seen=20, train_seconds=4.0, teacher_seconds=3.0 if at == 1 else 0.0)
            own, other = ("a", "b") if at % 2 else ("b", "a")
            rows = [row(run, steps, value, images_seen=images, sampler=sampler, extra={"primary": True})
                    for images in (10, 20) for steps in (1, 2, 4) if scored
                    for sampler, value in ((own, 100 / images * (at + 1) + seed), (other, 999.0))]
            runs.append((run, rows))
            looks[run.run_id] = [{"step": float(step), "images": 5.0 * step, "seconds": step**2 / 4, "loss": at + 1 / step,
                                  "gradient": 2.0} for step in (1, 2, 3, 4)]
    return runs, looks


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What would be saved."""
    kept: list[Figure] = []
    monkeypatch.setattr(curves, "save_figure", lambda figure, path: kept.append(figure))
    return kept


def blocks(figure: Figure) -> list[SubFigure]:
    return [part for part in figure.subfigs if isinstance(part, SubFigure)]


@pytest.mark.parametrize("count", NUMBERS)
def test_each_method_has_a_panel_with_its_losses_and_gradients(figures: list[Figure], count: int) -> None:
    runs, looks = made(count, scored=False)
    assert curves.draw(runs, looks, Path("x.png"), order=[f"m{at:02d}" for at in reversed(range(count))])
    (part,) = blocks(figures[0])
    panels = [axes for axes in part.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [f"m{at:02d}" for at in reversed(range(count))]
    assert panels[0].get_subplotspec().get_gridspec().ncols == NUMBERS[count]  # type: ignore[union-attr]
    for at, axes in enumerate(reversed(panels)):
        assert [list(line.get_ydata()) for line in axes.lines] == [[at + 1, at + 1 / 2, at + 1 / 3, at + 1 / 4]] * 2
        assert list(axes.lines[0].get_xdata()) == [5, 10, 15, 20]
    others = [axes for axes in part.axes if axes.lines and axes not in panels]
    assert len(others) == count and all(set(axes.lines[0].get_ydata()) == {2.0} for axes in others)
    assert {line.get_linestyle() for axes in others for line in axes.lines} == {"--"}, "not by colour alone"


def test_up_to_twelve_methods_share_axes_and_no_two_look_alike_without_colour(figures: list[Figure]) -> None:
    runs, looks = made(12)
    assert curves.draw(runs, looks, Path("x.png"))
    _, part = blocks(figures[0])
    assert [axes.get_title() for axes in part.axes] == ["1 step", "1 step", "4 steps", "4 steps"]
    images, seconds = part.axes[:2]
    assert len({(line.get_marker(), line.get_linestyle()) for line in images.lines}) == 12
    assert list(images.lines[1].get_xdata()) == [10, 20]
    assert list(images.lines[1].get_ydata()) == [20.5, 10.5], "means over seeds"
    assert list(seconds.lines[0].get_xdata()) == [1, 4], "as the looks tell, not in proportion"
    assert list(seconds.lines[1].get_xdata()) == [4, 7], "with the teacher's"
    assert [text.get_text() for text in part.legends[0].get_texts()] == [f"m{at:02d}" for at in range(12)]


def test_more_methods_have_a_panel_each_before_the_others(figures: list[Figure]) -> None:
    runs, looks = made(26, seeds=1)
    assert curves.draw(runs, looks, Path("x.png"))
    _, images, seconds = blocks(figures[0])
    for part, x in ((images, [10, 20]), (seconds, [1, 4])):
        panels = [axes for axes in part.axes if axes.get_title()]
        assert len(panels) == 26 and all(len(axes.collections[0].get_paths()) == 50 for axes in panels)
        assert list(panels[0].lines[0].get_xdata()) == x
        assert {(line.get_marker(), line.get_linestyle()) for line in panels[3].lines} == {("o", "-"), ("s", "--")}


def test_one_score_is_no_curve_and_nothing_told_is_no_picture(figures: list[Figure]) -> None:
    runs, looks = made(3)
    last = [(run, [row for row in rows if row.images_seen == 20]) for run, rows in runs]
    assert curves.draw(last, looks, Path("x.png")) and len(blocks(figures[0])) == 1
    assert not curves.draw(runs, {}, Path("x.png")) and len(figures) == 1
    assert curves.milestones(last, looks, distinct_labels([run for run, _ in runs]), "fd_digits8", None) == {}


def test_a_loss_that_left_the_numbers_is_drawn_up_to_there_and_named(figures: list[Figure]) -> None:
    run = record("m", status="diverged")
    told = [{"step": at, "images": at, "loss": loss, "gradient": 1.0} for at, loss in ((1.0, -2.0), (2.0, math.inf))]
    assert curves.draw([(run, [])], {run.run_id: told}, Path("x.png"))
    axes, *_ = blocks(figures[0])[0].axes
    assert axes.get_title() == "m (diverged)" and axes.get_yscale() == "linear"
    first, last = axes.lines[0].get_ydata()
    assert first == -2 and math.isnan(last)


def test_the_report_of_a_folder_of_runs_draws_them_and_the_page_shows_them(tmp_path: Path) -> None:
    runs, looks = made(2)
    for run, rows in runs:
        folder = write(tmp_path / "runs", run, rows)
        with open(folder / CURVES_FILE, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(looks[run.run_id][0]))
            writer.writeheader()
            writer.writerows(looks[run.run_id])
    assert report.main([str(tmp_path / "runs")]) == 0
    picture = tmp_path / "report" / "curves.png"
    assert (imread(picture)[..., :3] < 0.9).any(axis=-1).mean() > 0.005
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert text.count('<section id="training">') == 1 and text.index('id="training"') < text.index('id="samples"')
    assert set(page.pictures(tmp_path / "report")) == {"curves"}


def test_what_a_report_leaves_draws_them_again_where_the_runs_are_not(
    tmp_path: Path, figures: list[Figure], capsys: pytest.CaptureFixture[str]
) -> None:
    runs, looks = made(2)
    place = tmp_path / "archive"
    report.write(runs, place, looks={**looks, "another": [{"step": 1.0, "images": 1.0, "loss": 1.0}]})
    archive.write(place / archive.FILE, runs, {})
    assert {run: len(own) for run, own in kept_curves(place / KEPT_CURVES).items()} == dict.fromkeys(looks, 4)
    first = (place / KEPT_CURVES).read_bytes()
    assert report.main([str(place / archive.FILE), "--card", "m01"]) == 0
    card = (place / "card-m01.html").read_text(encoding="utf-8")
    assert card.count("<h2>Its training</h2>") == 1
    assert report.main([str(place / archive.FILE)]) == 0 and (place / KEPT_CURVES).read_bytes() == first
    drawn, again = ([list(line.get_ydata()) for axes in blocks(figure)[0].axes for line in axes.lines] for figure in figures)
    for one, other in zip(drawn, again, strict=True):
        assert other == pytest.approx(one, rel=1e-8), "nine digits are kept"
    (place / KEPT_CURVES).write_bytes(first[:-9])
    capsys.readouterr()
    assert report.main([str(place / archive.FILE)]) == 2
    assert f"{place / KEPT_CURVES}: the curves cannot be read" in capsys.readouterr().err


def test_a_card_of_another_way_of_sampling_shows_the_training_behind_it(tmp_path: Path) -> None:
    runs, looks = made(1)
    report.write(runs, tmp_path, looks=looks)
    archive.write(tmp_path / archive.FILE, runs, {})
    assert report.main([str(tmp_path / archive.FILE), "--card", "m00 (a)"]) == 0  # "b" was scored first, and is its own
    (card,) = tmp_path.glob("card-*.html")
    assert card.read_text(encoding="utf-8").count("<h2>Its training</h2>") == 1


def test_a_card_shows_the_curves_of_its_method_alone() -> None:
    runs, looks = made(3)
    figure = curves.picture(runs, looks, only="m01", width=7.5)
    assert figure is not None and figure.get_figwidth() == 7.5
    titles = [axes.get_title() for part in blocks(figure) for axes in part.axes if axes.get_title()]
    assert titles == ["m01", "1 step", "1 step", "4 steps", "4 steps"]
    assert all(len(axes.lines) == 1 for axes in blocks(figure)[1].axes)
    assert curves.picture(runs, looks, only="gone") is None
