"""Every row bills what it used, and a table can be drawn at equal images or equal compute."""

import math
from dataclasses import replace

import pytest
from fake_results import record, row

from results import report
from results.pictures.plots import leaders
from results.records.budget import At, BudgetError, own_compute, teacher_compute
from results.records.record import RunRecord
from results.records.store import StoreWarning, append_rows, write_run
from results.tables.render import markdown, plain
from results.tables.table import COMPATIBLE, leaderboard

COUNTS = {"forward_rows": 300_000, "backward_rows": 200_000, "jvp_rows": 100_000}


def curve(label="lsd", seeds=3, worth=1.0, **changes):
    """Runs with milestones at a quarter, a half and the end; the value falls with the images seen."""
    runs = []
    for seed in range(seeds):
        run = record(label, seed, **(COUNTS | changes))
        marks = [round(run.images_seen * part) for part in (0.25, 0.5, 1.0)]
        rows = [row(run, 1, worth * 1e6 / images + seed / 10 + d / 100, images_seen=images, evaluation_seed=d)
                for images in marks for d in range(3)]  # fmt: skip
        runs.append((run, rows))
    return runs


def only(frame, method="lsd"):
    frame = frame[frame["method"] == method]
    assert len(frame) == 1, frame
    return frame.iloc[0]


def test_compute_is_forward_plus_twice_backward_plus_tangents():
    run = record(**COUNTS, teacher_forward_rows=1000, teacher_backward_rows=10)
    assert own_compute(run) == 300_000 + 400_000 + 100_000 and teacher_compute(run) == 1020


def test_a_record_from_before_the_counts_has_an_unknown_bill_not_a_free_one():
    assert math.isnan(own_compute(record())) and math.isnan(teacher_compute(record(teacher_images=5)))
    assert teacher_compute(record()) == 0
    cell = only(leaderboard([(run, [row(run)]) for run in [record()]]))
    assert math.isnan(cell.compute) and math.isnan(cell.total_compute)


def test_the_default_is_the_last_checkpoint():
    cell = only(leaderboard(curve()))
    assert cell.images_seen == 200_000 and cell.compute == 800_000 and cell.value == pytest.approx(5.11)


@pytest.mark.parametrize(("at", "images"), [("images=200000", 200_000), ("images=150000", 100_000), ("images=50000", 50_000),
                                            ("compute=800000", 200_000), ("compute=799000", 100_000)])  # fmt: skip
def test_at_a_budget_the_newest_checkpoint_within_it_is_scored_and_billed_pro_rata(at, images):
    cell = only(leaderboard(curve(), at=At.parse(at)))
    assert cell.images_seen == images and cell.value == pytest.approx(1e6 / images + 0.11)
    part = images / 200_000
    assert cell.compute == 800_000 * part and cell.train_seconds == pytest.approx(42.0 * part) and cell.seeds == 3


def test_the_teacher_is_on_the_bill_of_equal_compute_in_full():
    runs = curve(teacher="t", teacher_images=10, teacher_forward_rows=300_000)
    assert only(leaderboard(runs, at=At.parse("compute=800000"))).images_seen == 100_000
    assert only(leaderboard(runs, at=At.parse("compute=1100000"))).images_seen == 200_000


def test_what_lies_beyond_the_budget_is_said_so_and_not_missing():
    cell = only(leaderboard(curve(), at=At.parse("images=1000")))
    assert cell.status == "beyond the budget 3 of 3" and math.isnan(cell.value)


def test_runs_without_a_bill_are_left_out_of_equal_compute_with_one_warning(tmp_path):
    old = curve("old", forward_rows=0)
    with pytest.warns(StoreWarning, match="old-s0 and 2 more, written before evaluations were counted"):
        frame = report.write([*curve(), *old], tmp_path, at=At.parse("compute=1e6"))
    assert set(frame["method"]) == {"lsd"}
    assert "equal compute: 1e+06 forward evaluations" in (tmp_path / "leaderboard.md").read_text()


@pytest.mark.parametrize("text", ["images", "images=", "images=-1", "steps=3", "compute=nan", "compute=inf", ""])
def test_a_wrong_budget_says_what_to_give(text):
    with pytest.raises(BudgetError, match="give images=NUMBER or compute=NUMBER"):
        At.parse(text)


def test_a_table_at_a_budget_does_not_replace_the_sweeps_own(tmp_path, capsys):
    for run, rows in curve():
        write_run(tmp_path / "runs" / run.run_id, run)
        append_rows(tmp_path / "runs" / run.run_id, rows)
    assert report.main([str(tmp_path / "runs"), "--at", "images=100000"]) == 0
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["images=100000"]
    assert report.main([str(tmp_path / "runs"), "--at", "image=100000"]) == 2
    assert "--at image=100000" in capsys.readouterr().err


def test_a_shared_teacher_is_divided_by_the_runs_that_learn_from_it():
    shared = curve("cd", teacher="t", teacher_seconds=60.0, teacher_images=9, teacher_forward_rows=900)
    own = [(replace(run, teacher=f"t{run.seed}"), rows) for run, rows in curve("lmd", teacher_seconds=60.0, teacher="x")]
    frame = leaderboard(shared + own)
    assert only(frame, "cd").teacher_compute == 900 and only(frame, "cd").teacher_compute_share == 300
    assert only(frame, "cd").teacher_seconds == 60 and only(frame, "cd").teacher_seconds_share == 20
    assert only(frame, "lmd").teacher_seconds_share == 60
    assert only(frame, "cd").total_compute == 800_900


def test_gpu_hours_and_memory_are_billed_and_shown_only_where_counted():
    frame = leaderboard(curve(gpus=8, peak_memory=3_000_000_000))
    assert only(frame).gpu_hours == pytest.approx(8 * 42 / 3600) and only(frame).peak_memory == 3e9
    head = next(line for line in markdown(frame).splitlines() if line.startswith("| method"))
    assert "GPU-hours | memory" in head and "compute" in head
    plainly = leaderboard([(run, [row(run)]) for run in [record()]])
    assert "GPU-hours" not in markdown(plainly) and "compute" not in markdown(plainly)


def test_a_league_is_ranked_by_itself():
    """A method with perceptual losses neither takes the others' first place nor stands among them."""
    frame = leaderboard(curve("lsd", worth=1.0) + curve("cd", worth=1.2) + curve("ctm", worth=0.1, league="perceptual"))
    assert only(frame, "ctm").rank_low == 1 == only(frame, "lsd").rank_low and only(frame, "cd").rank_low == 2
    first, second = markdown(frame).split("\n## ")[1:]
    assert "| ctm |" not in first and "perceptual losses" in second and "| ctm |" in second and "| lsd |" not in second
    assert "ctm (perceptual)" in plain(frame)


def test_other_papers_rules_are_labelled_columns_never_the_default_and_never_ranked():
    runs = curve()
    # the middle checkpoint is by chance the best for this step count
    runs = [(run, [replace(r, value=1.0 if r.images_seen == 100_000 else r.value) for r in rows]) for run, rows in runs]
    assert not set(COMPATIBLE) & set(leaderboard(runs).columns)
    frame = leaderboard(runs, compatible=True)
    cell = only(frame)
    assert cell.min_of_evaluation_seeds == pytest.approx(5.1) and cell.best_checkpoint == 1.0
    assert cell.value == pytest.approx(5.11), "they do not touch the number"
    page = markdown(frame)
    assert "compatibility: min of 3 evaluation seeds" in page and "compatibility: best checkpoint per step count" in page
    assert "**" not in page.split("compatibility: min")[1]
    mixed = leaderboard(runs + curve("ctm", league="perceptual"), compatible=True)
    assert "| ctm (perceptual) |" in markdown(mixed).split("compatibility: min")[1]


def test_the_best_of_a_metric_that_should_be_high_is_its_maximum():
    runs = [(run, [replace(r, metric="precision") for r in rows]) for run, rows in curve()]
    cell = only(leaderboard(runs, compatible=True))
    assert cell.min_of_evaluation_seeds == pytest.approx(5.12) and cell.best_checkpoint == pytest.approx(20.11)


@pytest.mark.parametrize("places", [(0,), (1,), (0, 1, 2)])
def test_the_best_of_several_passes_over_what_is_no_number(places):
    """Wherever it stands: Python's own min of a NaN depends on the order."""
    runs = [(run, [replace(r, value=math.nan) if r.evaluation_seed in places else r for r in rows]) for run, rows in curve()]
    cell = only(leaderboard(runs, compatible=True))
    assert math.isnan(cell.value)
    assert math.isnan(cell.min_of_evaluation_seeds) if len(places) == 3 else cell.min_of_evaluation_seeds < 6


def test_two_and_one_training_seeds_say_what_their_interval_is():
    two = leaderboard(curve(seeds=2))
    assert only(two).interval == "none" and "no interval worth the name" in markdown(two)
    one = leaderboard(curve(seeds=1))
    assert only(one).interval == "sampling" and only(one).seeds == 1
    assert "†" in markdown(one) and "sampling noise only" in markdown(one) and "sampling noise only" in plain(one)
    assert "not ranked" in plain(one) and "**" not in markdown(one)


def test_the_table_prints_the_smallest_difference_it_could_have_detected():
    frame = leaderboard(curve())
    assert only(frame).detectable > 0 and "| *smallest difference detectable* |" in markdown(frame)
    assert "80 % power" in markdown(frame)


def test_old_records_read_with_an_empty_bill():
    data = record().to_dict()
    for name in ("forward_rows", "league", "parents", "gpus", "peak_memory"):
        del data[name]
    assert RunRecord.from_dict(data) == record()


def test_the_picture_colours_the_best_of_each_league():
    frame = leaderboard(curve("lsd", worth=1.0) + curve("cd", worth=1.2) + curve("ctm", worth=0.1, league="perceptual"))
    assert set(leaders(frame, "lower")["method"]) == {"lsd", "ctm"}
