"""Claims about one failing run among many: it harms nobody, and the same command afterwards repairs only that one."""

import fake_jobs

from sweeps.backends.inline import run_inline
from sweeps.backends.local import run
from sweeps.engine.seam import Growth
from sweeps.plan.jobs import Job, Plan
from sweeps.plan.states import State


def plan(act):
    return Plan([*(Job(f"j{i}", "x", {"act": act if i == 37 else "done"}) for i in range(100)),
                 Job("student", "s", {}, ("j37",)), Job("grandchild", "g", {}, ("student",)), Job("other", "o", {}, ("j1",))])


def test_one_failure_in_a_hundred_leaves_ninety_nine_done_and_is_repaired_alone(tmp_path):
    first = run_inline(plan("fail"), fake_jobs.execute, tmp_path)
    assert len(first.done) == 100 and first.failed == {"j37": "ValueError: no such thing"}
    assert first.skipped == {"student": "its parent j37 failed", "grandchild": "its parent student was skipped"}
    again = run_inline(plan("done"), fake_jobs.execute, tmp_path)
    assert len(again.done) == 103 and not again.failed and not again.skipped
    counts = {id: len(fake_jobs.executions(tmp_path, id)) for id in plan("done").ids}
    assert counts.pop("j37") == 2 and set(counts.values()) == {1}


def test_out_of_memory_is_tried_again_with_a_smaller_micro_batch(tmp_path):
    seen = []

    def hungry(config, folder, report):
        seen.append(config["micro_batch"])
        if config["micro_batch"] > 30:
            raise MemoryError("out of memory")
        return "done"

    def smaller(config, times):
        return {**config, "micro_batch": config["micro_batch"] >> times} if config["micro_batch"] >> times else None

    jobs = Plan([Job("a", "a", {"micro_batch": 128})])
    assert run_inline(jobs, hungry, tmp_path, smaller=smaller).done == ("a",)
    assert seen == [128, 64, 32, 16]
    assert run_inline(jobs, hungry, tmp_path / "other").failed["a"].endswith("(with the smallest micro-batch)")


def test_an_error_of_the_infrastructure_is_tried_again_up_to_the_limit(tmp_path):
    calls = []

    def broken(config, folder, report):
        calls.append(1)
        raise OSError(5, "Input/output error")

    found = run_inline(Plan([Job("a", "a", {}), Job("b", "b", {}, ("a",))]), broken, tmp_path, max_attempts=3)
    assert len(calls) == 3 and "Input/output error" in found.failed["a"] and found.skipped.keys() == {"b"}


class Search:
    """Three trials, one after the other; the second is stopped early."""

    def __init__(self):
        self.asked = 0

    def advance(self, states, free):
        settled = [state for state in states.values() if state in (State.DONE, State.PRUNED)]
        if len(settled) < self.asked or free <= 0:
            return Growth(prune={"t1": "worse than the median at rung 1"} if "t1" in states else {})
        if self.asked == 3:
            return Growth(closed=True)
        self.asked += 1
        act = "wait_for_file" if self.asked == 2 else "done"
        return Growth((Job(f"t{self.asked - 1}", "trial", {"act": act, "gate": "never/opens"}),))


def test_a_search_lets_the_plan_grow_and_prunes(tmp_path):
    found = run(Plan([]), "fake_jobs:execute", tmp_path, 1, source=Search())
    assert found.done == ("t0", "t2") and found.pruned == {"t1": "worse than the median at rung 1"}
    again = run(Plan([]), "fake_jobs:execute", tmp_path, 1, source=Search())
    assert again.done == found.done and again.pruned == found.pruned
    assert [len(fake_jobs.executions(tmp_path, f"t{i}")) for i in range(3)] == [1, 1, 1]
