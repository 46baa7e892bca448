"""What a table found, in words: the best of each step count and what cannot be told from it, no more than its marks say."""

import math

import pytest
from fake_results import record, row
from places import ROOT

from results.records import archive, metric_info
from results.tables import marks, words
from results.tables.render import markdown, plain
from results.tables.table import leaderboard
from results.webpage.page_data import payload


def frame_of(values, seeds=3, metric="fd_digits8"):
    """{label: value at each of the steps 1 and 4} as a leaderboard, with a Gaussian at 50."""
    runs = [(run, [row(run, n, value + seed / 1000, metric=metric) for n, value in zip((1, 4), own, strict=True)])
            for label, own in values.items() for seed in range(seeds)
            for run in [record(label, seed, league="perceptual" if label == "ctm" else "plain")]]  # fmt: skip
    given = record("references", run_id="references", kind="reference")
    return leaderboard([*runs, (given, [row(given, 0, 50.0, label="gaussian fit", sampler="reference", metric=metric)])])


def test_the_best_of_each_step_count_and_its_ties_are_those_of_the_marks() -> None:
    runs, about = archive.read(ROOT / "results" / "reference" / "digits_all_methods" / archive.FILE)
    frame = leaderboard(runs, about["order"], about["protocols"])
    for metric in frame["metric"].unique():
        found = words.findings(frame, metric)
        assert bool(found) == metric_info(metric).ranks
        for each in found:
            column = frame[(frame["metric"] == metric) & (frame["steps"] == each.steps) & (frame["sampler"] != "reference")
                           & (frame["league"] == "plain")]
            assert column.loc[column["mark"] == "best", "method"].tolist() == [each.best]
            assert set(column.loc[column["mark"] == "tied", "method"]) == set(each.tied)
            assert each.value == (column["value"].min() if metric_info(metric).better == "lower" else column["value"].max())
    first = words.findings(frame, "fd_digits8")
    assert words.lead(first, "fd_digits8").endswith(": gaf at 1 step; decoupled_meanflow at 2, 4, 8 and 16 steps.")
    others = [run for run in runs if run[0].method != "decoupled_meanflow"]
    first = words.findings(leaderboard(others, about["order"], about["protocols"]), "fd_digits8")
    assert words.of_one(first[3]) == ("edm 21.1 (15 evaluations)", "cannot be told from it: imm"), "eight steps of a solver"


@pytest.mark.parametrize("metric", ["precision", "recall", "density", "label_accuracy", "precision_cifar32"])
def test_half_an_answer_makes_no_method_the_best(metric: str) -> None:
    frame = frame_of({"lsd": (0.9, 0.8), "cd": (0.4, 0.5)}, metric=metric)
    assert set(frame["mark"]) == {""} and frame["rank_low"].isna().all() and words.headline(frame, metric) == []
    text = plain(frame)
    assert "higher is better" in text and "not ranked by itself" in text and "three training seeds" not in text
    assert "Not ranked by itself" in markdown(frame) and "**" not in markdown(frame)


def test_a_collapsed_model_does_have_the_highest_precision() -> None:
    """Why it is half an answer: the quickstart's flow matching in one step."""
    runs, about = archive.read(ROOT / "results" / "reference" / "digits_quickstart" / archive.FILE)
    frame = leaderboard(runs, about["order"], about["protocols"])
    one = frame[frame["steps"] == 1].set_index(["metric", "method"])["value"]
    assert one["precision"].idxmax() == "flow_matching" and one["recall", "flow_matching"] == 0


def test_what_few_seeds_cannot_say_is_not_said() -> None:
    found = words.findings(frame_of({"lsd": (3.0, 2.0), "cd": (4.0, 1.0)}, seeds=2), "fd_digits8")
    assert [words.of_one(each) for each in found] == [("lsd 3.00", ""), ("cd 1.00", "")]
    assert words.lead(found, "fd_digits8").endswith("This is no ranking: that takes three training seeds.")


def test_a_best_that_says_little_keeps_its_sign_and_a_diverged_method_is_no_best() -> None:
    found = words.findings(frame_of({"lsd": (90.0, math.nan), "cd": (95.0, 60.0)}), "fd_digits8")
    assert [(each.best, each.doubt) for each in found] == [("lsd", True), ("cd", True)]
    assert marks.DOUBT in words.of_one(found[0])[0]


@pytest.mark.parametrize(("values", "told"), [
    ((90.0, 60.0), "Even the best says little of its method (§). Lowest mean"),
    ((90.0, 9.0), "At 1 step even the best says little of its method (§). Lowest mean"),
    ((9.0, 9.0), "Lowest mean"),
])  # fmt: skip
def test_that_even_the_best_says_little_comes_before_who_it_is(values: tuple[float, float], told: str) -> None:
    found = words.findings(frame_of({"lsd": values, "cd": (95.0, 95.0)}), "fd_digits8")
    assert words.lead(found, "fd_digits8").startswith(told)
    praised = [words.of_one(each)[1] for each in found]
    assert praised == ["" if value > 50 else "no other is tied with it" for value in values]


def test_every_league_is_told_by_itself_the_plain_one_first() -> None:
    told = words.headline(frame_of({"lsd": (3.0, 2.0), "cd": (4.0, 2.5), "ctm": (0.5, 0.4)}), "fd_digits8")
    assert [title for title, _, _ in told] == ["", "perceptual losses"]
    assert [line[1].split()[0] for _, _, lines in told for line in lines] == ["lsd", "lsd", "ctm", "ctm"]
    assert "no other is tied with it" in told[0][2][0][2] and words.headline(leaderboard([]), "") == []


def test_many_ties_are_counted() -> None:
    finding = words.Finding(1, "a", 1.0, 1, tuple("bcdefghij"), True, False)
    assert words.of_one(finding)[1] == "cannot be told from it: b, c, d, e, f, g, 3 more"


@pytest.mark.parametrize("metric", ["kid", "kid_cifar32", "precision", "fd_digits8", "fd_cifar32", "nn_train"])
def test_no_caption_claims_another_feature_net_than_the_one_used(metric) -> None:
    """Inception is named by the metrics that are taken on it alone; the page names the net that the protocol holds."""
    info = metric_info(metric)
    assert "Inception" not in info.title + info.note
    run = record("lsd", config={"protocol": {"features": "digits8:0b2e"}})
    runs = [(run, [row(run, 1, 2.0, metric=metric)])]
    assert payload(leaderboard(runs), runs, "t")["metrics"][0]["features"] == ["digits8"]
    bare = [(record("lsd"), [row(record("lsd"), 1, 2.0, metric=metric)])]
    assert payload(leaderboard(bare), bare, "t")["metrics"][0]["features"] == [], "what no record says is not said"
