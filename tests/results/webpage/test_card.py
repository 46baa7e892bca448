"""The report card of one method: where it stands at each step count and budget, its bill, its samples; one file, text only."""

import re

import numpy as np
import pytest
from fake_results import record, row, sweep, write
from html_text import Text

from results import report
from results.pictures import gallery
from results.records.store import load_runs

EVIL = '</td><script>alert("1")</script>&'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Three methods with three seeds, scored half-way too, their compute counted; lmd leads, lsd ties, cd is far off."""
    folder = tmp_path_factory.mktemp("card")
    for label, value in (("lmd", 1.0), ("lsd", 1.02), ("cd", 9.0)):
        for seed in range(3):
            run = record(label, seed, forward_rows=100 * (1 + (label == "lmd")), backward_rows=100)
            rows = [row(run, n, (value + 0.05 * seed + (images < 200_000)) / n, images_seen=images, checkpoint=str(images))
                    for n in (1, 4) for images in (100_000, 200_000)]  # fmt: skip
            write(folder / "runs", run, rows)
    return folder / "runs"


def card(place, out, method, *options):
    assert report.main([str(place), "--card", method, "--out", str(out), *options]) == 0
    return Text((out / f"card-{method}.html").read_text(encoding="utf-8"))


def test_a_value_that_says_little_of_the_method_is_marked_as_in_the_table(tmp_path) -> None:
    fit = record("references", kind="reference")
    write(tmp_path / "runs", fit, [row(fit, 0, 5.0, label="gaussian fit", sampler="reference")])
    for label, value in (("lsd", 1.0), ("cd", 9.0)):
        for seed in range(3):
            run = record(label, seed)
            write(tmp_path / "runs", run, [row(run, 1, value + 0.05 * seed)])
    assert [card(tmp_path / "runs", tmp_path, label).tables[0][1][1] for label in ("cd", "lsd")] == ["9.05§", "1.05"]


def test_it_says_where_the_method_stands_at_each_step_count_and_budget(place, tmp_path) -> None:
    text = card(place, tmp_path, "lsd")
    standing, costs, budgets = text.tables
    assert [line[:2] + line[3:] for line in standing[1:]] == [
        ["1 step", "1.07 ≈", "1 to 2 of 3", "lmd 1.05", "1"],
        ["4 steps", "0.268 ≈", "1 to 2 of 3", "lmd 0.263", "4"],
    ]
    assert "lsd cannot be told from the best at 1 and 4 steps." in text.words
    # What it took in all is 300 forward rows; lmd took 400, and stands there with what it was half-way.
    assert [line[0] for line in budgets] == ["at", "100k images", "300 forward rows"]
    assert budgets[1][1] == "2.07 ≈ (1 to 2 of 3)" and budgets[2][1] == "1.07 (1 of 3)"
    assert ["compute, forward rows", "300", "300"] in costs and ["training images", "200k", "200k"] in costs
    assert "has the best mean at 1 and 4 steps" in card(place, tmp_path, "lmd").words
    assert "is behind others at 1 and 4 steps" in card(place, tmp_path, "cd").words


def test_it_loads_nothing_and_shows_what_records_say_as_text_only(tmp_path) -> None:
    run = record(EVIL, run_id="evil")
    write(tmp_path / "runs", run, [row(run, 1, 2.0)])
    assert report.main([str(tmp_path / "runs"), "--card", EVIL, "--out", str(tmp_path / "o")]) == 0
    (path,) = (tmp_path / "o").iterdir()
    text = Text(path.read_text(encoding="utf-8"))
    assert re.fullmatch(r"card-[\w.=-]+\.html", path.name) and EVIL in text.words
    assert not {"script", "link", "iframe"} & {tag for tag, _ in text.tags}
    assert all(a.get("src", "data:").startswith("data:") and "href" not in a for _, a in text.tags)
    assert "not ranked: that takes three training seeds" in text.words


def test_an_unknown_method_names_the_nearest_and_writes_nothing(place, tmp_path, capsys) -> None:
    assert report.main([str(place), "--card", "lds", "--out", str(tmp_path / "o")]) == 2
    assert "--card: there is no method 'lds'; nearest: 'lsd', all: " in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_of_an_ablation_the_compute_is_that_of_its_own_row(tmp_path) -> None:
    for label, rows in (("lsd", 200), ("lsd eta=0.25", 900), ("cd", 150)):
        for seed in range(3):
            run = record(label, seed, run_id=f"{rows}-{seed}", forward_rows=rows, backward_rows=0)
            write(tmp_path / "runs", run, [row(run, 1, 1.0 + 0.05 * seed)])
    of = {label: [line[0] for line in card(tmp_path / "runs", tmp_path, label).tables[-1][1:]] for label in ("lsd", "cd")}
    assert of == {"lsd": ["200 forward rows"], "cd": ["150 forward rows"]}


def test_what_says_half_ranks_nobody_on_a_card(tmp_path) -> None:
    for seed in range(3):
        run = record("lsd", seed)
        write(tmp_path / "runs", run, [row(run, metric="precision")])
    assert "lsd is not ranked by precision alone." in card(tmp_path / "runs", tmp_path / "o", "lsd").words


def test_samples_that_a_sweep_left_come_back_in_its_picture_and_on_the_card(tmp_path, capsys) -> None:
    runs = load_runs(sweep(tmp_path, ("lsd", "cd"), seeds=1))
    images = np.random.default_rng(0).random((9, 1, 8, 8))
    samples = {"lsd": {1: images, 4: images}, "cd": {1: np.full((9, 1, 8, 8), np.nan)},
               "points": {1: np.array([[0.1, -7.0]]), 4: np.array([[0.1, 1e6]])}}
    report.write(runs, tmp_path / "report", None, samples)
    back = gallery.kept(tmp_path / "report" / gallery.FILE)
    assert np.abs(back["lsd"][4] - images).max() <= 0.5 / 255 + 1e-9 and np.isnan(back["cd"][1]).all()
    assert all(back["points"][n] == pytest.approx(samples["points"][n], rel=1e-3) for n in (1, 4))
    (tmp_path / "runs" / gallery.FILE).write_bytes((tmp_path / "report" / gallery.FILE).read_bytes())
    grid = card(tmp_path / "runs", tmp_path / "o", "lsd").tables[-1]
    assert grid[0] == ["1 step", "4 steps"] and len(grid[1]) == 2
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again/samples.png").exists()
    (tmp_path / "runs" / gallery.FILE).write_bytes(b"PK torn")
    capsys.readouterr()
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "last")]) == 2
    assert "the samples cannot be read" in capsys.readouterr().err
