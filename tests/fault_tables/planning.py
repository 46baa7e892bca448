"""Faults in: What a plan tells of its price, its teachers and the memory of a GPU."""

from fault_tables.base import of

DECISION = "tests/bench/planning/test_decision.py::test_"
PRICE = ("tests/bench/planning/test_sweeps_price.py::"
         "test_every_scale_of_guidance_is_an_evaluation_and_a_guided_step_has_two_rows")
OWN = "tests/bench/planning/test_sweeps_price.py::test_an_evaluation_on_own_data_is_priced_by_the_samples_that_it_takes"
CHANGED = "tests/bench/planning/test_sweeps_price.py::test_from_a_record_that_was_changed_by_hand_nothing_is_learnt"

FAULTS = [
    *of(
        "guided price", "bench/planning/work.py",
        ("guided rows for nothing", "(guided if scale != 1 else 0)", "0", PRICE),
        ("features of one scale", "len(steps) * len(scales) +", "len(steps) +", PRICE),
    ),
    *of(
        "samples", "bench/config/records.py",
        ("own data are priced as a large set", ' or config.get("samples") or', " or", OWN),
        ("a record is priced as its plan", '(config.get("protocol") or {}).get("count") or ', "", OWN),
    ),
    *of(
        "decision", "bench/planning/decision.py",
        ("told for the CPU in years", "self.here is not self.here.on_gpus and", "False and",
         f"{DECISION}what_a_cpu_can_do_is_priced_for_it"),
        ("workers forgotten", "self.jobs)) / self.workers", "self.jobs))", f"{DECISION}what_a_cpu_can_do_is_priced_for_it"),
        ("teachers counted for each student", "sum(map(self.here.gpu_hours, teachers))",
         "students * sum(map(self.here.gpu_hours, teachers))", f"{DECISION}teachers_are_in_the_price_once_and_told_apart"),
        ci="workers forgotten",
    ),
    *of(
        "before a start", "bench/planning/campaign.py",
        ("told of what is short", "if seconds <= HOUR:", "if False:",
         f"{DECISION}what_keeps_this_machine_for_more_than_an_hour_is_told_before_it_starts"),
        ("the longest run for all of them", "makespan(left := todo(timed, states), timed.tail, max(1, workers))",
         "max([job.cost for job in todo(timed, states)]); left = todo(timed, states)",
         f"{DECISION}what_keeps_this_machine_for_more_than_an_hour_is_told_before_it_starts"),
        ("one run has no name of its own", ' or "sweep.name" in request.changed', "",
         "tests/bench/planning/test_folder.py::test_what_differs_names_the_folder"),
    ),
    *of(
        "price", "bench/planning/price.py",
        ("a record changed by hand ends the command", ", ArithmeticError, AttributeError, LookupError, TypeError, ValueError):",
         "):", CHANGED),
        ("an endless run is a rate", "if not (0 < seconds < math.inf and 0 < work < math.inf):",
         "if seconds <= 0 or work <= 0:", CHANGED),
    ),
    *of(
        "teacher's share", "bench/planning/methods.py",
        ("whole for each student", "prices.gpu_hours(own[p]) / students[p]", "prices.gpu_hours(own[p])",
         f"{DECISION}teachers_are_in_the_price_once_and_told_apart"),
        ("an assumed rate passes for a measured one", 'GUESS: "assumed"', 'GUESS: "measured"',
         f"{DECISION}an_assumed_rate_is_said_to_be_assumed_by_method"),
    ),
    *of(
        "memory", "bench/planning/memory.py",
        ("the card that was asked for is forgotten", "if backend.gpu_memory:", "if False:",
         f"{DECISION}the_rows_of_a_pass_are_counted_for_the_card_that_is_asked_for"),
        ("what does not fit is not named", "if need.fit and not need.fit.rows)", "if need.fit and need.fit.rows < 0)",
         f"{DECISION}slices_are_grouped_and_what_does_not_fit_is_named"),
        ("a cluster's GPU taken for the one here", "None if isinstance(backend, Slurm) else", "",
         f"{DECISION}the_gpu_that_is_here_is_the_one_that_is_counted_for"),
        ci="what does not fit is not named",
    ),
    *of(
        "what came later", "bench/planning/identity.py",
        ("a new knob renames old runs", '("method", "curriculum"): "none", ', "",
         "tests/bench/planning/test_identity.py::test_run_ids_are_those_of_before"),
    ),
]  # fmt: skip
