"""Faults in: What fresh users stumbled on: published numbers that find no row, who runs a sweep, doubts, broken photographs."""

from fault_tables.base import of

TABLES, DATA = "tests/results/tables/test_", "tests/bench/data/test_data.py::test_"
PUBLISHED, VIEWS, TABLE = (f"{TABLES}{name}.py::test_" for name in ("published", "results_views", "results_table"))
CARD, TRIES = "tests/results/webpage/test_card.py::test_", "tests/sweeps/display/test_sweeps_tries.py::test_"
MEANT = f"{PUBLISHED}what_may_be_meant_is_named_where_no_number_is_found"
NUMBERS = f"{VIEWS}a_number_written_otherwise_is_no_difference_and_a_switch_is_no_number"
LOCK = f"{TRIES}who_runs_a_local_sweep_is_told_by_the_lock_of_its_journal"
ALL = f"{DATA}all_files_that_cannot_be_used_are_named_at_once"
SAMPLED = "tests/bench/test_conditional.py::test_a_finished_model_samples_by_the_training_frequencies_or_one_class"
NEWEST = ("tests/sweeps/engine/test_find_sweep.py::"
          "test_without_a_name_the_status_is_that_of_the_sweep_that_was_written_to_last")

REOPEN, ABLATIONS = "tests/bench/planning/test_reopen.py::test_", "tests/bench/config/test_sweeps_ablations.py::test_"
OPTIONS = "tests/results/test_report_options.py::test_"
SWEEP = f"{OPTIONS}a_sweep_of_this_folder_is_found_by_its_name"
CHOICE = "tests/bench/config/test_config.py::test_a_key_of_a_backend_is_looked_for_among_those_of_backends"
STAR = "a_label_is_chosen_alone_and_a_star_brings_all_that_begin_so"
GONE = "tests/bench/test_run.py::test_a_table_that_loses_runs_to_another_command_of_its_name_says_so"
PRICED = "a_plan_says_and_prices_what_finished_runs_are_taken_up_for_and_writes_nothing"

FAULTS = [
    *of(
        "published numbers that are found", "results/compared/beside.py",
        ("no protocol by its id", 'protocol == row["protocol"] or ', "",
         f"{PUBLISHED}a_protocol_may_be_named_by_its_id_as_our_tables_print_it"),
        ("rows of an ablation are not named", "if meant and row", "if not meant and row", MEANT),
        ("what begins with a label is it", 'if meant and row["label"] not in labels:', "if meant:",
         f"{PUBLISHED}a_row_of_the_very_label_is_meant_and_none_that_begins_with_it"),
        ("no metric is near", "metrics, 1, 0.8)", "set(), 1, 0.8)", MEANT),
    ),
    *of(
        "differences", "results/records/compare.py",
        ("1 is not 1.0", "return a == b and isinstance", "return False and isinstance", NUMBERS),
        ("a switch is a number", " and isinstance(a, bool) == isinstance(b, bool)", "", NUMBERS),
    ),
    *of(
        "status", "sweeps/status.py",
        ("nobody holds a local sweep", 'words[1] == "FLOCK"', 'words[1] == "POSIX"', LOCK),
        ("a stage's number is a state", 'word if word.isalpha() else "train"', "word",
         f"{TRIES}runs_in_one_state_are_counted_together_whatever_else_is_said_of_them"),
    ),
    *of(
        "doubts", "results/webpage/card.py",
        ("a card without its doubt", "_value(row, doubt)", "_value(row)",
         f"{CARD}a_value_that_says_little_of_the_method_is_marked_as_in_the_table"),
    ),
    *of(
        "doubts", "results/tables/render.py",
        ("a terminal without its samples", ", {captions.evaluations(methods)}", "",
         f"{TABLE}a_method_that_never_finishes_stays_as_a_nan_row"),
    ),
    *of(
        "photographs", "bench/data/found.py",
        ("the first alone", "; nor can {len(more):,} more be used: {others}", "", ALL),
        ("left out without a word", "    if faults:\n", "    if not faults:\n", ALL),
    ),
    *of(
        "a model asked for what is none", "bench/scoring/model.py",
        ("nan and less than nothing", " and math.isfinite(guidance) and guidance >= 0):", "):", SAMPLED),
        ("no sample at all", "if not isinstance(value, int) or value < 1:", "if not isinstance(value, int):", SAMPLED),
    ),
    *of(
        "the newest sweep", "sweeps/engine/requests.py",
        ("the oldest", "return journals[-1].parent", "return journals[0].parent", NEWEST),
        ("by its name", "key=lambda path: path.stat().st_mtime_ns)", "key=str)", NEWEST),
    ),
    *of(
        "the picture of a status", "sweeps/status.py",
        ("in a file of another kind", 'if given.picture.suffix != ".svg":', "if False:",
         "tests/sweeps/engine/test_find_sweep.py::test_a_picture_is_no_other_kind_of_file_than_its_name_says"),
    ),
    *of(
        "a report by name", "results/report.py",
        ("a name is no sweep", "return SWEEPS / place if", "return place if", SWEEP),
    ),
    *of(
        "a key of another choice", "bench/config/command.py",
        ("of backends alone", 'if group in ("backend", "data", "backbone") else []', 'if group == "backend" else []', CHOICE),
        ("plugins of methods alone", 'g.key in ("method", "sweep")', 'g.key == "method"', CHOICE),
    ),
    *of(
        "what is left to do", "bench/planning/price.py",
        ("all of it", "* (1 - self.begun.get(job.id, 0.0))", "", f"{REOPEN}what_a_run_has_behind_it_costs_nothing_more"),
        ("on GPUs all of it", 'Prices(self.out, "cuda", self.begun)', 'Prices(self.out, "cuda")',
         f"{REOPEN}what_a_run_has_behind_it_costs_nothing_more"),
    ),
    *of(
        "what is left to do", "bench/planning/campaign.py",
        ("an evaluation costs nothing", "**dict.fromkeys(again, State.INTERRUPTED)", "", f"{REOPEN}{PRICED}"),
        ("not a word", "*told(again),", "", f"{REOPEN}{PRICED}"),
    ),
    *of(
        "what is left to do", "bench/planning/begun.py",
        ("weights that are gone", "if job.kind == \"method\" and (needed or not alike):", "if needed:", f"{REOPEN}{PRICED}"),
    ),
    *of(
        "a knob of nobody", "bench/config/points.py",
        ("passes", 'if key.startswith("method.") and key not in self.used', 'if False and key not in self.used',
         f"{ABLATIONS}a_knob_that_none_of_the_sweeps_methods_has_is_an_error"),
        ("of a narrower command", 'f"sweep.{where}: {key}", every)', 'f"sweep.{where}: {key}", self.methods)',
         f"{ABLATIONS}a_command_of_fewer_methods_leaves_out_the_ablations_of_the_others"),
    ),
    *of(
        "two sweeps in one table", "results/statistics/scores.py",
        ("draws twice", "if (draw := (row.protocol, label, row.metric, row.evaluation_seed, row.value)) in drawn:", "if False:",
         f"{TABLE}references_that_two_sweeps_drew_alike_count_once"),
    ),
    *of(
        "two sweeps in one table", "results/report.py",
        ("in the first one's place", '"with": [name(place) for place in options.folders[1:]]', '"with": []', SWEEP),
    ),
    *of(
        "two sweeps in one table", "results/diff.py",
        ("by folders alone", "[report.of_name(place) for place in options.places]", "list(options.places)", SWEEP),
    ),
    *of(
        "a card", "results/webpage/card.py",
        ("of its whole ablation", "[run for run in training if run[0].label == trained] or", "",
         f"{CARD}of_an_ablation_the_compute_is_that_of_its_own_row"),
    ),
    *of(
        "one label", "results/records/chosen.py",
        ("with all of its method", "[name] if name in own else", "[] if False else", f"{OPTIONS}{STAR}"),
        ("no stars", '("*" in name and fnmatchcase(label, name))', "False", f"{OPTIONS}{STAR}"),
    ),
    *of(
        "a smaller table", "bench/run.py",
        ("without a word", "if run not in labels]", "if False]", GONE),
        ("of runs that never were", 'if (out / "runs" / run).exists()', "if True", GONE),
    ),
]  # fmt: skip
