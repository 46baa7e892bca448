"""Faults in: Classes and guidance: whose label a sample has, what is dropped, drawn, guided and paid for."""

from fault_tables.base import of

BATCHES, DATA = "tests/bench/training/test_batches.py::test_", "tests/bench/data/test_labels.py::test_"
GUIDANCE, RUN = "tests/bench/scoring/test_guidance.py::test_", "tests/bench/test_conditional.py::test_"
TARGETS = "tests/methods/test_guided_targets.py::test_"
DROP = BATCHES + "a_share_of_the_samples_loses_its_class_and_nothing_else_changes"
FIXED = TARGETS + "the_guided_velocity_is_the_fixed_point_and_samples_without_a_class_keep_their_own"
FREQUENT = GUIDANCE + "classes_come_as_often_as_in_training_and_depend_on_the_chunk_alone"

FAULTS = [
    *of(
        "labels", "bench/data/found.py",
        ("held-out images of other classes", 'if classes["classes"] and (', 'if not classes["classes"] and (',
         DATA + "labels_beside_held_out_images_are_of_the_classes_that_are_trained_on"),
    ),
    *of(
        "labels", "bench/data/arrays.py",
        ("a label of any size", "if not 0 <= label <= MOST:", "if label < 0:",
         DATA + "labels_that_are_no_classes_are_refused_by_a_conditional_run_alone[huge]"),
    ),
    *of(
        "dropped classes", "bench/training/batches.py",
        ("the share that keeps its class", 'draws.uniform("label") < self.drop', 'draws.uniform("label") >= self.drop', DROP),
        ("the last class for none", "torch.full_like(labels, self.classes), labels)",
         "torch.full_like(labels, self.classes - 1), labels)", DROP),
        ("by the draw of the samples", 'draws.uniform("label")', 'draws.uniform("data")', DROP),
        ("with what augmentation did", "for c in (labels, null))", "for c in (null, null))",
         BATCHES + "with_augmentation_the_class_stands_before_what_was_done_and_is_dropped_alone"),
        ci="the last class for none",
    ),
    *of(
        "guidance", "methods/tools/guidance.py",
        ("away from the class", "of_none + self.scale * (of_class - of_none)", "of_class + self.scale * (of_none - of_class)",
         GUIDANCE + "a_guided_step_is_its_equation"),
        ("one more than the scale", "of_none + self.scale * (of", "of_class + self.scale * (of",
         (GUIDANCE + "a_guided_step_is_its_equation", GUIDANCE + "the_scale_zero_is_no_class")),
        ("dropped samples guided", "return torch.where(align(has, speed), guided, speed)", "return guided", FIXED),
        ("weights that do not sum to one", "(1 - omega - kappa) * of_none", "(1 - omega) * of_none", FIXED),
        ("kappa for no class", "omega * speed + kappa * of_class + (1 - omega - kappa) * of_none",
         "omega * speed + kappa * of_none + (1 - omega - kappa) * of_class", FIXED),
        ci="away from the class",
    ),
    *of(
        "guidance", "methods/meanflow.py",
        ("never in the target", "        if self.guided:\n            speed", "        if False:\n            speed",
         TARGETS + "the_loss_of_meanflow_regresses_on_the_guided_velocity"),
        ("always in the target", "return (self.omega, self.kappa) != (1, 0)", "return True",
         TARGETS + "without_guidance_meanflow_calls_nothing_more_and_asks_for_no_classes"),
    ),
    *of(
        "guidance", "bench/scoring/labels.py",
        ("paid for at the scale one", "self.scale != 1 and low <= time", "low <= time",
         GUIDANCE + "the_scale_one_is_no_guidance_to_the_bit_and_costs_nothing"),
        ("outside of its interval too", "low <= time < high", "True",
         GUIDANCE + "a_step_that_begins_outside_the_interval_is_not_guided"),
        ("classes alike often", "torch.tensor(self.counts, dtype=torch.float64)",
         "torch.tensor([1] * len(self.counts), dtype=torch.float64)", FREQUENT),
        ("every chunk the same classes", '"label", index)', '"label")', FREQUENT),
    ),
    *of(
        "classes sampled", "bench/scoring/sample.py",
        ("classes of another seed", "self.labels.drawn(self.seed, index, self.chunk)",
         "self.labels.drawn(self.seed + 1, index, self.chunk)", GUIDANCE + "each_sample_is_of_its_own_class"),
    ),
    *of(
        "classes of data", "bench/data/images.py",
        ("labels not split with their images", "labels=numbers[train], heldout", "labels=numbers[: len(train)], heldout",
         DATA + "each_image_of_an_array_keeps_its_own_label_on_either_side_of_the_split[False]"),
    ),
    *of(
        "classes of data", "bench/data/arrays.py",
        ("a class without an image", "if len(empty := np.flatnonzero(classes != np.arange(len(classes)))):",
         "if len(empty := classes[:0]):",
         DATA + "labels_that_are_no_classes_are_refused_by_a_conditional_run_alone[gap]"),
    ),
    *of(
        "classes of data", "bench/data/files.py",
        ("the folder next to the image", "number[parts[0]]", "number.get(parts[-1], 0)",
         DATA + "the_first_folder_that_an_image_lies_in_is_its_class"),
    ),
    *of(
        "classes of data", "bench/data/dataset.py",
        ("another class held out", "torch.eq(beside, label)", "torch.ne(beside, label)",
         RUN + "one_class_is_compared_with_its_own_images_under_a_protocol_of_its_own"),
    ),
    *of(
        "classes of data", "bench/planning/jobs.py",
        ("reference rows of their own", "told = reference_id(scored, content(experiment.data), False) in labelled",
         "told = experiment.conditional",
         RUN + "conditional_and_other_runs_stand_in_one_table_with_one_set_of_reference_rows"),
    ),
    *of(
        "classes of data", "bench/scoring/score_images.py",
        ("right where it is wrong", "(net.classify(of_net).cpu() == labels)", "(net.classify(of_net).cpu() != labels)",
         RUN + "held_out_data_say_how_often_the_classifier_is_right_where_models_are_told_classes"),
    ),
]  # fmt: skip
