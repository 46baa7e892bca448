"""Claims about the display: fractions of cost, one line per run, plain lines where there is no terminal."""

import io

import pytest

from sweeps.display.progress import Display
from sweeps.display.tally import Tally
from sweeps.engine.seam import Ended, Reported, Started, Stopping, Tick
from sweeps.plan.jobs import Job, Plan
from sweeps.plan.states import State


class Terminal(io.StringIO):
    def isatty(self):
        return True


def plan():
    return Plan([Job("t", "flow matching", {}, cost=4.0, seed=0), Job("s", "lsd", {}, ("t",), cost=4.0, seed=0),
                 Job("old", "ect", {}, cost=2.0, seed=1)])


def test_the_bar_moves_by_cost_and_within_a_run():
    tally = Tally(plan(), {"old": "done", "t": "failed"}, 2)
    assert tally.fraction() == pytest.approx(0.2)
    assert tally.headline() == "3 runs, 2 workers, 1 done"
    tally.take(Started("t", 0), 0.0)
    tally.take(Reported("t", {"images": 500, "budget": 1000, "stage": "train"}), 1.0)
    assert tally.fraction() == pytest.approx(0.4)
    tally.take(Ended("t", State.DONE, "", 1.0), 2.0)
    assert tally.fraction() == pytest.approx(0.6)


def test_without_a_limit_the_bar_says_how_many_run():
    stream = io.StringIO()
    with Display(plan(), {"old": "done"}, None, stream=stream, clock=lambda: 0.0) as display:
        display(Started("t", 0))
    first, last = stream.getvalue().splitlines()
    assert first.startswith("3 runs, 1 running, 1 done ") and last.startswith("3 runs, 1 running, 1 done ")


@pytest.mark.parametrize(("outcome", "at"), [(State.LOST, 0.1), (State.YIELDED, 0.2), (State.INTERRUPTED, 0.2)])
def test_a_run_that_waits_to_be_started_again_is_where_its_checkpoint_is(outcome, at):
    tally = Tally(plan(), {"old": "done"}, 2, {"t": 0.25})
    assert tally.fraction() == pytest.approx(0.2 + 0.1), "what a former command saved"
    tally.take(Started("t", 0), 0.0)
    assert tally.fraction() == pytest.approx(0.3), "and before it has told anything"
    for images in (250, 500):
        tally.take(Reported("t", {"images": images, "budget": 1000, "stage": "train"}), 1.0)
    tally.take(Ended("t", outcome, "x", 1.0), 2.0)
    assert tally.fraction() == pytest.approx(0.2 + at), "a graceful end saves all, a lost run goes on where it began"
    tally.take(Started("t", 0), 3.0)
    tally.take(Ended("t", State.DONE, "", 1.0), 4.0)
    assert tally.fraction() == pytest.approx(0.6)


def test_what_is_skipped_is_behind_us_and_what_is_lost_is_not():
    tally = Tally(plan(), {}, 2)
    assert tally.take(Ended("t", State.LOST, "worker died", 1.0), 0.0) == "t lost: worker died"
    assert tally.fraction() == 0
    assert tally.take(Ended("t", State.FAILED, "ValueError: x", 1.0), 0.0) == "t failed: ValueError: x"
    assert tally.fraction() == pytest.approx(0.8)
    assert tally.headline() == "3 runs, 2 workers, 0 done, 1 failed, 1 skipped"


def test_a_run_shows_its_name_its_stage_and_its_speed():
    tally = Tally(plan(), {}, 2)
    tally.take(Started("t", 1), 0.0)
    for now, images in ((1.0, 1000), (3.0, 5000)):
        tally.take(Reported("t", {"images": images, "budget": 20_000, "stage": "train"}), now)
    assert tally.active["t"].text() == "flow matching seed 0  train  5,000/20,000 images  2,000/s"
    tally.take(Reported("t", {"stage": "evaluate"}), 4.0)
    assert tally.active["t"].text() == "flow matching seed 0  evaluate  5,000/20,000 images"


def test_a_log_gets_whole_lines_and_few_of_them():
    now = [0.0]
    stream = io.StringIO()
    with Display(plan(), {}, 2, stream=stream, clock=lambda: now[0]) as display:
        display(Started("t", 0))
        for second in range(1, 60):
            now[0] = float(second)
            display(Reported("t", {"images": second, "budget": 60, "stage": "train"}))
            display(Tick())
        display(Ended("t", State.DIVERGED, "", 60.0))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5 and "\r" not in stream.getvalue()  # at 0, 20 and 40 s, the accident, the end
    assert lines[2].startswith("3 runs, 2 workers, 0 done   27%  00:40<01:52 | flow matching seed 0  train  40/60")
    assert lines[3] == "t diverged" and lines[4].startswith("3 runs, 2 workers, 0 done, 1 diverged, 1 skipped   80%")


def test_a_terminal_gets_a_bar_and_a_line_per_run():
    now = [0.0]
    stream = Terminal()
    with Display(plan(), {"old": "done"}, 2, stream=stream, clock=lambda: now[0]) as display:
        for id, worker in (("t", 0), ("s", 1)):
            display(Started(id, worker))
            now[0] += 1.0
            display(Reported(id, {"images": 5, "budget": 10, "stage": "train"}))
        display(Ended("t", State.FAILED, "ValueError: x", 1.0))
    text = stream.getvalue()
    assert "flow matching seed 0  train  5/10 images" in text and "lsd seed 0" in text
    assert "t failed: ValueError: x" in text and "3 runs, 2 workers, 1 done" in text


def test_an_empty_plan_can_be_shown():
    with Display(Plan([]), {}, 1, stream=io.StringIO()) as display:
        display(Tick())


def test_a_stop_is_told_at_once_and_not_with_the_next_line():
    stream = io.StringIO()
    with Display(plan(), {}, 2, stream=stream, clock=lambda: 0.0) as display:
        display(Tick())
        display(Stopping(30.0))
        assert stream.getvalue().splitlines()[1:] == [
            "stopping: runs save what they have, for at most 30 s; a second signal (Ctrl-C) ends them at once"]


def scored():
    return Plan([Job(id, id, {}, cost=3.0, scoring=1.0) for id in "ab"])


def test_scoring_has_its_share_of_the_bar_and_only_the_end_is_the_whole():
    tally, told = Tally(scored(), {"b": "done"}, 1), {"images": 9, "budget": 9}
    assert tally.fraction() == pytest.approx(0.5)
    tally.take(Started("a", 0), 0.0)
    tally.take(Reported("a", {**told, "stage": "scoring"}), 1.0)
    assert tally.fraction() == pytest.approx((4 + 3) / 8)
    tally.take(Reported("a", {"images": 1, "budget": 90, "stage": "reference features"}), 1.0)
    assert tally.fraction() == pytest.approx((4 + 3) / 8), "a stage that counts other images takes nothing back"
    tally.take(Reported("a", {**told, "scored": 0.5, "stage": "scoring, 2 of 4"}), 2.0)
    assert tally.fraction() == pytest.approx((4 + 3.5) / 8)
    tally.take(Reported("a", {**told, "scored": 1.0, "stage": "scoring, 4 of 4"}), 3.0)
    assert f"{tally.fraction():.0%}" == "99%"
    tally.take(Ended("a", State.DONE, "", 1.0), 4.0)
    assert tally.fraction() == 1.0


def test_a_run_that_was_trained_by_an_earlier_command_has_its_scoring_left():
    assert Tally(scored(), {"b": "done"}, 1, {"a": 1.0}).fraction() == pytest.approx((4 + 3) / 8)


def test_the_time_left_comes_from_what_this_command_did_alone():
    tally, told = Tally(scored(), {"b": "done"}, 1, {"a": 1.0}), {"images": 9, "budget": 9}
    start = tally.fraction()
    tally.take(Started("a", 0), 0.0)
    for share, stage in ((0.5, "scoring"), (0.75, "scoring, 1 of 4")):  # half was scored before
        assert tally.left(tally.fraction() - start, 60.0) is None, "nothing to tell by"
        tally.take(Reported("a", {**told, "scored": share, "stage": stage}), 1.0)
    assert tally.left(tally.fraction() - start, 60.0) == pytest.approx(60.0)
