"""What a report for a paper can be asked for: methods, steps, columns, formats and sizes; LaTeX that compiles."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_results import record, row, sweep, write
from places import ROOT

from results import diff, drawing, report
from results.pictures import gallery
from results.records import archive
from results.records.store import load_runs
from results.tables.costs import FACTS, facts
from results.tables.latex import compact, latex
from results.tables.table import leaderboard
from results.tables.wide import tables

LABELS = ("lsd", "cd", "lmd", "ect q=4")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    sweep(folder, LABELS)
    return folder / "runs"


def drawn(place, out, *options: str) -> pd.DataFrame:
    assert report.main([str(place), "--out", str(out), *options]) == 0
    return pd.read_csv(out / "leaderboard.csv", keep_default_na=False, na_values=["NaN"])


def test_chosen_methods_stand_in_the_order_given_and_are_ranked_among_themselves(place, tmp_path) -> None:
    frame = drawn(place, tmp_path, "--methods", "ect,cd", "--steps", "1,4")
    own = frame[(frame["sampler"] != "reference") & (frame["metric"] == "fd_digits8")]
    assert own["method"].unique().tolist() == ["ect q=4", "cd"] and set(own["steps"]) == {1, 4}
    assert own["rank_high"].max() <= 2 and own["mark"].tolist().count("best") == 2, "one at each step count"
    assert set(frame.loc[frame["sampler"] == "reference", "method"]) == {"noise", "gaussian fit", "held-out data"}
    assert "Chosen: 2 of 4 methods; steps 1, 4." in (tmp_path / "leaderboard.md").read_text()


def test_a_label_is_chosen_alone_and_a_star_brings_all_that_begin_so(tmp_path) -> None:
    for label, value in (("lsd", 1.0), ("lsd eta=0.25", 2.0), ("cd", 3.0)):
        write(tmp_path / "runs", run := record(label), [row(run, 1, value)])
    for words, shown in (("lsd,cd", ["lsd", "cd"]), ("cd,lsd*", ["cd", "lsd", "lsd eta=0.25"])):
        frame = drawn(tmp_path / "runs", tmp_path / words, "--methods", words)
        assert frame["method"].tolist() == shown


def test_columns_are_those_asked_for_in_their_order_and_none_leaves_the_values(place, tmp_path, capsys) -> None:
    drawn(place, tmp_path, "--columns", "params,images", "--columns", "teacher_images")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[-4:] == ["params", "images", "teacher", "images"]
    assert printed[2].split()[-3:] == ["412k", "200k", "0"]
    head = (tmp_path / "leaderboard.md").read_text().split("\n| ")[1]
    assert head.split(" | ")[-3:] == ["params", "images", "teacher images |"]
    assert "params & images & teacher images" in (tmp_path / "leaderboard_compact.tex").read_text()
    page = (tmp_path / "index.html").read_text()
    head = page.partition('"bill":[')[2].partition("]}]")[0]
    assert re.findall(r'"title":"([^"]+)"', head) == ["params", "images", "teacher images"]
    drawn(place, tmp_path, "--columns", "none")
    assert capsys.readouterr().out.splitlines()[0].endswith("16 steps")
    assert '"bill":[],' in (tmp_path / "index.html").read_text()
    assert "images" not in (tmp_path / "leaderboard.md").read_text().split("\n| ")[1]


def test_pictures_come_in_the_formats_and_the_size_asked_for(place, tmp_path, capsys) -> None:
    drawn(place, tmp_path, "--format", "pdf,svg", "--style", "paper,width=3.5")
    pictures = {path.name for path in tmp_path.iterdir() if path.suffix in (".pdf", ".svg", ".png")}
    assert pictures == {f"{name}.{kind}" for name in ("pareto", "metric_vs_steps") for kind in ("pdf", "svg")}
    assert 'width="252pt"' in (tmp_path / "metric_vs_steps.svg").read_text()
    assert str(tmp_path / "pareto.pdf") in capsys.readouterr().out


def test_a_part_or_a_papers_pictures_never_replace_the_whole_table(place, capsys) -> None:
    for options, folder in (
        ("--methods lsd --at images=1e9", "images=1e9-methods=lsd"), ("--steps 4", "steps=4"),
        ("--methods lsd,cd --steps 4,1", "methods=lsd+cd-steps=1+4"),
        ("--metric nn_train", "metric=nn_train"), ("--columns params,none", "columns=params+none"),
        ("--protocol d3adb33f --protocol nn01", "protocol=d3adb33f+nn01"), ("--style paper", "paper"),
        ("--style paper,font=8 --format pdf", "paper-font=8"),
    ):  # fmt: skip
        assert report.main([str(place), *options.split()]) == 0
        assert str(place.parent / "report" / folder / "leaderboard.md") in capsys.readouterr().out
    assert not (place.parent / "report" / "leaderboard.md").exists()


def test_a_choice_says_whose_it_is_and_has_the_samples_of_its_steps_alone(place, capsys) -> None:
    points = np.ones((4, 2))
    gallery.keep({"lsd": {1: points, 4: points}, "held-out data": {0: points}}, place / gallery.FILE)
    assert report.main([str(place), "--steps", "4"]) == 0
    folder = place.parent / "report" / "steps=4"
    assert str(folder / "samples.png") in capsys.readouterr().out.splitlines()
    kept = gallery.kept(folder / gallery.FILE)
    assert {label: list(own) for label, own in kept.items()} == {"lsd": [4], "held-out data": [0]}
    for file in ("leaderboard.md", "index.html"):
        assert "report, steps=4" in (folder / file).read_text(encoding="utf-8"), "the name of the folder that it is in"
    (place / gallery.FILE).unlink()


def test_a_sweep_of_this_folder_is_found_by_its_name(place, tmp_path, monkeypatch, capsys) -> None:
    shutil.copytree(place, tmp_path / "outputs/sweeps/night")
    monkeypatch.chdir(tmp_path)
    assert report.main(["night"]) == 0 and (tmp_path / "outputs/sweeps/report/leaderboard.md").exists()
    capsys.readouterr()
    assert report.main(["nigth"]) == 2 and "nearest: night\n" in capsys.readouterr().err
    shutil.copytree(place, tmp_path / "outputs/sweeps/day")
    capsys.readouterr()
    assert diff.main(["night", "day"]) == 0 and "diff-day.html" in capsys.readouterr().out
    assert report.main(["night", "day"]) == 0 and (tmp_path / "outputs/sweeps/report/with=day/leaderboard.md").exists()
    assert report.main(["elsewhere"]) == 2 and "elsewhere: does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(("seeds", "kinds", "said"), [
    (1, ["sampling"], "1 training seed, band: sampling noise alone"), (2, ["none"], "2 training seeds"),
    (3, ["training", "none"], "3 training seeds, band: 95 % interval"),
])  # fmt: skip
def test_a_picture_says_of_what_its_bands_are(seeds: int, kinds: list[str], said: str) -> None:
    runs = [(record("lsd", seed), []) for seed in range(seeds)]
    frame = pd.DataFrame({"sampler": ["hop"] * len(kinds) + ["reference"], "interval": [*kinds, "draws"]})
    assert drawing._subtitle(runs, frame).split(" · ")[-1] == said


def test_a_long_name_over_the_samples_is_broken_and_not_cut(tmp_path, monkeypatch) -> None:
    kept = []
    monkeypatch.setattr(gallery, "save_figure", lambda figure, *_, **__: kept.append(figure))
    gallery.samples_grid({"lsd": {1: np.zeros((4, 2))}}, tmp_path / "s.png", title=f"Samples: {'a-long-name=' * 12}")
    (figure,) = kept
    figure.draw_without_rendering()
    title = next(text for text in figure.texts if text.get_text().startswith("Samples"))
    assert title.get_window_extent().x0 >= 0 and title.get_window_extent().x1 <= figure.bbox.width


def test_choices_that_a_name_has_no_room_or_no_letters_for_have_a_hash_and_the_same_one_again(place, capsys) -> None:
    found = []
    for options in (["--methods", "ect q=4"], ["--methods", "ect q=4"], ["--methods", "ect q=4", "--card", "ect q=4"],
                    ["--columns", "images,seconds,params,compute,memory,GPU-hours,NFE,status"]):  # fmt: skip
        assert report.main([str(place), *options]) == 0
        found.append(Path(capsys.readouterr().out.splitlines()[-1]).parent.name)
    assert found[0] == found[1] == found[2] and re.fullmatch(r"methods=ect_q=4-[0-9a-f]{8}", found[0])
    assert re.fullmatch(r"columns=images\+seconds\+[-+=\w]+-[0-9a-f]{8}", found[3]) and len(found[3]) < 72


@pytest.mark.parametrize(("options", "said"), [
    (["--methods", "lds"], "--methods: there is no 'lds'; nearest: 'lsd', all: "),
    (["--steps", "3"], "--steps: no method was scored at 3 steps; nearest: 2, all: 1, 2, 4, 8, 16"),
    (["--steps", "one"], "--steps one: give step counts such as 1,2,4"),
    (["--columns", "parms"], "--columns: there is no 'parms'; nearest: 'params', all: images, "),
    (["--format", "pfd"], "--format pfd: nearest: pdf"),
    (["--style", "papre"], "--style papre: nearest: paper"),
    (["--card", "lsd", "--style", "paper", "--published", "cifar10"], "--published, --style: not of a card"),
    (["--metric", "fd_digit"], "nearest: 'fd_digits8'"),
])  # fmt: skip
def test_what_cannot_be_meant_is_one_line_with_the_nearest_and_writes_nothing(place, tmp_path, capsys, options, said) -> None:
    assert report.main([str(place), "--out", str(tmp_path / "o"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert not (tmp_path / "o").exists()


def test_every_column_can_be_named_as_it_stands_in_the_table() -> None:
    assert facts([name.replace(" ", "_") for name in FACTS if "(" not in name] + ["teacher compute"]) == [
        *(name for name in FACTS if "(" not in name), "teacher compute (share)"]  # fmt: skip


def test_the_compact_table_has_a_label_and_a_caption_of_one_sentence_that_explains_bold_once(place) -> None:
    text = compact(leaderboard(load_runs(list(place.iterdir()))))
    caption = text.split(r"\caption{")[1].split("}\n")[0]
    assert caption.count(". ") == 0 and caption.endswith(".") and caption.count("bold:") == 1
    assert r"\label{tab:fd-digits8}" in text and r"\multicolumn{5}{c}{steps}" in text and r"\textbf{" in text
    assert text.count("bold") == 1 and "bold" not in text.split(r"\end{tabular}")[1]
    lines = [line for line in text.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
    assert len({line.count(" & ") for line in lines}) == 1


def frames():
    """Made-up results, leagues with other papers' rules, nothing scored, and the recorded sweep of all methods."""
    odd = record("a_b & 100% {x} \\ ~ ^ # $ é", run_id="odd", league="perceptual")
    runs = [(odd, [row(odd, 1, 2.0), row(odd, 4, float("nan"))]), (record("cd"), [row(record("cd"), 1, 1.0)])]
    yield leaderboard(runs, compatible=True)
    yield leaderboard([(record("cd", status="running"), [])])
    kept, about = archive.read(ROOT / "results" / "reference" / "digits_all_methods" / archive.FILE)
    yield leaderboard(kept, about["order"], about["protocols"])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed (tests/install.sh)")
def test_the_compact_table_and_the_full_one_compile_with_labels_that_are_known_once(tmp_path) -> None:
    for number, frame in enumerate(frames()):
        page = r"\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx}\begin{document}" + "\n" + compact(frame)
        page += "Table~\\ref{tab:%s}.\n\\onecolumn\\appendix\n" % frame["metric"].iloc[0].replace("_", "-")  # noqa: UP031
        (tmp_path / f"{number}.tex").write_text(page + latex(frame) + r"\end{document}")
        for _ in range(2):  # the second time references are known
            done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{number}.tex"], cwd=tmp_path,
                                  check=True, capture_output=True, encoding="latin-1")  # fmt: skip
        assert "multiply defined" not in done.stdout and "undefined references" not in done.stdout
        assert latex(frame).count(r"\label{") == max(len(tables(frame)), 0)


def test_a_run_of_nothing_has_a_compact_table_that_says_so(tmp_path) -> None:
    write(tmp_path / "runs", record("lsd", status="diverged"), [])
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o")]) == 1
    assert "lsd (diverged 1 of 1)" in (tmp_path / "o/leaderboard_compact.tex").read_text()
    assert "No run has been scored" in compact(leaderboard([]))
