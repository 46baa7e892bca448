"""Claims about the pure rule that decides what may start, on random graphs and random accidents."""

from graphs import graphs, job
from hypothesis import given
from hypothesis import strategies as st

from sweeps.plan.frontier import Frontier
from sweeps.plan.jobs import Plan
from sweeps.plan.states import ACTIVE, DEAD_ENDS, State, decide

ENDS = (State.DONE, State.DIVERGED, State.FAILED, State.DEAD, State.LOST, State.YIELDED, State.CANCELLED, State.PRUNED)


def test_the_longest_chain_starts_first():
    plan = Plan([job("short"), job("head"), job("tail", "head", cost=5)])
    assert decide(plan, {}).ready == ("head", "short")


def test_a_dead_end_skips_what_is_behind_it_and_nothing_else():
    plan = Plan([job("a"), job("b", "a"), job("c", "b"), job("sibling")])
    for state, word in DEAD_ENDS.items():
        if state != State.SKIPPED:
            found = decide(plan, {"a": state})
            assert found.skipped == {"b": f"its parent a {word}", "c": "its parent b was skipped"}
            assert found.ready == ("sibling",)


def test_what_was_lost_or_preempted_is_ready_again():
    plan = Plan([job("a"), job("b", "a")])
    for state in (State.LOST, State.INTERRUPTED, State.YIELDED):
        found = decide(plan, {"a": state})
        assert found.ready == ("a",) and found.blocked == ("b",)


def test_a_finished_child_of_a_failed_parent_stays_finished():
    plan = Plan([job("a"), job("b", "a")])
    assert decide(plan, {"a": State.FAILED, "b": State.DONE}).skipped == {}


@given(graphs(), st.data())
def test_no_job_is_ever_in_two_fields(jobs, data):
    plan = Plan(jobs)
    states = {id: data.draw(st.sampled_from(State)) for id in plan.ids}
    found = decide(plan, states)
    named = [*found.ready, *found.blocked, *found.skipped]
    at_rest = {*ACTIVE, *DEAD_ENDS, State.DONE} - {State.SKIPPED}
    assert sorted([*named, *(id for id, state in states.items() if state in at_rest)]) == sorted(plan.ids)
    assert decide(plan, states) == found


@given(graphs(), st.integers(1, 3), st.data())
def test_every_job_ends_whatever_happens_and_the_frontier_always_knows_what_decide_finds(jobs, workers, data):
    plan = Plan(jobs)
    states: dict[str, State] = dict.fromkeys(plan.ids, State.TODO)
    frontier = Frontier(plan, states)
    running, started = [], []
    for _ in range(3 * len(plan) + 1):
        found = decide(plan, states)
        assert len(frontier) == len(found.ready) and frontier.skipped.keys() == found.skipped.keys()
        for id in frontier.take(workers - len(running)):
            assert id in found.ready and all(states[parent] == State.DONE for parent in plan[id].parents)
            states[id] = State.RUNNING
            running.append(id)
            started.append(id)
        if not running:
            break
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        states[ended] = State.DONE if started.count(ended) > 2 else data.draw(st.sampled_from(ENDS))
        frontier.settle(ended)
    last = decide(plan, states)
    assert not running and not last.ready and not last.blocked
    assert not set(started) & set(last.skipped)
