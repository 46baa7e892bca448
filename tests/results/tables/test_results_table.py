"""The leaderboard is a pure function of records: nothing mixed, nothing dropped, every column where it was promised."""

import csv
import math
import random
import re
from dataclasses import replace

import pandas as pd
import pytest
from fake_results import record, row, sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from results.records import ProtocolError
from results.records.store import load_runs
from results.statistics import bill
from results.statistics.intervals import interval
from results.tables import board, wide
from results.tables.render import count, markdown, number, plain
from results.tables.table import leaderboard, write
from results.webpage.page_data import payload

FIRST = "method,steps,nfe,metric,value,low,high,seeds,images_seen,train_seconds,params,protocol,status"
THEN = "nfe_rows,teacher_images,teacher_seconds,ema,sampler,evaluation_seeds,count,floor,excess,seeds_failed"
THEN += ",interval,training_sd,sampling_sd,rank_low,rank_high,detectable,league,forward_rows,backward_rows,jvp_rows,compute"
THEN += ",teacher_compute,teacher_compute_share,total_compute,teacher_seconds_share,gpu_hours,peak_memory,optimizer_steps"
THEN += ",precision,data,mark"


def finished(label="lsd", seeds=3, values=(1.0, 2.0, 3.0), **changes):
    runs = [record(label, seed, **changes) for seed in range(seeds)]
    return [(run, [row(run, 1, values[run.seed])]) for run in runs]


def only(frame, **conditions):
    for column, value in conditions.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, frame
    return frame.iloc[0]


def test_columns_are_the_promised_ones_in_the_frame_and_in_the_file(tmp_path):
    write(tmp_path, leaderboard(finished()))
    assert (tmp_path / "leaderboard.csv").read_text().splitlines()[0] == f"{FIRST},{THEN}"
    assert list(leaderboard([]).columns) == f"{FIRST},{THEN}".split(",")


def test_one_row_per_label_steps_and_metric(tmp_path):
    frame = leaderboard(load_runs(sweep(tmp_path)))
    assert not frame.duplicated(["method", "steps", "metric"]).any()
    assert len(frame) == (9 * 5 + 3) * 2
    assert frame["status"].eq("done").all() and frame["seeds"].eq(3).all()


def test_evaluation_seeds_are_averaged_inside_a_training_seed_first():
    runs = []
    for seed, pair in enumerate([(1.0, 3.0), (4.0, 4.0), (5.0, 7.0)]):
        run = record(seed=seed)
        runs.append((run, [row(run, 1, value, evaluation_seed=i) for i, value in enumerate(pair)]))
    cell, expected = only(leaderboard(runs)), interval([2.0, 4.0, 6.0])
    assert (cell.value, cell.low, cell.high, cell.seeds, cell.evaluation_seeds) == (
        expected.value, expected.low, expected.high, 3, 2)  # fmt: skip


def test_a_repeated_row_counts_once_and_the_last_checkpoint_wins():
    run = record()
    early = row(run, 1, 9.0, images_seen=1000)
    rows = [early, row(run, 1, 2.0), row(run, 1, 2.0), early, replace(early, evaluation_seed=1)]
    cell = only(leaderboard([(run, rows)]))
    assert cell.value == 2.0 and cell.images_seen == 200_000 and cell.evaluation_seeds == 1


def test_costs_are_means_over_seeds():
    runs = finished(teacher_images=100, teacher_seconds=7.0)
    cell = only(leaderboard(runs))
    assert cell.train_seconds == 42.0 and cell.teacher_images == 100 and cell.teacher_seconds == 7.0


def test_mixing_two_protocols_refuses_and_names_both():
    runs = finished()
    runs[2] = (runs[2][0], [replace(runs[2][1][0], protocol="0ther")])
    with pytest.raises(ProtocolError, match=r"'fd_digits8'.*'0ther' and 'd3adb33f'"):
        leaderboard(runs)
    assert only(leaderboard(runs, protocols=["d3adb33f"])).status == "missing 1 of 3"
    with pytest.raises(ProtocolError, match="nearest: 'd3adb33f'"):
        leaderboard(runs, protocols=["d3adb33"])


def test_two_metrics_may_have_a_protocol_each(tmp_path):
    frame = leaderboard(load_runs(sweep(tmp_path, ("lsd",))))
    assert set(frame["protocol"]) == {"d3adb33f", "nn01"}


def test_a_diverged_seed_is_counted_and_left_out_of_the_mean():
    runs = finished()
    runs[1] = (replace(runs[1][0], status="diverged"), [replace(runs[1][1][0], value=math.nan)])
    cell = only(leaderboard(runs))
    assert (cell.value, cell.seeds, cell.seeds_failed, cell.status) == (2.0, 2, 1, "diverged 1 of 3")
    assert math.isnan(cell.low)


def test_a_method_that_never_finishes_stays_as_a_nan_row(tmp_path):
    dead = [(record("esd", seed, status="diverged", images_seen=512), []) for seed in range(3)]
    frame = leaderboard([*load_runs(sweep(tmp_path, ("lsd",))), *dead])
    mine = frame[(frame.method == "esd") & (frame.metric == "fd_digits8")]
    assert list(mine.steps) == [1, 2, 4, 8, 16]
    assert mine.value.isna().all() and set(mine.status) == {"diverged 3 of 3"} and set(mine.images_seen) == {512}
    write(tmp_path, frame)
    csv, page = tmp_path / "leaderboard.csv", tmp_path / "leaderboard.md"
    assert pd.read_csv(csv).query("method == 'esd'").value.isna().all()
    assert "| esd | NaN | NaN |" in page.read_text() and "diverged 3 of 3" in page.read_text()
    assert "esd" in plain(frame)
    assert " training seeds, 2 evaluation seeds x 2,048 samples" in plain(frame)


def test_nan_of_a_finished_run_is_a_result_not_a_gap():
    cell = only(leaderboard(finished(values=(1.0, math.nan, 3.0))))
    assert math.isnan(cell.value) and cell.seeds == 3 and cell.status == "done"


def test_everything_failed_before_scoring_still_makes_a_table():
    frame = leaderboard([(record("lsd", s, status="failed"), []) for s in range(2)], order=["cd", "lsd"])
    assert list(frame.method) == ["cd", "lsd"] and list(frame.status) == ["missing", "failed 2 of 2"]
    assert "failed 2 of 2" in markdown(frame)


def test_what_is_missing_is_counted_by_what_the_sweep_asked_for():
    runs = [*finished("lsd")[:2], (record("cd", 0, status="failed"), [])]
    frame = leaderboard(runs, ["lsd", "cd", "esd", "imm"], asked={"lsd": 3, "cd": 3, "esd": 3})
    assert dict(zip(frame.method, frame.status, strict=True)) == {
        "lsd": "missing 1 of 3", "cd": "failed 1 of 3, missing 2 of 3", "esd": "missing 3 of 3", "imm": "missing"}  # fmt: skip
    long = [(replace(run, images_budget=1, seed=run.seed + 3, run_id=f"long{run.seed}"), rows) for run, rows in finished()]
    assert set(leaderboard(finished() + long, asked={"lsd": 6}).status) == {"done"}, "six of two experiments are none of one"


def test_a_method_that_never_trained_has_no_bill_in_any_format(tmp_path):
    """Failed before its first step, or not begun: no network of no parameters that took no time and no memory."""
    counts = {"forward_rows": 5, "peak_memory": 10**9, "gpus": 1}
    lost = record("lost", status="failed", images_seen=0, train_seconds=0.0, params=0, optimizer_steps=0, league="perceptual")
    half = record("half", status="diverged", images_seen=100, **counts)
    runs = [*finished(**counts), (lost, []), (half, []), (record("old"), [row(record("old"))])]
    frame = leaderboard(runs, ["lsd", "gone"])
    write(tmp_path, frame)
    lines = {line["method"]: line for line in csv.DictReader((tmp_path / "leaderboard.csv").open())}
    costs = (*bill.COLUMNS[1:-1], "images_seen", "train_seconds", "params", "teacher_images")
    assert {lines[label][name] for name in costs for label in ("gone", "lost")} == {"NaN"}
    assert (lines["lsd"]["images_seen"], lines["lsd"]["params"]) == ("200000", "412345"), "counts stay whole numbers"
    assert only(frame, method="lost").league == "perceptual" and only(frame, method="half").images_seen == 100
    cells = {line[0].text: [cell.text for cell in line[2:]] for part in wide.tables(frame) for line in part.body}
    assert len(cells["gone"]) == 11 and set(cells["gone"][:-1]) == set(cells["lost"][:-1]) == {"–"}
    assert cells["old"][-3] == "–" and cells["lsd"][-3] == "1GB", "memory that nobody counted is no 0B"
    printed = {line.split()[0]: line.split() for line in plain(frame).splitlines()}
    assert "gone (missing)" in plain(frame, columns=["images"])
    assert printed["gone"][2:6] == ["–"] * 4 and printed["lsd"][-2] == "0"
    assert "gone & -- & -- & --" in (tmp_path / "leaderboard.tex").read_text()
    told = payload(frame, runs, "t")
    assert all(each["values"][told["methods"].index("gone")] is None for each in told["bill"] + told["costs"]) and told["bill"]


def test_partial_sweeps_say_what_is_running_and_what_is_missing():
    runs = finished("lsd") + finished("cd")[:1]
    runs += [(record("cd", 1, status="running"), [])]
    frame = leaderboard(runs)
    assert only(frame, method="cd").status == "running, missing 1 of 3"
    assert only(frame, method="cd").seeds == 1
    interrupted = [(replace(run, status="interrupted"), rows) for run, rows in finished("cd")]
    assert only(leaderboard(finished() + interrupted), method="cd").status == "interrupted 3 of 3"


def test_scores_of_unfinished_runs_do_not_enter():
    runs = finished()
    runs[0] = (replace(runs[0][0], status="running"), runs[0][1])
    assert only(leaderboard(runs)).value == 2.5


def test_order_comes_first_then_names_then_references_and_the_primary_metric_leads(tmp_path):
    frame = leaderboard(load_runs(reversed(sweep(tmp_path, ("cd", "lsd", "lmd")))), order=["lsd", "gone"])
    assert list(dict.fromkeys(frame.method)) == ["lsd", "gone", "cd", "lmd", "noise", "gaussian fit", "held-out data"]
    assert list(dict.fromkeys(frame.metric)) == ["fd_digits8", "nn_train"]


def test_without_a_mark_the_first_metric_leads():
    run = record()
    frame = leaderboard([(run, [row(run, metric="kl"), row(run, metric="a_metric")])])
    assert list(frame.metric) == ["kl", "a_metric"]


def test_the_same_label_with_two_settings_is_told_apart_never_averaged():
    slow = []
    for run, rows in finished():
        config = {"seed": run.seed, "optimizer": {"lr": 1e-4}, "batch": 256}
        slow.append((replace(run, run_id=f"{run.run_id}-slow", config=config), rows))
    frame = leaderboard(finished() + slow)
    assert list(frame.method) == ["lsd (lr=0.0001)", "lsd (lr=0.001)"] and list(frame.seeds) == [3, 3]


def test_another_budget_is_another_line_even_with_other_seeds():
    long = [(replace(run, images_budget=1, seed=run.seed + 3, run_id=f"long{run.seed}"), rows) for run, rows in finished()]
    assert list(leaderboard(finished() + long).method) == ["lsd (images_budget=1)", "lsd (images_budget=200000)"]


def test_the_same_run_given_twice_counts_once():
    assert only(leaderboard(finished() + finished())).seeds == 3


def test_a_second_sampler_or_ema_is_a_line_of_its_own():
    runs = []
    for run, rows in finished():
        runs.append((run, [*rows, replace(rows[0], sampler="renoise", value=9.0), replace(rows[0], ema="0.9", value=8.0)]))
    frame = leaderboard(runs)
    assert dict(zip(frame.method, frame.value, strict=True)) == {"lsd": 2.0, "lsd (ema 0.9)": 8.0, "lsd (renoise)": 9.0}


def test_floor_and_excess_are_carried():
    runs = [(run, [replace(rows[0], metric="kl", extra={"floor": 0.25, "excess": rows[0].value - 0.25})])
            for run, rows in finished()]  # fmt: skip
    cell = only(leaderboard(runs))
    assert cell.floor == 0.25 and cell.excess == 1.75
    assert math.isnan(only(leaderboard(finished())).floor)
    assert "Floor: 0.250." in markdown(leaderboard(runs))


def test_the_best_is_bold_ties_are_marked_and_losers_are_not():
    runs = (
        finished("near", values=(1.0, 1.2, 1.1))
        + finished("best", values=(0.9, 1.0, 1.1))
        + finished("far", values=(7.0, 7.1, 7.2))
    )
    page = markdown(leaderboard(runs))
    assert "| near | 1.10 [0.85, 1.35] ≈ |" in page and "| best | **1.00 [0.75, 1.25]** |" in page
    assert "| far | 7.10 [6.85, 7.35] |" in page


def test_references_stand_below_and_are_never_best(tmp_path):
    page = markdown(leaderboard(load_runs(sweep(tmp_path))))
    section = page.split("## nn_train")[0]
    assert section.index("| psd_m |") < section.index("| *noise* |") < section.index("| *held-out data* |")
    assert "**0.9" not in section and "lower is better" in section and "`d3adb33f`" in section
    assert "3 training seeds" in section
    assert "**" not in page.split("## nn_train")[1]  # a memorisation score ranks nobody


def test_the_compact_table_has_the_means_of_the_whole_one_and_a_part_of_its_bill(tmp_path):
    frame = leaderboard(load_runs(sweep(tmp_path)))
    whole, small = wide.tables(frame)[0], wide.compact(frame)
    assert small.head == ["method", "1 step", "2 steps", "4 steps", "8 steps", "16 steps", "images", "seconds"]
    places = [whole.head.index(name) for name in small.head]
    lines = [line for line in whole.body if line[0].text != "smallest difference detectable"]
    for full, line in zip(lines, small.body, strict=True):
        assert [re.sub(r" \[.*\]", "", full[i].text) for i in places] == [cell.text for cell in line]
        assert [full[i].bold for i in places] == [cell.bold for cell in line]
    assert small.caption.count(". ") == 2 and small.caption.endswith("fitted to the training data.")
    assert "`d3adb33f`" in small.caption and "Bold = best" in small.caption


def test_a_compact_table_of_one_seed_promises_no_bold():
    small = wide.compact(leaderboard(finished(seeds=1)))
    assert "Bold" not in small.caption and "mean of 1 training seed" in small.caption


def test_nfe_that_differs_from_steps_is_written_out(tmp_path):
    page = markdown(leaderboard(load_runs(sweep(tmp_path, ("flow_matching", "lsd")))))
    assert "| 1, 3, 7, 15, 31 | done |" in page and "| = steps | done |" in page


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.lists(st.floats(0.1, 100), min_size=12, max_size=12))
def test_order_of_runs_and_rows_is_irrelevant(shuffler: random.Random, values):
    runs = []
    for index in range(6):
        run = record(("lsd", "cd")[index % 2], index // 2)
        runs.append((run, [row(run, 1, values[index]), row(run, 2, values[index + 6])]))
    before = leaderboard(runs)
    shuffled = [(run, shuffler.sample(rows, len(rows))) for run, rows in runs]
    shuffler.shuffle(shuffled)
    pd.testing.assert_frame_equal(leaderboard(shuffled), before)


def test_numbers_have_three_digits_and_no_needless_exponent():
    assert [number(x) for x in (0.0, 0.00123, 12.34, 240.2, 123456.0, 1e-7, math.nan)] == [
        "0", "0.00123", "12.3", "240", "123456", "1.00e-07", "NaN"]  # fmt: skip
    assert [count(x) for x in (0, 950, 10_500, 999_900, 55_700_000)] == ["0", "950", "10.5k", "1M", "55.7M"]


# Where nothing was scored


def unscored(rows=True, **statuses):
    """Methods (label=status) of three seeds without a row, asked for 1 and 4 steps, beside scored references."""
    config = {"evaluation": {"steps": [1, 4]}}
    runs = [(record(label, seed, status=status, config=config), []) for label, status in statuses.items() for seed in range(3)]
    reference = record("references", run_id="references", kind="reference")
    return runs + [(reference, [row(reference, 0, 9.0, label="noise", sampler="reference")])] * rows


@pytest.mark.parametrize("references", [True, False])
def test_where_nothing_was_scored_every_method_has_its_row_and_status_in_every_format(tmp_path, references):
    frame = leaderboard(unscored(references, lsd="diverged", cd="failed"), order=["lsd", "cd", "gone"])
    write(tmp_path, frame)
    for text in (plain(frame), *((tmp_path / f"leaderboard.{kind}").read_text() for kind in ("md", "csv", "tex"))):
        assert "1 step" in text or "lsd,1," in text, "the step counts that were asked for"
        assert "evaluation.count" not in text
        for label, status in (("lsd", "diverged 3 of 3"), ("cd", "failed 3 of 3"), ("gone", "missing")):
            assert any(label in line and status in line for line in text.splitlines())
    assert "lsd (diverged 3 of 3)" in [line[0].text for line in wide.compact(frame).body]


def test_a_metric_that_some_methods_lack_has_a_line_for_each():
    runs = finished("lsd") + finished("cd")
    runs = [(run, [*rows, replace(rows[0], metric="kl")] if run.label == "lsd" else rows) for run, rows in runs]
    frame = leaderboard([*runs, *[(record("esd", s, status="diverged"), []) for s in range(3)]])
    told = frame[frame.metric == "kl"].set_index("method")["status"].to_dict()
    assert told == {"cd": "not measured", "esd": "diverged 3 of 3", "lsd": "done"}
    assert "| cd (not measured) | – |" in markdown(frame) and "| esd (diverged 3 of 3) | NaN |" in markdown(frame)


def test_no_number_at_all_is_told_in_one_line_and_one_number_is_enough():
    nothing = leaderboard(unscored(lsd="diverged", esd="diverged", cd="failed"))
    assert board.numberless(nothing) == "no method has a number: cd failed 3 of 3; esd, lsd diverged 3 of 3"
    assert board.numberless(leaderboard([*unscored(lsd="diverged"), *finished("cd")])) == ""
    assert board.numberless(leaderboard(unscored())) == "", "references alone are no failure"


# Numbers that say little


def test_a_number_no_better_than_the_gaussian_fit_or_of_few_steps_bears_a_mark_and_one_sentence():
    reference = record("references", run_id="references", kind="reference")
    fit = (reference, [row(reference, 0, 2.5, label="gaussian fit", sampler="reference")])
    good, bad = finished("good", values=(1.0, 1.1, 1.2)), finished("bad", values=(2.6, 2.7, 2.6))
    short = finished("short", values=(0.5, 0.6, 0.7), optimizer_steps=15)
    assert "§" not in plain(leaderboard([*good, fit]))
    text = plain(leaderboard([*good, *bad, fit]))
    assert [line[0] == "b" for line in text.splitlines() if "§" in line] == [True, False] and "15" not in text
    text = plain(leaderboard([*good, *bad, *short, fit]))
    assert text.splitlines()[-1] == ("§ says little of the method: no better than a Gaussian fitted to the training data, "
                                     "or trained for 15 optimizer steps only.")  # fmt: skip
    assert "§ says little" in wide.compact(leaderboard([*bad, fit])).caption
    higher = [(run, [replace(rows[0], metric="precision")]) for run, rows in bad]
    assert "§" not in plain(leaderboard(higher)), "more precision than the fit's is no fault"


def test_on_data_that_is_a_gaussian_its_fit_is_no_reason_for_doubt():
    reference = record("references", run_id="references", kind="reference", data="gaussian")
    fit = (reference, [row(reference, 0, 0.5, label="gaussian fit", sampler="reference")])
    frame = leaderboard([*finished(data="gaussian"), fit])
    assert "§" not in plain(frame) + markdown(frame) and "§" in plain(leaderboard([*finished(), fit]))
    few = leaderboard([*finished(data="gaussian", optimizer_steps=15), fit])
    assert plain(few).endswith("§ says little of the method: trained for 15 optimizer steps only.")


@pytest.mark.parametrize(("counts", "said"), [
    ((199,) * 3, "Of 199 samples"), ((16, 199, 199), "Of 16 to 199 samples"), ((200,) * 3, ""), ((5000,) * 3, "")])  # fmt: skip
def test_values_of_few_samples_say_so_in_one_line_with_the_key_that_takes_more(counts, said):
    labels = ("lsd", "cd", "esd")
    runs = [(run, [row(run, count=count)]) for label, count in zip(labels, counts, strict=True) for run in [record(label)]]
    frame = leaderboard(runs)
    line = f"{said} a value says little: evaluation.count=NUMBER takes more."
    texts = [plain(frame), markdown(frame), wide.compact(frame).caption, wide.brief(frame).notes,
             " ".join(payload(frame, runs, "t")["metrics"][0]["marks"])]  # fmt: skip
    assert [line in text for text in texts] == [bool(said)] * 5 and ("evaluation.count" in "".join(texts)) is bool(said)
    assert not said or line in plain(frame).splitlines()


@pytest.mark.parametrize(("held_out", "count", "said"), [(40, 300, True), (300, 300, False), (0, 300, False)])
def test_a_reference_of_fewer_samples_than_the_methods_says_how_many(held_out, count, said):
    reference = record("references", run_id="references", kind="reference")
    rows = [row(reference, 0, 0.5, label=label, sampler="reference", count=n)
            for label, n in (("held-out data", held_out), ("noise", count))]
    runs = [*((run, [row(run, count=count)]) for run in [record("lsd")]), (reference, rows)]
    frame = leaderboard(runs)
    line = "held-out data: 40 samples and no more, of a method 300: most distances are larger with fewer."
    assert [line in text for text in (plain(frame), markdown(frame), wide.brief(frame).notes)] == [said] * 3
    assert ("and no more" in markdown(frame)) is said


def test_references_that_two_sweeps_drew_alike_count_once():
    def drawn(id, *values):
        run = record("references", run_id=id, kind="reference")
        return run, [row(run, 0, value, label="noise", sampler="reference", seed=k, evaluation_seed=k)
                     for k, value in enumerate(values)]  # fmt: skip

    one, same, more = drawn("a", 1.0, 2.0, 3.0), drawn("b", 1.0, 2.0, 3.0), drawn("c", 1.0, 2.0, 3.0, 4.0)
    shown = [leaderboard([*finished("lsd"), *runs]).set_index("method").loc["noise"]
             for runs in ([one], [one, same], [one, more])]
    widths = [float(each["high"] - each["low"]) for each in shown]
    assert widths[0] == widths[1] > widths[2] and [each["value"] for each in shown] == [2.0, 2.0, 2.5]


def test_students_of_one_teacher_are_marked_in_every_table_and_take_no_first_place_for_granted():
    runs = finished("lmd", values=(1.0, 1.001, 1.002), teacher="fm-s0") + finished("cd", values=(1.05, 1.1, 1.15))
    frame = leaderboard(runs)
    assert frame.set_index("method")["interval"].to_dict() == {"lmd": "teacher", "cd": "training"}
    assert "]‡" in markdown(frame) and "says nothing of another teacher" in markdown(frame)
    assert "‡" in plain(frame) and frame.set_index("method")["mark"].to_dict() == {"lmd": "best", "cd": "tied"}
    apart = [(replace(run, teacher=f"fm-s{run.seed}") if run.teacher else run, rows) for run, rows in runs]
    assert set(leaderboard(apart)["interval"]) == {"training"} and "‡" not in plain(leaderboard(apart))
