"""Everything shown is rebuilt from run folders alone; pictures are really drawn."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_results import STEPS, record, row, sweep, write
from matplotlib.image import imread

from results import report
from results.pictures import panels
from results.pictures.gallery import samples_grid
from results.pictures.plots import metric_vs_steps
from results.records import append_rows, archive, load_run
from results.records.metric import metric_info
from results.records.store import StoreError, StoreWarning, load_runs

NAMES = set(report.FILES)


def drawn(path):
    """The picture has content: many pixels are not background."""
    return bool((imread(path)[..., :3] < 0.9).any(axis=-1).mean() > 0.01)


def test_write_makes_all_files_and_returns_the_frame(tmp_path):
    folders = sweep(tmp_path, ("lsd", "cd"))
    images = np.random.default_rng(0).random((16, 1, 8, 8))
    samples = {name: dict.fromkeys(STEPS, images) for name in ("lsd", "cd")}
    frame = report.write(load_runs(folders), tmp_path / "out", ["lsd", "cd"], samples)
    assert {path.name for path in (tmp_path / "out").iterdir()} == NAMES | {"samples.png", "samples.npz"}
    assert drawn(tmp_path / "out/metric_vs_steps.png") and drawn(tmp_path / "out/samples.png")
    back = pd.read_csv(tmp_path / "out/leaderboard.csv", keep_default_na=False, na_values=["NaN"])
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


def test_the_command_rebuilds_a_sweep_from_records_alone(tmp_path):
    runs = [path.name for path in sweep(tmp_path)]
    place = tmp_path / "sweeps" / "quick"
    place.mkdir(parents=True)
    (place / "runs.json").write_text(json.dumps({"runs": [*runs, "planned-only"], "order": ["lsd", "cd"]}))
    root = Path(report.__file__).parent.parent
    done = subprocess.run([sys.executable, "-m", "results.report", place], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in place.iterdir()} == NAMES | {"runs.json"}
    assert done.stdout.splitlines()[1].startswith("lsd") and done.stderr == ""


def test_a_sweep_whose_runs_are_gone_is_rebuilt_from_its_archive_and_says_so(tmp_path, capsys):
    folders = sweep(tmp_path, ("lsd", "cd"), seeds=1)
    place = tmp_path / "sweeps" / "quick"
    place.mkdir(parents=True)
    (place / "runs.json").write_text(json.dumps({"runs": [path.name for path in folders], "order": ["lsd", "cd"]}))
    archive.write(place / archive.FILE, load_runs(folders), {"order": ["lsd", "cd"]})
    assert report.main([str(place)]) == 0
    table = (place / "leaderboard.csv").read_bytes()
    assert capsys.readouterr().err == ""
    shutil.rmtree(tmp_path / "runs")
    assert report.main([str(place)]) == 0 and (place / "leaderboard.csv").read_bytes() == table
    assert "the runs of" in (said := capsys.readouterr().err) and archive.FILE in said


def test_a_sweep_shows_the_protocol_of_its_references_whatever_other_rows_its_runs_hold(tmp_path, capsys):
    folders = sweep(tmp_path, ("lsd", "cd"), seeds=1)
    place = tmp_path / "sweeps" / "quick"
    place.mkdir(parents=True)
    (place / "runs.json").write_text(json.dumps({"runs": [path.name for path in folders], "order": ["lsd", "cd"]}))
    assert report.main([str(place)]) == 0
    table = (place / "leaderboard.csv").read_bytes()
    for folder in folders:
        run, rows = load_run(folder)
        if run.kind != "reference":  # another command scored it under another protocol
            append_rows(folder, [dataclasses.replace(row, protocol="another") for row in rows])
    assert report.main([str(place)]) == 0, capsys.readouterr().err
    assert (place / "leaderboard.csv").read_bytes() == table


@pytest.mark.parametrize(("which", "count"), [("runs", 7), ("runs/lsd-s0", 1)])
def test_a_runs_folder_and_a_single_run_report_beside_the_runs(tmp_path, capsys, which, count):
    sweep(tmp_path, ("lsd", "cd"))
    assert len(report.find_runs(tmp_path / which)) == count
    assert report.main([str(tmp_path / which)]) == 0
    assert {path.name for path in (tmp_path / "report").iterdir()} == NAMES
    assert "fd_digits8" in capsys.readouterr().out


def test_metric_chooses_what_leads_and_a_misspelling_names_the_nearest(tmp_path, capsys):
    sweep(tmp_path, ("lsd",))
    assert report.main([str(tmp_path / "runs"), "--metric", "nn_train", "--out", str(tmp_path / "o")]) == 0
    assert (tmp_path / "o/leaderboard.md").read_text().index("nn_train") < 30
    assert report.main([str(tmp_path / "runs"), "--metric", "fd_digit", "--out", str(tmp_path / "o")]) == 2
    assert "nearest: 'fd_digits8'" in capsys.readouterr().err


def test_a_broken_run_is_one_warning_and_the_report_goes_on(tmp_path, capsys):
    folders = sweep(tmp_path, ("lsd",))
    (folders[0] / "run.json").write_text("{")
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o")]) == 0
    assert capsys.readouterr().err.count("warning: run left out") == 1
    with pytest.warns(StoreWarning, match="run left out"):
        frame = report.write(load_runs(folders), tmp_path / "o", None, None)
    assert set(frame[frame["sampler"] == "hop"].seeds) == {2}


def test_mixed_protocols_end_the_command_with_both_names_and_a_way_out(tmp_path, capsys):
    folders = sweep(tmp_path, ("lsd",))
    write(tmp_path / "runs", record("cd"), [row(record("cd"), protocol="0ther")])
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err
    assert "'0ther'" in error and "'d3adb33f'" in error and "--protocol" in error
    options = ["--protocol", "d3adb33f", "--protocol", "nn01", "--out", str(tmp_path / "o")]
    assert report.main([str(folders[0].parent), *options]) == 0


def test_a_folder_without_runs_says_what_to_give(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(StoreError, match=r"holds no run \(its subfolder runs/ has some\)"):
        report.find_runs(tmp_path)
    with pytest.raises(StoreError, match="does not exist"):
        report.find_runs(tmp_path / "nowhere")


def test_an_unwritable_out_is_one_clear_error(tmp_path, capsys):
    sweep(tmp_path, ("lsd",))
    (tmp_path / "file").write_text("")
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "file/o")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_nothing_done_yet_still_writes_table_and_picture(tmp_path):
    folders = [write(tmp_path / "runs", record("lsd", s, status="running"), []) for s in range(2)]
    frame = report.write(load_runs(folders), tmp_path / "o", ["lsd", "cd"], {})
    assert set(frame.status) == {"running", "missing"}
    assert (tmp_path / "o/metric_vs_steps.png").stat().st_size > 1000
    assert report.write([], tmp_path / "o", None, None).empty


@pytest.mark.parametrize("kept", [True, False])
def test_seeds_that_never_began_are_missing_of_what_the_sweep_asked_for(tmp_path, kept):
    """From its list of runs, and from its records alone."""
    ids = {f"{label}-s{seed}": label for label in ("lsd", "cd", "esd") for seed in range(3)}
    found = [write(tmp_path / "runs", record(label, seed), [row(record(label, seed))])
             for label, seed in (("lsd", 0), ("lsd", 1), ("cd", 0), ("cd", 1))]  # fmt: skip
    told = {"runs": list(ids), "order": ["lsd", "cd", "esd"], "labels": ids}
    (place := tmp_path / "sweeps/mine").mkdir(parents=True)
    if kept:
        archive.write(place / archive.FILE, load_runs(found), told)
    else:
        (place / "runs.json").write_text(json.dumps(told))
    assert report.main([str(place)]) == 0
    told = pd.read_csv(place / "leaderboard.csv").drop_duplicates("method").set_index("method")["status"].to_dict()
    assert told == {"lsd": "missing 1 of 3", "cd": "missing 1 of 3", "esd": "missing 3 of 3"}
    assert report.main([str(place), "--card", "esd"]) == 0
    assert "missing 3 of 3" in (place / "card-esd.html").read_text()


@pytest.mark.parametrize("values", [(0.5, -0.1, 0.0), (math.nan, math.nan, math.nan), (1.0, math.inf, 2.0), (3.0, 3.0, 3.0)])
def test_the_picture_copes_with_any_value(tmp_path, values):
    run = record()
    rows = [row(run, 2**i, value) for i, value in enumerate(values)]
    frame = report.write(load_runs([write(tmp_path / "runs", run, rows)]), tmp_path / "o", None, None)
    assert len(frame) == 3 and drawn(tmp_path / "o/metric_vs_steps.png")


def test_thirty_methods_have_distinct_lines(tmp_path):
    runs = [record(f"method_{index}") for index in range(30)]
    folders = [write(tmp_path / "runs", run, [row(run, s, 1 + i / s) for s in STEPS]) for i, run in enumerate(runs)]
    frame = report.write(load_runs(folders), tmp_path / "o", None, None)
    assert drawn(metric_vs_steps(frame, tmp_path / "o/again.png", "fd_digits8"))


def test_the_grid_draws_points_colour_divergence_and_gaps(tmp_path):
    generator = np.random.default_rng(0)
    points = {"lsd": {1: generator.normal(size=(500, 2)), 4: generator.normal(size=(9000, 2))},
              "esd": {1: np.full((500, 2), np.nan)}, "data": {0: generator.normal(size=(800, 2))}}  # fmt: skip
    assert drawn(samples_grid(points, tmp_path / "points.png"))
    colour = {"lsd": {1: generator.random((5, 3, 4, 4)), 2: generator.random((0, 3, 4, 4))}}
    assert drawn(samples_grid(colour, tmp_path / "colour.png", order=["absent", "lsd"]))


def test_results_never_imports_torch():
    code = "import sys, results.report; assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(report.__file__).parent.parent, check=True)


@pytest.mark.parametrize("name", ["fd_digits8", "fd_cifar32"])
def test_packaged_feature_distances_are_never_taken_for_fid(tmp_path, name, monkeypatch):
    info = metric_info(name)
    assert "not FID" in info.title and info.better == "lower" and info.note
    run = record()
    folder = write(tmp_path / "runs", run, [row(run, s, 9.0 / s, metric=name) for s in STEPS])
    labels = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_ylabel", lambda self, label, **more: labels.append(" ".join(label.split())))
    report.write(load_runs([folder]), tmp_path / "o", None, None)
    assert f"## {name}: {info.title} (lower is better)" in (tmp_path / "o/leaderboard.md").read_text()
    assert set(labels) - {""} == {info.title}


def test_an_archive_holds_what_the_table_needs_in_equal_bytes(tmp_path):
    runs = load_runs(sweep(tmp_path, ("lsd", "cd")))
    for name in ("a", "b"):
        archive.write(tmp_path / name, runs, {"order": ["cd", "lsd"]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back, about = archive.read(tmp_path / "a")
    assert [record for record, _ in back] == [record for record, _ in runs] and about["order"] == ["cd", "lsd"]
    shown = report.write(back, tmp_path / "one", about["order"]).to_csv()
    assert shown == report.write(runs, tmp_path / "two", ["cd", "lsd"]).to_csv()


def test_the_command_rebuilds_a_table_from_an_archive_and_names_a_damaged_one(tmp_path, capsys):
    runs = load_runs(sweep(tmp_path, ("lsd", "cd")))
    path = tmp_path / "sent" / archive.FILE
    path.parent.mkdir()
    archive.write(path, runs, {"order": ["lsd", "cd"], "published": None})
    assert report.main([str(path)]) == 0
    assert {p.name for p in path.parent.iterdir()} == NAMES | {archive.FILE}
    path.write_bytes(path.read_bytes()[:-20])
    capsys.readouterr()
    assert report.main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def many(tmp_path, count):
    """Runs of `count` methods, the last of which blows up, beside the references."""
    folders = sweep(tmp_path, ("lsd",), seeds=1)
    for k in range(count - 1):
        run = record(f"method{k}")
        rows = [row(run, n, 5000.0 if k == count - 2 else 10.0 + k / n, extra={"primary": True}) for n in STEPS]
        folders.append(write(tmp_path / "runs", run, rows))
    return load_runs(folders)


@pytest.mark.parametrize("count", [12, 13])
def test_many_methods_get_a_panel_for_each_family(tmp_path, monkeypatch, count):
    seen = []
    draw = panels.draw
    monkeypatch.setattr(panels, "draw", lambda *options: seen.append(options) or draw(*options))
    report.write(many(tmp_path, count), tmp_path / "out")
    assert len(seen) == (count > 12)
    assert all(window.high < 1000 for *_, window, _ in seen), "what blows up does not flatten the others"


def test_panels_are_drawn(tmp_path):
    report.write(many(tmp_path, 14), tmp_path / "out")
    assert drawn(tmp_path / "out/metric_vs_steps.png")


def test_an_archive_of_rescored_runs_shows_the_protocol_that_it_was_written_under(tmp_path):
    run = record("lsd")
    rows = [row(run, 1, value, protocol=name, extra={"primary": True}) for name, value in (("old", 3.0), ("new", 2.0))]
    path = tmp_path / archive.FILE
    archive.write(path, [(run, rows)], {"order": ["lsd"], "protocols": ["new"]})
    assert report.main([str(path)]) == 0
    assert pd.read_csv(tmp_path / "leaderboard.csv")["value"].tolist() == [2.0]
    archive.write(path, [(run, rows)], {"order": ["lsd"], "protocols": []})
    assert report.main([str(path)]) == 2


@pytest.mark.parametrize("options", [[], ["--compat"], ["--at", "images=10"]])
def test_a_report_of_nothing_is_whole_and_does_not_exit_as_if_all_were_well(tmp_path, capsys, options):
    for seed in range(3):
        write(tmp_path / "runs", record("lsd", seed, status="diverged"), [])
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o"), *options]) == 1
    out, err = capsys.readouterr()
    assert err == "no method has a number: lsd diverged 3 of 3\n" and "diverged 3 of 3" in out
    assert {path.name for path in (tmp_path / "o").rglob("*")} >= NAMES
