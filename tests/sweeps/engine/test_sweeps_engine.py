"""Claims about the reconcile loop behind its seam, with a backend that executes nothing."""

import json
import signal

import fake_jobs

from sweeps.engine.control import Controller
from sweeps.engine.files import Disk
from sweeps.engine.loop import reconcile
from sweeps.engine.rules import Rules
from sweeps.engine.seam import Detached, Seen, Where
from sweeps.plan.jobs import Job, Plan
from sweeps.plan.states import State


class Scripted:
    """A backend whose attempts end as a script says; `during` is called while the first one runs."""

    attached, interval = True, 0.0

    def __init__(self, *outcomes, slots=1, during=lambda: None):
        self.outcomes, self.slots, self.during = list(outcomes), slots, during
        self.running, self.order, self.verbs = [], [], []

    def connect(self, report):
        pass

    def room(self, wanted):
        return min(wanted, self.slots - len(self.running))

    def submit(self, attempts):
        self.running += attempts
        self.order += [attempt.job.id for attempt in attempts]
        assert len(self.running) <= self.slots
        return [attempt.tag for attempt in attempts]

    def poll(self, handles):
        self.during()
        self.during = lambda: None
        attempt, outcome = self.running.pop(0), self.outcomes.pop(0)
        if outcome != State.LOST:
            folder = attempt.folder / "attempts"
            folder.mkdir(parents=True, exist_ok=True)
            record = {"tag": attempt.tag, "outcome": str(outcome), "ended": 1.0, "reason": "as scripted"}
            (folder / f"{attempt.number:04d}.json").write_text(json.dumps(record))
        return {attempt.tag: Seen(Where.GONE, reason="as scripted")}

    def cancel(self, handles, now=False):
        self.verbs.append("cancel")

    def logs(self, handle):
        return None

    def wait(self, seconds):
        pass

    def close(self):
        self.verbs.append("close")


def plan():
    return Plan([Job("cheap", "c", {}), Job("teacher", "t", {}), Job("student", "s", {}, ("teacher",), cost=9)])


def test_the_head_of_the_longest_chain_goes_first(tmp_path):
    backend = Scripted(*[State.DONE] * 3)
    assert reconcile(plan(), backend, tmp_path).done == ("cheap", "teacher", "student")
    assert backend.order == ["teacher", "student", "cheap"] and "close" in backend.verbs


def test_a_lost_attempt_is_repeated_up_to_the_limit(tmp_path):
    backend = Scripted(State.LOST, State.DONE, State.LOST, State.LOST, State.DONE)
    outcome = reconcile(plan(), backend, tmp_path, rules=Rules(attempts=2))
    assert backend.order == ["teacher", "teacher", "student", "student", "cheap"]
    assert outcome.failed == {"student": "as scripted"}


def test_a_worker_that_dies_after_the_last_word_of_its_run_does_not_fail_it(tmp_path):
    folder = tmp_path / "runs" / "a"
    backend = Scripted(State.LOST, State.DONE, during=lambda: fake_jobs.write_status(folder, "diverged"))
    outcome = reconcile(Plan([Job("a", "a", {}), Job("b", "b", {})]), backend, tmp_path, rules=Rules(attempts=1))
    assert outcome.diverged == ("a",) and outcome.done == ("b",)


def test_an_attempt_that_the_user_cut_short_is_no_failure(tmp_path):
    for accident in (State.INTERRUPTED, State.LOST):
        backend = Scripted(accident, during=lambda: signal.raise_signal(signal.SIGINT))
        outcome = reconcile(plan(), backend, tmp_path, rules=Rules(attempts=1))
        assert outcome.interrupted and outcome.left == ("cheap", "teacher", "student") and not outcome.failed


def test_what_completes_in_spite_of_a_signal_is_complete(tmp_path):
    backend = Scripted(State.DONE, during=lambda: signal.raise_signal(signal.SIGTERM))
    outcome = reconcile(Plan([Job("a", "a", {})]), backend, tmp_path)
    assert outcome.done == ("a",) and not outcome.interrupted


def test_the_handlers_of_the_caller_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    reconcile(Plan([]), Scripted(), tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class Deserted(Detached):
    """A cluster that has no room and knows of nothing."""

    def room(self, wanted):
        return 0

    def poll(self, handles):
        return {}

    def find(self, tags):
        return {}


def test_a_lost_submission_of_a_host_whose_clock_is_ahead_is_given_up_as_soon_as_any(tmp_path):
    disk, now = Disk(tmp_path, "night"), [1000.0]
    disk.append([{"event": "begin"}, {"event": "intent", "job": "a", "attempt": 1, "tag": "t", "time": 9000.0}])
    control = Controller(Plan([Job("a", "a", {})]), Deserted(), disk, tmp_path, "x", lambda: now[0], Rules(unseen=120.0),
                         lambda event: None)
    control.begin()
    for now[0], state in ((1000.0, State.QUEUED), (1119.0, State.QUEUED), (1140.0, State.TODO)):
        control.step()
        assert control.states["a"] == state
    disk.close()
