"""Claims about the pure rule that decides what may start, on random graphs and random accidents."""

from hypothesis import given
from hypothesis import strategies as st
from test_sweeps_plan import graphs, job

from sweeps.plan import Plan
from sweeps.states import FINAL, State, decide

ENDS = (State.DONE, State.DIVERGED, State.FAILED, State.LOST, State.INTERRUPTED)


def test_the_longest_chain_starts_first():
    plan = Plan([job("short"), job("head"), job("tail", "head", cost=5)])
    assert decide(plan, {}, {}, 2).ready == ("head", "short")


def test_a_dead_end_skips_what_is_behind_it_and_nothing_else():
    plan = Plan([job("a"), job("b", "a"), job("c", "b"), job("sibling")])
    for state, word in ((State.FAILED, "failed"), (State.DIVERGED, "diverged")):
        found = decide(plan, {"a": state}, {}, 2)
        assert found.skipped == {"b": f"its parent a {word}", "c": "its parent b was skipped"}
        assert found.ready == ("sibling",)


def test_a_lost_run_is_ready_until_its_attempts_are_used_up():
    plan = Plan([job("a"), job("b", "a")])
    for state in (State.LOST, State.INTERRUPTED):
        assert decide(plan, {"a": state}, {"a": 1}, 2).ready == ("a",)
        last = decide(plan, {"a": state}, {"a": 2}, 2)
        assert last.failed == ("a",) and last.skipped == {"b": "its parent a failed"}


def test_a_finished_child_of_a_failed_parent_stays_finished():
    plan = Plan([job("a"), job("b", "a")])
    assert decide(plan, {"a": State.FAILED, "b": State.DONE}, {}, 2).skipped == {}


@given(graphs(), st.data())
def test_no_job_is_ever_in_two_fields(jobs, data):
    plan = Plan(jobs)
    states = {id: data.draw(st.sampled_from(State)) for id in plan.ids}
    attempts = {id: data.draw(st.integers(0, 3)) for id in plan.ids}
    found = decide(plan, states, attempts, 2)
    named = [*found.ready, *found.blocked, *found.failed, *found.skipped]
    silent = [id for id, state in states.items() if state in (State.RUNNING, *FINAL)]
    assert sorted([*named, *silent]) == sorted(plan.ids)
    assert decide(plan, states, attempts, 2) == found


@given(graphs(), st.integers(1, 3), st.integers(1, 3), st.data())
def test_every_job_ends_whatever_happens_and_starts_after_its_parents(jobs, workers, max_attempts, data):
    plan = Plan(jobs)
    states, attempts = {}, dict.fromkeys(plan.ids, 0)
    running = []
    for _ in range(len(plan) * max_attempts + 1):
        for id in decide(plan, states, attempts, max_attempts).ready[:workers - len(running)]:
            assert all(states[parent] == State.DONE for parent in plan[id].parents)
            assert id not in running and states.get(id) not in (*FINAL, State.FAILED)
            states[id] = State.RUNNING
            attempts[id] += 1
            running.append(id)
        if not running:
            break
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        states[ended] = data.draw(st.sampled_from(ENDS))
    last = decide(plan, states, attempts, max_attempts)
    assert not running and not last.ready and not last.blocked
    assert max(attempts.values()) <= max_attempts
    for id in last.skipped:
        assert attempts[id] == 0
        assert any(p in last.skipped or p in last.failed or states.get(p) == State.DIVERGED for p in plan[id].parents)
