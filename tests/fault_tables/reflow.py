"""Faults in: reflow and MeanFlow on its pairs."""

from fault_tables.base import of

OF = "reflow::test_"
FIRST = OF + "the_first_round_is_flow_matching_on_the_stored_pairs"
LATER = OF + "later_rounds_and_the_last_step_learn_from_new_pairs_of_the_student_before"
PASSES, STAGES = "tests/methods/test_method_passes.py::test_", "tests/bench/training/test_stages.py::test_"
MASKS, LABELS = PASSES + "the_passes_of_a_loss_have_the_masks_of_the_papers", PASSES + "every_pass_sees_each_samples_own_label"
OWN = OF + "pairs_have_no_labels_and_only_the_student_has_a_mask"
STORED = "paths[:, 0], paths[:, -1]"
TIMES = OF + "its_times_are_those_of_the_paper_on_its_own_clock"

FAULTS = [
    *of(
        "reflow", "methods/reflow.py",
        ("data for the teacher's sample", STORED, "paths[:, 0], batch.x_1", FIRST),
        ("noise of another pair", STORED, "paths[:, 0].roll(1, 0), paths[:, -1]", FIRST),
        ("uniform times whatever the law", "self.time_law(u)\n", "u\n", FIRST),
        ("new pairs of the student itself", 'conditioned(models["teacher"]), even', 'conditioned(models["net"]), even', LATER),
        ("last step at all times", "torch.zeros_like(u) if stage", "u if stage", LATER),
        ("stored pairs for ever", '"stored": k == 0', '"stored": True', LATER),
        ("teacher of the first round in all", 'for role in ("net", "teacher"):', 'for role in ("net",):',
         STAGES + "the_student_of_a_later_stage_and_its_frozen_teacher_are_the_average_of_the_one_before[reflow_rounds]"),
        ("no dropout", 'context.draws.dropout("student")', "None", f"{MASKS}[reflow]"),
        ("labels of data for a pair", 'conditioned(models["net"], None, ', 'conditioned(models["net"], batch.condition, ',
         f"{LABELS}[reflow]"),
        ("teacher with a mask", 'conditioned(models["teacher"]), even',
         'conditioned(models["teacher"], None, context.draws.dropout("student")), even', OWN),
        ("jump by the velocity of another time", "v(x, s, s)", "v(x, s, t)",
         OF + "its_jump_is_an_euler_step_on_the_diagonal"),
        ci="new pairs of the student itself",
    ),
    *of(
        "reflow", "methods/times.py",
        ("ends as rare as the middle", "sinh(self.a / 2)) / self.a)", "self.a / 2) / self.a)",
         OF + "the_u_shaped_law_has_its_density"),
    ),
    *of(
        "re_meanflow", "methods/re_meanflow.py",
        ("sum over entries", "return mean_square(r)", "return mean_square(r) * r[0].numel()",
         OF + "mean_flow_on_pairs_is_its_definition"),
        ("gaps that end short of data", "(s < EARLY) & (t > NEARLY)", "(s < EARLY) & (t > 1)", TIMES),
        ("gap that squeezes instead of being cut", "(s + self.gap_law(u_2)).clamp(max=1.0)", "s + (1 - s) * self.gap_law(u_2)",
         TIMES),
        ("data for the teacher's sample", "return *self.pair(batch), None",
         "return self.interpolant.base_scale * context.noise(batch.x_1), batch.x_1, None",
         OF + "mean_flow_on_pairs_is_its_definition"),
        ("labels of data for a pair", "return *self.pair(batch), None", "return *self.pair(batch), batch.condition",
         f"{LABELS}[re_meanflow]"),
        ci="sum over entries",
    ),
]  # fmt: skip
