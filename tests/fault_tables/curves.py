"""Faults in: The curves of a training, where they are watched, and how they are drawn."""

from fault_tables.base import of

CURVES, PICTURE = "tests/bench/accounts/test_curves.py::", "tests/results/test_curves_picture.py::"
KILLED = CURVES + "test_a_killed_run_writes_no_step_twice_and_leaves_no_hole"
TOGETHER = PICTURE + "test_up_to_twelve_methods_share_axes_and_no_two_look_alike_without_colour"
AGAIN = PICTURE + "test_what_a_report_leaves_draws_them_again_where_the_runs_are_not"

FAULTS = [
    *of(
        "curves", "results/records/curves.py",
        ("not cut to the checkpoint", 'if look["step"] <= step], []', "], []", KILLED),
        ("a torn line is read", "csv.reader(lines[:-1])", "csv.reader(lines)",
         CURVES + "test_values_that_begin_later_have_a_column_from_then_on_and_a_torn_line_is_left_out"),
        ("a new value without its column", "and set(look) <= set(self._names)", "and self._names",
         CURVES + "test_values_that_begin_later_have_a_column_from_then_on_and_a_torn_line_is_left_out"),
    ),
    *of(
        "curves", "bench/accounts/curves.py",
        ("a sink is told what it has", "for name, sink in self._sinks.items() if step > sink.told]", "for name in self._sinks]",
         KILLED + "[75]"),
        ("a sink is not told what it lacks", 'if look["step"] > sink.told and values:', "if False:", KILLED + "[40]"),
        ("a sink's fault ends the training", "except Exception as error:", "except KeyError as error:",
         CURVES + "test_a_sink_that_fails_is_told_once_and_the_training_ends_well"),
        ("told at every look", "if name not in self._warned:", "if True:",
         CURVES + "test_a_full_disk_is_told_once_and_what_was_not_written_is_written_later"),
        ("scores told twice", "if (images, name) not in have}", "}",
         CURVES + "test_the_metric_of_milestones_is_a_curve_that_is_told_once"),
        ("any sampler's score", "if first.setdefault((row.metric, row.steps), row.sampler) == row.sampler:", "if True:",
         CURVES + "test_the_metric_of_milestones_is_a_curve_that_is_told_once"),
        ci="a sink is not told what it lacks",
    ),
    *of(
        "curves", "bench/accounts/trace.py",
        ("the norms of other tensors", "zip(taken.moved, taken.values[len(taken.losses) :]", "zip(taken.moved, taken.values",
         CURVES + "test_gradients_are_means_over_the_steps_that_took_them_and_several_losses_have_names"),
    ),
    *of(
        "curves", "bench/accounts/sinks.py",
        ("TensorBoard keeps what was undone", ", purge_step=step + 1)", ")",
         "tests/bench/accounts/test_sinks.py::test_its_own_reader_finds_every_look_of_a_killed_run_once[tensorboard]"),
        ("two starts in one second", "if begun:  # files", "if False:  # files",
         "tests/bench/accounts/test_sinks.py::test_two_starts_in_one_second_are_read_in_their_order"),
        ("W&B is not asked what it has", "self.told = self._last = max(kept, self._run.step - 1)",
         "self.told = self._last = step",
         "tests/bench/accounts/test_sinks.py::test_its_own_reader_finds_every_look_of_a_killed_run_once[wandb]"),
    ),
    *of(
        "curves", "bench/job.py",
        ("every rank writes", "experiment.train.log, about) if dist.leads() else None", "experiment.train.log, about)",
         CURVES + "test_one_rank_writes_them"),
    ),
    *of(
        "curves", "bench/planning/identity.py",
        ("a name by where its curves go", '"logs", "log", ', '"logs", ',
         CURVES + "test_where_curves_go_does_not_change_a_runs_identity"),
    ),
    *of(
        "curves' picture", "results/drawing.py",
        ("curves of other runs are kept", "keep_curves(told, ", "keep_curves(looks or {}, ", AGAIN),
    ),
    *of(
        "curves' picture", "results/webpage/card.py",
        ("a way of sampling has no training", "looks or {}, trained, metric", "looks or {}, method, metric",
         PICTURE + "test_a_card_of_another_way_of_sampling_shows_the_training_behind_it"),
    ),
    *of(
        "curves' picture", "results/report.py",
        ("curves that a sweep left are not looked for", "looks |= kept_curves(home / KEPT_CURVES)", "pass", AGAIN),
    ),
    *of(
        "curves' picture", "results/pictures/curves.py",
        ("seconds in proportion to images", "if timed and timed[-1][0] >= images:", "if False:", TOGETHER),
        ("without the teacher", "return own + (record.teacher_seconds if", "return own + (0.0 if", TOGETHER),
        ("one sampler for all methods", "first.setdefault((label, row.steps), row.sampler)",
         'first.setdefault(("", row.steps), row.sampler)', TOGETHER),
        ("by colour alone", "marker=MARKERS[index % len(MARKERS)],\n", 'marker="o",\n', TOGETHER),
        ("the card shows every training", "and only in (None, labels[record.run_id])]", "]",
         PICTURE + "test_a_card_shows_the_curves_of_its_method_alone"),
        ("one score taken for a curve", "on_the_way = any(len(points) > 1", "on_the_way = any(len(points) > 0",
         PICTURE + "test_one_score_is_no_curve_and_nothing_told_is_no_picture"),
    ),
]  # fmt: skip
