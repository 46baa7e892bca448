"""Faults in: What is said of a sweep while it runs and after it: its table, its bar, its plan and its requests."""

from fault_tables.base import of

BAR = "tests/sweeps/display/test_sweeps_progress.py::test_"
INTERRUPT = "tests/sweeps/engine/test_sweeps_interrupt.py::test_"
REQUESTS = "tests/sweeps/engine/test_sweeps_requests.py::test_"
SCORES = "tests/sweeps/display/test_sweeps_tries.py::test_a_run_that_scores_is_not_over"
TRIES = "tests/sweeps/display/test_sweeps_tries.py::test_"

FAULTS = [
    *of(
        "status", "sweeps/status.py",
        ("a done run keeps its last error", 'reason = "" if state == State.DONE else last', "reason = last",
         f"{TRIES}a_run_that_is_done_has_no_last_error_and_its_tries_keep_theirs"),
        ("a diverged run loses its reason", 'reason = "" if state == State.DONE else last', 'reason = ""',
         f"{TRIES}a_run_that_is_done_has_no_last_error_and_its_tries_keep_theirs"),
        ("no labels where hashes alone differ", "< len(shown)", "< 0",
         f"{TRIES}runs_that_a_hash_alone_tells_apart_are_shown_with_their_labels"),
        ("labels where runs are told apart", "< len(shown)", "<= len(shown)",
         f"{TRIES}runs_that_a_hash_alone_tells_apart_are_shown_with_their_labels"),
        ci="a done run keeps its last error",
    ),
    *of(
        "status", "sweeps/display/picture.py",
        ("the second column is coloured as the state", 'state if name == "state" else INK for name in cells[0][:-1]',
         "state if name == cells[0][1] else INK for name in cells[0][:-1]",
         f"{TRIES}runs_that_a_hash_alone_tells_apart_are_shown_with_their_labels"),
    ),
    *of(
        "stopping", "sweeps/engine/loop.py",
        ("a stop is not told", "progress(Stopping(grace))", "pass",
         f"{INTERRUPT}a_second_signal_ends_everything_at_once"),
        ("a run in this process is stopped in silence", "        if watch.count:\n            _answer(",
         "        if False:\n            _answer(",
         f"{INTERRUPT}without_workers_a_signal_stops_the_run_in_this_process_just_the_same"),
        ("a stop is told with every report", "watch.told = True", "pass",
         f"{INTERRUPT}a_second_signal_ends_everything_at_once"),
    ),
    *of(
        "stopping", "sweeps/display/progress.py",
        ("a stop is told with the next line", "if told := self._tally.take(event, now):",
         "if (told := self._tally.take(event, now)) and now >= self._due:",
         f"{BAR}a_stop_is_told_at_once_and_not_with_the_next_line"),
    ),
    *of(
        "bar", "sweeps/display/tally.py",
        ("scoring has no share", "float(info.get(\"scored\", 0.0)) * self.job.scoring", "0.0",
         f"{BAR}scoring_has_its_share_of_the_bar_and_only_the_end_is_the_whole"),
        ("the bar falls where other images are counted", "max(before, self._share(info))", "self._share(info)",
         f"{BAR}scoring_has_its_share_of_the_bar_and_only_the_end_is_the_whole"),
        ("what an earlier command scored counts as gained", "self.resumed + self.behind - before", "0.0",
         f"{BAR}the_time_left_comes_from_what_this_command_did_alone"),
        ("a trained run is taken for a scored one", "share * plan[id].cost / (plan[id].whole or 1.0)", "share",
         f"{BAR}a_run_that_was_trained_by_an_earlier_command_has_its_scoring_left"),
        ("no limit is one worker", "if self.workers is None else", "if False else",
         f"{BAR}without_a_limit_the_bar_says_how_many_run"),
    ),
    *of(
        "bar", "sweeps/display/ahead.py",
        ("99.6 % reads as the whole", "ALMOST = 0.994", "ALMOST = 1.0",
         (f"{BAR}scoring_has_its_share_of_the_bar_and_only_the_end_is_the_whole", SCORES)),
        ("scoring is not in the status", "(1 - part) * record.scored", "0.0", SCORES),
        ("a trained run is a whole one", "return cost / (cost + scoring) if", "return 1.0 if", SCORES),
        ("images a second while none is trained", "if trained < 1 and not record.scored else None", "if True else None",
         SCORES),
        ("what an earlier start scored took no time", "or began == 1:", "or False:", SCORES),
    ),
    *of(
        "status", "sweeps/engine/files.py",
        ("the plan forgets what scoring costs", '"scoring": job.scoring', '"scoring": 0.0',
         "tests/sweeps/engine/test_sweeps_requests.py::test_a_plan_that_is_written_says_what_training_and_scoring_cost"),
    ),
    *of(
        "bar", "bench/run.py",
        ("a cluster has one worker", "None if backends.unbound(wanted.backend) else workers", "workers",
         "tests/bench/planning/test_sweeps_price.py::test_nor_does_its_bar_name_a_number_of_workers"),
    ),
    *of(
        "requests", "sweeps/engine/requests.py",
        ("finished runs are asked for", 'print(f"nothing to {verb}: {finished}")\n            return 0', "pass",
         f"{REQUESTS}where_all_runs_have_ended_with_a_result_there_is_nothing_to_ask"),
        ("one finished run speaks for all", "any(read_status(", "all(read_status(",
         f"{REQUESTS}of_named_runs_only_theirs_counts"),
        ("no run is known, so all are finished", "if not asked or any(", "if any(",
         f"{REQUESTS}a_sweep_whose_plan_is_not_known_is_asked"),
    ),
    *of(
        "plan", "sweeps/plan/describe.py",
        ("no limit is one worker", "len(left) if workers is None else workers", "workers or 1",
         "tests/sweeps/plan/test_sweeps_plan.py::test_without_a_limit_all_that_need_not_wait_run_at_once"),
    ),
    *of(
        "plan", "bench/planning/campaign.py",
        ("a cluster has one worker", "None if backends.unbound(self.request.backend) else workers", "workers",
         "tests/bench/planning/test_sweeps_price.py::test_a_cluster_without_a_limit_runs_all_at_once"),
    ),
    *of(
        "plan", "bench/planning/backends.py",
        ("jobs of an array that run at a time are no limit", "and backend.parallel is None", "",
         "tests/bench/planning/test_sweeps_price.py::test_a_cluster_without_a_limit_runs_all_at_once"),
    ),
]  # fmt: skip
