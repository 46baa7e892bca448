"""Faults in: What is said of a sweep while it runs and after it: its table, its bar, its plan and its requests."""

from fault_tables.base import of

TRIES = "tests/sweeps/display/test_sweeps_tries.py::test_"

FAULTS = [
    *of(
        "status", "sweeps/status.py",
        ("a done run keeps its last error", 'reason = "" if state == State.DONE else last', "reason = last",
         f"{TRIES}a_run_that_is_done_has_no_last_error_and_its_tries_keep_theirs"),
        ("a diverged run loses its reason", 'reason = "" if state == State.DONE else last', 'reason = ""',
         f"{TRIES}a_run_that_is_done_has_no_last_error_and_its_tries_keep_theirs"),
        ci="a done run keeps its last error",
    ),
]  # fmt: skip
