"""LaTeX, Pareto, paired comparisons, the difference of two runs, and what a report does with bad records."""

import gzip
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fake_results import record, row, sweep, write
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from results import diff, report
from results.compared.against import markdown
from results.pictures import pareto as pareto_module
from results.pictures.pareto import pareto
from results.pictures.scales import readable
from results.records import archive
from results.records.store import EVALS_FILE, RUN_FILE, load_runs
from results.statistics.paired import paired
from results.tables.latex import escaped, latex
from results.tables.table import leaderboard


def runs_of(values, label="lsd", **changes):
    """{training seed: values by evaluation seed} as runs."""
    made = [record(label, seed, **changes) for seed in values]
    return [(r, [row(r, 1, v, evaluation_seed=d) for d, v in enumerate(values[r.seed])]) for r in made]


@pytest.mark.parametrize(("seeds", "said"), [(1, "\n1 training seed: not a ranking"), (2, "\n2 training seeds: not a ranking"),
                                             (3, "")])
def test_a_frontier_of_too_few_trainings_is_said_to_be_no_ranking(seeds, said, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(pareto_module, "save_figure", lambda figure, *rest: figures.append(figure))
    report.write(runs_of({seed: [1.0 + seed] for seed in range(seeds)}), tmp_path)
    assert figures[0].get_suptitle() == f"fd_digits8: best at its price (lower is better){said}"


# LaTeX


def test_the_latex_table_has_the_cells_of_the_page_and_booktabs_rules(tmp_path):
    text = latex(leaderboard(load_runs(sweep(tmp_path, ("lsd", "cd")))))
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}}") == 2
    assert all(text.count(rule) >= 2 for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    first = text.split(r"\end{table}")[0]
    lines = [line for line in first.splitlines() if line.endswith(r" \\")]
    assert len({line.count(" & ") for line in lines}) == 1, "every line has every column"
    assert r"\textbf{" in first and r"\emph{noise}" in first
    assert r"fd\_digits8" in first and "_digits8" not in first.replace(r"\_", "")


@given(st.text(alphabet="ab_%&$#{}~^\\`é†‡§≈", max_size=12))
def test_escaping_leaves_no_active_character(text):
    out = escaped(text.replace("`", ""))
    bare = out
    for known in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"$^\dagger$", r"\&", r"\%", r"\$", r"\#",
                  r"\_", r"\{", r"\}", r"\'e", r"$^\ddagger$", r"\S{}", r"$\approx$"):  # fmt: skip
        bare = bare.replace(known, "")
    assert not set(bare) & set("_%&$#{}~^\\é†‡§≈")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_latex_table_compiles(tmp_path):
    text = latex(leaderboard(load_runs(sweep(tmp_path, ("lsd", "cd")))))
    page = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}" + "\n" + text + r"\end{document}"
    (tmp_path / "t.tex").write_text(page)
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


# Pareto


def test_the_frontier_is_what_nothing_cheaper_is_as_good_as(tmp_path):
    frame = leaderboard(load_runs(sweep(tmp_path)))
    points = pareto(frame)
    assert set(points["cost"]) == {"nfe_rows", "seconds"}
    for _, part in points.groupby([points["cost"], points["steps"].where(points["cost"] != "nfe_rows", 0)]):
        for mine in part.itertuples():
            beaten = any(o.value <= mine.value and o.price <= mine.price and (o.value < mine.value or o.price < mine.price)
                         for o in part.itertuples())  # fmt: skip
            assert mine.frontier != beaten


def test_the_frontier_knows_directions_leagues_and_metrics_that_rank_nobody():
    runs = [(r, [row(r, 1, v, metric="coverage")]) for r, v in ((record("a"), 0.5), (record("b"), 0.9))]
    assert pareto(leaderboard(runs)).query("cost == 'nfe_rows' and frontier")["method"].tolist() == ["b"]
    runs.append((record("c", league="perceptual"), [row(record("c"), 1, 0.1, metric="coverage")]))
    assert set(pareto(leaderboard(runs)).query("cost == 'nfe_rows' and frontier")["method"]) == {"b", "c"}
    for name in ("nn_train", "precision"):
        assert pareto(leaderboard([(r, [replace(x, metric=name) for x in rows]) for r, rows in runs])).empty
    assert pareto(leaderboard([])).empty


def test_training_cost_is_compute_where_every_run_counted_it():
    runs = runs_of({0: [1.0]}, "a", forward_rows=10) + runs_of({0: [2.0]}, "b", forward_rows=5)
    points = pareto(leaderboard(runs))
    assert points.query("cost == 'total_compute'")["price"].tolist() == [10, 5]


@given(st.floats(-6, 6), st.floats(0.02, 5))
def test_a_logarithmic_axis_has_numbers_however_short_it_is(start, decades):
    low, high = 10**start, 10 ** (start + decades)
    axes = Figure().add_subplot()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    readable(axes.yaxis, low, high)
    inside = [value for value in axes.yaxis.get_majorticklocs() if low <= value <= high]
    assert 2 <= len(inside) <= 14 or decades > 2.7


def test_the_front_steps_and_its_names_stay_inside(tmp_path):
    made = [(record(f"quite_a_long_name_{k}", forward_rows=10 * 4**k), 5 - k) for k in range(4)]
    runs = [(run, [row(run, n, value / n) for n in (1, 4)]) for run, value in made]
    figures = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pareto_module, "save_figure", lambda figure, *rest: figures.append(figure))
        pareto_module.draw(pareto(leaderboard(runs)), tmp_path / "p.png")
    figures[0].canvas.draw()
    for axes in figures[0].axes:
        box = axes.get_window_extent()
        assert {line.get_drawstyle() for line in axes.lines if len(line.get_xdata()) > 1 and line.get_linestyle() != "None"} \
            <= {"steps-post"}
        assert axes.texts
        for text in axes.texts:
            name = text.get_window_extent()
            assert box.x0 <= name.x0 and name.x1 <= box.x1 and box.y0 <= name.y0 and name.y1 <= box.y1


# Paired


def test_pairs_are_compared_by_students_t_on_common_seeds_and_common_noise():
    a = {0: [1.0, 2.0, 9.0], 1: [2.0, 4.0], 2: [1.5, 2.5], 5: [100.0]}
    b = {0: [0.5, 1.0], 1: [1.0, 2.5], 2: [1.4, 2.0], 7: [0.0]}
    (first, rows), *others = runs_of(b, "b")
    shifted = [replace(r, evaluation_seed=r.evaluation_seed + 1) for r in rows]  # draws 1 and 2, where a has 0, 1 and 2
    frame = paired([*runs_of(a, "a"), (first, shifted), *others], "b")
    differences = [np.mean(np.subtract(a[s][s == 0 :][:2], b[s][:2])) for s in range(3)]
    expected = scipy.stats.ttest_1samp(differences, 0)
    (cell,) = frame.itertuples()
    assert (cell.method, cell.seeds, cell.draws) == ("a", 3, 2)
    assert cell.difference == pytest.approx(np.mean(differences)) and cell.p == pytest.approx(expected.pvalue)
    bounds = expected.confidence_interval()
    assert (cell.low, cell.high) == pytest.approx((bounds.low, bounds.high))
    error = np.std(differences, ddof=1) / math.sqrt(3)
    assert scipy.stats.nct.sf(scipy.stats.t.ppf(0.975, 2), 2, cell.detectable / error) == pytest.approx(0.8)


def test_pairing_finds_what_two_intervals_side_by_side_hide():
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 5, 5)
    runs = runs_of({s: [10 + luck[s]] for s in range(5)}, "a") + runs_of({s: [9 + luck[s] + 0.01 * s] for s in range(5)}, "b")
    frame = leaderboard(runs)
    assert frame["low"][0] < frame["high"][1] and frame["mark"].tolist() == ["", "best"], "the table's own marks know it"
    frame = paired(runs, "b")
    assert frame["p"].item() < 1e-4 and "**" in markdown(frame)


def test_one_training_seed_compares_two_networks_and_says_so():
    frame = paired(runs_of({0: [1.0, 2.0, 3.1]}, "a") + runs_of({0: [0.5, 1.6, 2.5]}, "b"), "b")
    assert frame["interval"].item() == "sampling" and "†" in markdown(frame)


def test_unfinished_runs_are_no_pairs_and_an_unknown_method_names_the_nearest():
    runs = runs_of({0: [1.0], 1: [2.0]}, "a") + runs_of({0: [1.0], 1: [2.0]}, "b")
    runs[0] = (replace(runs[0][0], status="diverged"), runs[0][1])
    assert paired(runs, "b")["seeds"].item() == 1 and math.isnan(paired(runs, "b")["p"].item())
    with pytest.raises(ValueError, match="nearest: 'a'"):
        paired(runs, "aa")


def test_the_command_writes_the_comparison(tmp_path, capsys):
    sweep(tmp_path, ("lsd", "cd"))
    assert report.main([str(tmp_path / "runs"), "--against", "lsd", "--out", str(tmp_path / "o")]) == 0
    assert set(pd.read_csv(tmp_path / "o/paired.csv")["method"]) == {"cd"}
    assert report.main([str(tmp_path / "runs"), "--against", "lds", "--out", str(tmp_path / "o")]) == 2
    assert "nearest: 'lsd'" in capsys.readouterr().err


# The difference of two runs


def test_what_differs_is_named_and_what_is_equal_is_not(tmp_path, capsys):
    a = record(config={"train": {"lr": 1e-3, "clip": 1.0}, "batch": 64}, data_hash="aaa", versions={"torch": "2.11"})
    b = replace(a, run_id="other", config={"train": {"lr": 1e-4, "clip": 1.0}, "extra": True}, data_hash="bbb", images_seen=5)
    folders = [write(tmp_path, run, [row(run, protocol=run.data_hash)]) for run in (a, b)]
    assert diff.main(list(map(str, folders))) == 1
    out = capsys.readouterr().out
    for line in ("train.lr: 0.001 in A, 0.0001 in B", "batch: 64 in A, absent in B", "extra: absent in A, True in B",
                 "data_hash: 'aaa' in A, 'bbb' in B", "images_seen: 200000 in A, 5 in B",
                 "fd_digits8: ['aaa'] in A, ['bbb'] in B"):  # fmt: skip
        assert line in out
    assert "clip" not in out and "torch" not in out and "run_id" not in out


def test_a_number_written_otherwise_is_no_difference_and_a_switch_is_no_number(tmp_path, capsys):
    a = record(config={"method": {"delta": 1.0, "grid": [1, 2.0]}, "flip": True})
    b = replace(a, run_id="other", config={"method": {"delta": 1, "grid": [1.0, 2]}, "flip": 1})
    assert diff.main([str(write(tmp_path, run, [row(run)])) for run in (a, b)]) == 1
    out = capsys.readouterr().out
    assert "flip: True in A, 1 in B" in out and "delta" not in out and "grid" not in out


def test_equal_runs_and_unreadable_ones_have_their_own_exit_status(tmp_path, capsys):
    folder = write(tmp_path, record(), [row(record())])
    assert diff.main([str(folder), str(folder)]) == 0
    assert "do not differ" in capsys.readouterr().out
    assert diff.main([str(folder), str(tmp_path / "gone")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert diff.main([str(folder), str(folder), "--out", str(tmp_path)]) == 2
    assert "two runs are compared here" in capsys.readouterr().err


# Bad records


def test_a_half_written_run_is_one_message_and_the_rest_is_drawn(tmp_path, capsys):
    folders = sweep(tmp_path, ("lsd",))
    (folders[0] / RUN_FILE).unlink()
    (folders[1] / EVALS_FILE).write_bytes((folders[1] / EVALS_FILE).read_bytes()[:-30])
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o")]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 2 and "lsd-s0 holds rows but no run.json" in error and "torn last line skipped" in error
    assert set(pd.read_csv(tmp_path / "o/leaderboard.csv").query("method == 'lsd'")["seeds"]) == {2}


@pytest.mark.parametrize("where", ["run", "row"])
def test_an_older_schema_is_one_message_and_the_rest_is_drawn(tmp_path, capsys, where):
    folders = sweep(tmp_path, ("lsd",))
    file = folders[0] / (RUN_FILE if where == "run" else EVALS_FILE)
    unsealed = re.sub(r',\s*"sum": "\w+"', "", file.read_text())
    file.write_text(unsealed.replace('"schema": 1', '"schema": 0', 1))
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o")]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "schema 0 is not 1" in error and str(file) in error
    assert (tmp_path / "o/pareto.png").exists()


def test_an_old_record_in_an_archive_does_not_take_the_others_with_it(tmp_path, capsys):
    path = tmp_path / archive.FILE
    archive.write(path, load_runs(sweep(tmp_path, ("lsd",))), {"order": ["lsd"]})
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    lines[1] = lines[1].replace('"schema": 1', '"schema": 0')
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert report.main([str(path)]) == 0
    assert f"{path}:2: RunRecord schema 0" in capsys.readouterr().err
    path.write_bytes(gzip.compress("\n".join([lines[0], lines[1]]).encode()))
    assert report.main([str(path)]) == 2


# Reading fast


@pytest.mark.parametrize(
    "damage", [{"value": "x"}, {"steps": True}, {"schema": 0}, {"extra": []}, {"unknown": 1}, {"seed": None}]
)
def test_rows_that_look_like_earlier_ones_are_checked_all_the_same(tmp_path, damage, capsys):
    """The quick way is for what has the names and types of a row that passed whole; anything else is looked at in full."""
    good = row(record()).to_dict()
    folder = write(tmp_path / "runs", record(), [row(record())] * 3)
    with open(folder / EVALS_FILE, "a") as file:
        file.write(json.dumps(good | damage) + "\n")
    assert report.main([str(tmp_path / "runs"), "--out", str(tmp_path / "o")]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{EVALS_FILE}:4" in error


def test_a_row_read_fast_equals_a_row_read_slowly():
    data = row(record(), extra={"primary": True}).to_dict()
    slow, fast = (type(row(record())).from_dict(json.loads(json.dumps(data))) for _ in range(2))
    assert slow == fast == row(record(), extra={"primary": True}) and hash(repr(slow)) == hash(repr(fast))
    with pytest.raises(AttributeError):
        fast.value = 2.0
