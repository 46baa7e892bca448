"""Claims about what a queue is offered, and about the last words of a job."""

from hypothesis import given
from hypothesis import strategies as st

from sweeps.engine.failures import WORDS, last_words
from sweeps.engine.offer import LONGEST, Offer


def fill(offer, queue, ready, limit, now):
    """One pass: offers until the queue has what it takes; how often it was asked."""
    asked = 0
    while ready - queue[0] and (some := offer.most(ready - queue[0], now)):
        asked += 1
        if queue[0] + some > limit:
            offer.refused(some, "full", now)
        else:
            queue[0] += some
            offer.taken(some)
            if not offer.limited:
                break
    return asked


@given(st.integers(1, 3000), st.integers(0, 3000))
def test_whatever_the_limit_it_is_filled_and_seldom_asked(ready, limit):
    queue, offer = [0], Offer()
    asked = fill(offer, queue, ready, limit, 0.0)
    assert queue[0] == min(ready, limit)
    assert asked <= 2 + ready.bit_length() * (2 + min(ready, limit).bit_length())
    assert offer.limited == (ready > limit)


@given(st.integers(2, 50), st.lists(st.floats(0.1, 600), max_size=30))
def test_a_full_queue_is_left_alone_for_a_while_and_asked_when_a_job_has_ended(limit, waits):
    queue, offer, now, pauses = [0], Offer(), 0.0, []
    fill(offer, queue, 100, limit, now)
    assert offer.most(1, now) == 0
    for wait in waits:
        now += wait
        if offer.most(1, now):
            fill(offer, queue, 100, limit, now)
            pauses.append(now)
    assert all(b - a >= 5.0 for a, b in zip([0.0, *pauses], pauses, strict=False))
    now += 0.1
    offer.freed()
    queue[0] -= 1
    fill(offer, queue, 100, limit, now)
    assert queue[0] == limit
    assert offer.most(1, now + 2 * LONGEST) == 1


def test_last_words_are_the_lines_that_tell_of_an_error(tmp_path):
    log = tmp_path / "log"
    assert last_words(log) == ""
    log.write_text("loading\nstep 3\n")
    assert last_words(log) == "step 3"
    log.write_text("module: command not found\nTraceback (most recent call last):\n  File x, line 3\nFileNotFoundError: a.pkl\n"
                   "srun: error: n1: task 0: Exited with exit code 1\nsrun: Terminating StepId=3.0\n")
    assert last_words(log) == "module: command not found; FileNotFoundError: a.pkl"
    log.write_text("srun: error: n1: task 0: Exited with exit code 1\n")
    assert last_words(log) == "srun: error: n1: task 0: Exited with exit code 1"
    log.write_bytes(b"x" * 100_000 + b"\nerror: \xff " + b"y" * 1000)
    assert len(last_words(log)) == WORDS
