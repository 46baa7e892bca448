"""Claims about plans: deduplicated, parents first, checked, described, fast."""

import math
import random

import pytest
from graphs import graphs, job
from hypothesis import given
from hypothesis import strategies as st

from sweeps.plan.describe import describe, duration, gpu_time, longest_chain, makespan
from sweeps.plan.jobs import Job, Plan, PlanError
from sweeps.plan.states import todo


def test_jobs_of_one_id_are_one_run():
    assert Plan([job("a"), job("b", "a"), job("a")]).ids == ("a", "b")


def test_a_teacher_that_is_also_a_row_is_listed_under_the_name_of_the_row():
    teacher = Job("a", "teacher", {}, listed=False)
    row = Job("a", "flow matching", {})
    for order in ([teacher, row], [row, teacher]):
        merged = Plan(order)["a"]
        assert merged.listed and merged.label == "flow matching"


def test_one_id_with_different_parents_is_an_error():
    with pytest.raises(PlanError, match="share the id c"):
        Plan([job("a"), job("b"), job("c", "a"), job("c", "b")])


def test_parents_come_first_and_the_order_is_otherwise_kept():
    assert Plan([job("c", "b"), job("x"), job("b", "a"), job("a")]).ids == ("a", "b", "c", "x")


def test_an_unknown_parent_is_named_with_the_nearest_id():
    with pytest.raises(PlanError, match=r"student .* waits for teacher-1, .* did you mean teacher-0\?"):
        Plan([job("teacher-0"), job("student", "teacher-1")])


def test_a_cycle_is_named():
    with pytest.raises(PlanError, match="b waits for c waits for b"):
        Plan([job("a"), job("b", "c"), job("c", "b", "a")])
    with pytest.raises(PlanError, match="a waits for a"):
        Plan([job("a", "a")])


@pytest.mark.parametrize("id", ["", ".", "..", "a/b"])
def test_an_id_that_cannot_name_a_folder_is_an_error(id):
    with pytest.raises(PlanError, match="cannot name a folder"):
        Plan([job(id)])


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_a_cost_is_a_finite_number(cost):
    with pytest.raises(PlanError, match="cost"):
        Plan([job("a", cost=cost)])


def test_the_longest_chain_is_the_most_costly_one_not_the_one_of_most_jobs():
    plan = Plan([job("a"), job("b", "a"), job("c", "b"), job("teacher", cost=5), job("student", "teacher")])
    assert [each.id for each in longest_chain(plan, plan.jobs)] == ["teacher", "student"]
    assert [each.id for each in longest_chain(plan, todo(plan, {"teacher": "done", "a": "running"}))] == ["a", "b", "c"]
    assert longest_chain(Plan([]), []) == []


def test_only_done_and_diverged_are_final():
    plan = Plan(job(word) for word in ("done", "diverged", "failed", "interrupted", "running", "new"))
    states = {id: id for id in plan.ids if id != "new"}
    assert [each.id for each in todo(plan, states)] == ["failed", "interrupted", "running", "new"]


def test_a_child_of_a_diverged_parent_is_not_to_do():
    plan = Plan([job("a"), job("b", "a"), job("c", "b")])
    assert todo(plan, {"a": "diverged"}) == []
    assert "skipped: c (its parent b was skipped)" in describe(plan, {"a": "diverged"})


def test_the_description_says_what_runs_what_waits_and_what_it_costs():
    plan = Plan([job("teacher", cost=60), *(job(f"s{i}", "teacher", cost=30) for i in range(4)), job("old", cost=600)])
    text = describe(plan, {"old": "done", "s0": "failed"}, seconds=2.0, workers=2)
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "label of teacher" in rows["teacher"] and rows["teacher"].endswith("2 min 00 s")
    assert "to do (was failed)" in rows["s0"] and "teacher" in rows["s0"] and "done" in rows["old"]
    assert "6 runs: 5 to do, 1 done" in text
    assert "cost to do: 6 min 00 s on one worker" in text
    assert "longest chain: 3 min 00 s (teacher -> s0)" in text
    assert "2 workers, estimated wall time: 4 min 00 s" in text


def test_without_a_limit_all_that_need_not_wait_run_at_once():
    plan = Plan([job("teacher", cost=60), *(job(f"s{i}", "teacher", cost=30) for i in range(4))])
    text = describe(plan, {}, seconds=2.0, workers=None, factor=2.0, cap="backend.jobs=N")
    assert text.endswith("\nall at once that need not wait, estimated wall time: 3 min 00 s (1 min 30 s to 6 min 00 s); "
                         "backend.jobs=N caps them")
    assert "caps" not in describe(plan, {}, workers=2, cap="backend.jobs=N")
    assert "estimated wall time: 0" in describe(Plan([]), {}, workers=None)


def test_without_a_measured_speed_no_time_is_promised():
    text = describe(Plan([job("a", cost=3), job("b", cost=2)]), {})
    assert "cost to do: 5 units" in text and "estimated wall time: 5 units" in text


def test_an_empty_plan_can_be_described():
    assert "0 runs" in describe(Plan([]), {})


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (0.25, "0.25 s"), (42, "42 s"), (59.7, "1 min 00 s"),
                                               (200, "3 min 20 s"), (18120, "5 h 02 min"), (273600, "3 d 04 h"),
                                               (9e6, "3 months"), (3e8, "10 years"), (371305.83 * 86400, "1,000 years"),
                                               (9.96, "10 s"), (math.inf, "for ever")])
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("hours", "text"), [(0, "no GPU time"), (1e-3, "under a GPU-minute"), (0.2, "12 GPU-minutes"),
                                             (0.02, "1 GPU-minute"), (3.44, "3.4 GPU-hours"), (12345, "12,000 GPU-hours")])
def test_gpu_time_is_never_about_nothing(hours, text):
    assert gpu_time(hours) == text


@given(st.floats(0, 1e15))
def test_a_time_is_short_and_says_more_than_zero_where_there_is_some(seconds):
    for text in (duration(seconds), gpu_time(seconds / 3600)):
        assert len(text) <= 40 and (seconds == 0 or not text.startswith(("0 ", "0.0 ")))


@given(graphs())
def test_any_order_of_any_graph_is_planned_parents_first(jobs):
    plan = Plan(jobs)
    place = {id: i for i, id in enumerate(plan.ids)}
    assert sorted(place) == sorted(each.id for each in jobs)
    assert all(place[parent] < place[each.id] for each in plan for parent in each.parents)


@given(graphs(), st.integers(1, 4))
def test_the_wall_time_lies_between_its_bounds(jobs, workers):
    plan = Plan(jobs)
    total = sum(each.cost for each in plan)
    chain = sum(each.cost for each in longest_chain(plan, plan.jobs))
    wall = makespan(plan.jobs, plan.tail, workers)
    assert max(chain, total / workers) - 1e-9 <= wall <= total / workers + chain + 1e-9
    assert chain == max(plan.tail.values())


def test_ten_thousand_jobs_are_planned_and_described():
    rng = random.Random(0)
    wide = [job(f"r{i}", *(f"r{rng.randrange(i)}" for _ in range(min(i, 2))), cost=rng.random()) for i in range(10_000)]
    chain = [job(f"c{i}", *([f"c{i - 1}"] if i else [])) for i in reversed(range(10_000))]
    for jobs in (wide, chain):
        plan = Plan(jobs)
        text = describe(plan, {}, seconds=1.0, workers=8)
        assert len(longest_chain(plan, plan.jobs)) and len(text.splitlines()) > 10_000
