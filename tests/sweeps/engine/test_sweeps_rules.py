"""Claims about the pure rules: what an end means, and what is never concluded too early."""

import pytest

from sweeps.engine.failures import classify
from sweeps.engine.rules import Facts, Past, Record, Rules, consequence, excluded, judge, reached
from sweeps.engine.seam import Kind, Seen, Where
from sweeps.plan.states import State

RULES = Rules(attempts=3, patience=3, gone=60, absent=300)
LOST = Past(State.LOST, Kind.INFRASTRUCTURE, "NODE_FAIL", "n1")


def seen(where, **more):
    return Seen(Where(where), **more)


@pytest.mark.parametrize(("where", "quiet", "lost"), [
    ("queued", 1e9, False), ("running", 1e9, False), ("gone", 59, False), ("gone", 60, True), ("absent", 299, False),
    ("absent", 300, True)])
def test_a_job_is_lost_only_after_the_deadline_of_continuous_absence(where, quiet, lost):
    verdict = judge(Facts(seen(where), None, None, quiet), RULES)
    assert (verdict is not None and verdict.outcome == State.LOST) == lost


def test_a_worker_of_this_machine_is_believed_at_once():
    assert judge(Facts(seen("gone"), None, attached=True), RULES).outcome == State.LOST


def test_the_jobs_own_word_goes_before_the_schedulers():
    failed = Record(outcome="failed", kind="memory", reason="out of memory")
    assert judge(Facts(seen("running"), failed), RULES).kind == Kind.MEMORY
    assert judge(Facts(seen("gone", kind=Kind.MEMORY), None, State.DONE, 1e9), RULES).outcome == State.DONE
    assert judge(Facts(seen("absent"), Record(outcome="diverged")), RULES).outcome == State.DIVERGED


@pytest.mark.parametrize("where", ["queued", "running"])
def test_a_job_that_yielded_and_is_requeued_goes_on(where):
    yielded = Record(outcome="interrupted")
    assert judge(Facts(seen(where), yielded), RULES) is None
    assert judge(Facts(seen("gone"), yielded), RULES).outcome == State.YIELDED


def test_a_scheduler_that_knows_of_a_preemption_makes_it_free():
    facts = Facts(seen("gone", kind=Kind.PREEMPTED, reason="TIMEOUT"), None, None, 60)
    assert judge(facts, RULES).outcome == State.YIELDED


@pytest.mark.parametrize("state", [State.PRUNED, State.CANCELLED])
def test_what_was_asked_to_stop_ends_as_asked_unless_it_was_done_before(state):
    assert judge(Facts(seen("gone"), Record(outcome="interrupted"), stopping=state), RULES).outcome == state
    assert judge(Facts(seen("gone"), None, stopping=state), RULES).outcome == state
    assert judge(Facts(seen("gone"), None, State.DONE, stopping=state), RULES).outcome == State.DONE


def test_bad_attempts_are_counted_and_preemptions_with_progress_are_free():
    assert consequence([LOST] * 2, RULES)[0] == State.TODO
    assert consequence([LOST] * 3, RULES) == (State.DEAD, "NODE_FAIL")
    free = [Past(State.YIELDED, Kind.PREEMPTED, "preempted", reached=100 * i) for i in range(1, 50)]
    assert consequence(free, RULES)[0] == State.TODO


def test_attempts_that_lead_nowhere_end_the_job_with_the_reason():
    idle = [Past(State.YIELDED, Kind.PREEMPTED, "time limit", reached=50)] * 4
    assert consequence(idle[:3], RULES)[0] == State.TODO
    assert consequence(idle, RULES) == (State.DEAD, "no progress in 3 attempts; the last one: time limit")


def test_out_of_memory_is_tried_again_while_the_micro_batch_can_shrink():
    past = [Past(State.FAILED, Kind.MEMORY, "out of memory", shrink=i) for i in range(6)]
    assert consequence(past, RULES, smaller=True)[0] == State.TODO
    assert consequence(past, RULES, smaller=False) == (State.FAILED, "out of memory (with the smallest micro-batch)")


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.CONFIG])
def test_what_would_raise_again_is_not_repeated(kind):
    assert consequence([Past(State.FAILED, kind, "ValueError: x")], RULES) == (State.FAILED, "ValueError: x")


def test_only_what_is_known_to_be_saved_counts_as_progress():
    record = Record(began=10, images=90)
    assert reached(record, State.YIELDED) == 90 and reached(record, State.LOST) == 10
    assert reached(None, State.LOST) == reached(Record(), State.LOST) == 0


def test_a_node_is_excluded_after_repeated_failures_and_never_too_many():
    assert excluded({"n1": 1, "n2": 2, "n3": 5}, RULES) == ("n3", "n2")
    assert len(excluded({f"n{i}": 9 for i in range(50)}, RULES)) == RULES.excluded


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


class ConfigError(ValueError):
    """As the methods' registry names it."""


@pytest.mark.parametrize(("error", "kind"), [
    (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), Kind.MEMORY), (MemoryError(), Kind.MEMORY),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), Kind.MEMORY),
    (RuntimeError("CUDA error: an illegal memory access was encountered"), Kind.INFRASTRUCTURE),
    (RuntimeError("NCCL communicator was aborted on rank 1"), Kind.INFRASTRUCTURE),
    (OSError(5, "Input/output error"), Kind.INFRASTRUCTURE), (ConnectionResetError(), Kind.INFRASTRUCTURE),
    (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), Kind.ERROR), (KeyError("net"), Kind.ERROR),
    (ConfigError("method=lsdd is not valid"), Kind.CONFIG)])
def test_failures_are_told_apart(error, kind):
    assert classify(error) == kind
