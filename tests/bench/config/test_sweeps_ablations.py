"""Claims about sweeps that are more than a cross product: axes for some methods only, one-factor ablations, seeds."""

import pytest

from bench.config import request
from bench.config.errors import ConfigError
from bench.planning.jobs import jobs
from sweeps.plan.jobs import Plan
from sweeps.plan.spec import SpecError, one_at_a_time

SWEEP = ["sweep=none", "budget.images=1024"]
FILE = "# @package _global_\nsweep: {{name: mine, knobs: {{}}, note: '', {}}}\n"


@pytest.fixture
def labels(tmp_path):
    def of(text, *arguments):
        (tmp_path / "sweep").mkdir(exist_ok=True)
        (tmp_path / "sweep" / "mine.yaml").write_text(FILE.format(text))
        found = request(["sweep=mine", f"plugins={tmp_path}", *arguments])
        return [each.label for each in found.experiments]

    return of


def test_one_factor_varies_at_a_time():
    points = one_at_a_time({"method": "lsd"}, {"lr": [1, 2], "clip": [0]})
    assert points == [{"method": "lsd"}, {"method": "lsd", "lr": 1}, {"method": "lsd", "lr": 2}, {"method": "lsd", "clip": 0}]
    with pytest.raises(SpecError, match="both an axis and varied"):
        one_at_a_time({"lr": 1}, {"lr": [1, 2]})


def test_ablations_stand_beside_the_base_of_every_method_that_has_the_knob(labels):
    found = labels("axes: {method: [lsd, ect]}, one_at_a_time: {train.lr: [0.1], method.learned_weight: [false]}")
    assert found == ["lsd", "lsd train.lr=0.1", "lsd learned_weight=False", "ect", "ect train.lr=0.1"]


@pytest.mark.parametrize(("text", "said"), [
    ("axes: {method: [lsd, ect]}, one_at_a_time: {method.learned_wieght: [false]}",
     r"sweep\.one_at_a_time: method\.learned_wieght: none of the 2 methods has .* nearest: method\.learned_weight"),
    ("axes: {method: [lsd], method.learned_wieght: [true, false]}",
     r"sweep\.axes: method\.learned_wieght: method=lsd has no knob .* nearest: method\.learned_weight"),
    ("axes: {method: [lsd]}, one_at_a_time: {method.halvings: [2]}",
     r"sweep\.one_at_a_time: method\.halvings: method=lsd has no"),
])  # fmt: skip
def test_a_knob_that_none_of_the_sweeps_methods_has_is_an_error(labels, text, said):
    with pytest.raises(ConfigError, match=said):
        labels(text)


def test_a_command_of_fewer_methods_leaves_out_the_ablations_of_the_others(labels):
    text = "axes: {method: [lsd, ect]}, one_at_a_time: {method.learned_weight: [false]}"
    assert labels(text, "method=ect") == ["ect"]


def test_the_command_line_wins_over_an_ablation(labels):
    assert labels("axes: {method: [lsd]}, one_at_a_time: {train.lr: [0.1]}", "train.lr=0.2") == ["lsd"]


def test_an_axis_for_some_methods_leaves_the_others_once(labels):
    found = labels("axes: {method: [lsd, ect], train.lr: [0.1, 0.2]}, only: {train.lr: [lsd]}")
    assert found == ["lsd train.lr=0.1", "lsd train.lr=0.2", "ect"]


def test_what_is_only_for_some_must_be_an_axis_and_a_method(labels):
    with pytest.raises(ConfigError, match=r"sweep\.only=train\.lrr.*train\.lr"):
        labels("axes: {method: [lsd], train.lr: [1]}, only: {train.lrr: [lsd]}")
    with pytest.raises(ConfigError, match=r"sweep\.only\.train\.lr=lsdd.*lsd"):
        labels("axes: {method: [lsd], train.lr: [1]}, only: {train.lr: [lsdd]}")


def test_runs_that_differ_in_their_seed_are_the_runs_they_would_be_alone():
    many = jobs(request([*SWEEP, "method=lmd", "seed=range(0,5)"]).experiments)
    alone = [job for s in range(5) for job in jobs(request([*SWEEP, "method=lmd", f"seed={s}"]).experiments)]
    assert {(j.id, j.parents) for j in many} == {(j.id, j.parents) for j in alone} and len(many) == 11
    by = {job.id: job for job in alone}
    for job in Plan(many):
        if job.kind == "method":
            assert job == by[job.id]
