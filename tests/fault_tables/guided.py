"""Faults in: Guidance in training: what leads a target, at which scale, and a network that is told it."""

from fault_tables.base import of

COMMANDS = "tests/bench/config/test_commands.py::test_a_wrong_command_is_told_what_is_wrong"
NETS, SAMPLED = "tests/bench/nets/test_scaled.py::test_", "tests/bench/scoring/test_guidance.py::test_"
GUIDED = "tests/methods/test_truth_guided.py::test_"
STATIONARY = GUIDED + "the_guided_map_and_no_other_is_stationary"
TOLD = GUIDED + "every_call_is_told_the_scale_of_its_sample_and_that_of_no_class_is_a_target"
FREE = GUIDED + "without_guidance_it_calls_nothing_more_and_asks_for_no_classes"
OWN = GUIDED + "a_target_of_scale_one_or_of_no_class_is_the_sample_s_own_velocity_to_the_bit"
ONE_ROW = SAMPLED + "a_network_that_is_told_its_scale_takes_one_row_a_call"
NEAREST = SAMPLED + "where_a_told_scale_is_not_asked_it_is_one_or_the_nearest_that_was_trained"

FAULTS = [
    *of(
        "guided targets", "methods/tools/guidance.py",
        ("the noise of the target for its scale", "speed, own, of_none, self.has, 1.0, 1 - 1 / w)",
         "speed, own, of_none, self.has, w, 0.0)", OWN + "[own]"),
        ("a target with a gradient", "        with torch.no_grad():\n            of_none, w",
         "        if True:\n            of_none, w", OWN + "[own]"),
        ("away from the class itself", "condition=self.null), align(self.w, x)", "condition=self.told), align(self.w, x)",
         (STATIONARY + "[lsd]", STATIONARY + "[tvm]")),
        ("all of the slice for some rows", "else each[rows]", "else each[: len(rows)]", TOLD + "[lsd]"),
        ("no class told its scale", "return self._with_scale(self.of_none)", "return self.of_none", TOLD + "[imf]"),
        ("weighed by the scale", "loss / self.w.square()", "loss / self.w",
         GUIDED + "terminal_velocity_weighs_both_terms_by_the_square_of_the_scale"),
        ci="away from the class itself",
    ),
    *of(
        "guided targets", "methods/guided.py",
        ("uniform scales", "low * (high / low) ** context.draws.uniform", "low + (high - low) * context.draws.uniform",
         TOLD + "[tvm]"),
        ("one scale told", "self.scale if self.scale[0] < self.scale[1] else None", "self.scale", FREE + "[imf]"),
        ("guided at the scale one", "return self.scale != (1, 1)", "return True", FREE + "[lsd]"),
        ("a range that falls", "if self.scale[0] > self.scale[1]:", "if False:", GUIDED + "a_range_that_falls_is_refused"),
    ),
    *of(
        "guided targets", "methods/self_distillation.py",
        ("the diagonal unguided", "own - guide.velocity(x, t, self.interpolant.velocity(x_0, x_1, t), own)",
         "own - self.interpolant.velocity(x_0, x_1, t)", STATIONARY + "[lsd]"),
        ("off the diagonal without the scale", "guide.at(off).told",
         "None if batch.condition is None else batch.condition[off]", TOLD + "[psd_m]"),
    ),
    *of(
        "guided targets", "methods/split_meanflow.py",
        ("the teacher unguided", "if guide.w is not None and guide.has is not None:", "if False:", STATIONARY + "[split]"),
        ("towards no class", "align(guide.w, x), 0.0)", "1 - align(guide.w, x), 0.0)",
         STATIONARY + "[split]"),
    ),
    *of(
        "guided targets", "methods/base.py",
        ("a student of its own where it has more than its teacher", 'net.state_dict() | previous["net"].state_dict()',
         "net.state_dict()", NETS + "a_student_that_is_told_the_scale_starts_as_its_teacher_that_is_not"),
    ),
    *of(
        "guided targets", "methods/terminal_velocity.py",
        ("the velocity unguided", "guide.velocity(x_u, u, path.velocity(x_0, x_1, u))", "path.velocity(x_0, x_1, u)",
         STATIONARY + "[tvm]"),
        ("the slow copy without the scale", "conditioned(guide.net, guide.told)", "conditioned(guide.net, batch.condition)",
         TOLD + "[tvm]"),
    ),
    *of(
        "guided targets", "methods/improved_meanflow.py",
        ("the map unguided", "speed = guide.velocity(x_s, s, speed, own)", "guide.velocity(x_s, s, speed, own)",
         STATIONARY + "[imf]"),
        ("no own velocity to guide by", "Tangent.OWN or self.guided:", "Tangent.OWN:", STATIONARY + "[imf_conditional]"),
    ),
    *of(
        "the scale as an input", "bench/layers/scaling.py",
        ("felt at the scale one", "return e + g * change", "return e + change",
         NETS + "at_the_scale_one_it_is_told_nothing_bit_for_bit[mlp-shape0]"),
        ("felt before training", "zeroed(Linear(width, width, bias=False))", "Linear(width, width, bias=False)",
         NETS + "before_training_it_is_its_source_at_every_scale[mlp-shape0]"),
        ci="felt at the scale one",
    ),
    *of(
        "the scale as an input", "bench/layers/labels.py",
        ("the class for the scale", "condition[:, :-1], condition[:, -1]", "condition[:, 1:], condition[:, 0]",
         NETS + "what_is_told_is_told_apart_again[condition0]"),
    ),
    *of(
        "the scale as an input", "bench/scoring/sample.py",
        ("two rows a call", "self.labels is None or self.method.needs.scale or not", "self.labels is None or not", ONE_ROW),
        ("never told", "scale = self.guidance.scale if guided else", "scale =", ONE_ROW),
        ("one where it was not trained", "min(max(1.0, trained[0]), trained[1])", "1.0", NEAREST),
        ("told outside of the interval", "self.guidance is not None and self.guidance.holds(time)",
         "self.guidance is not None", NEAREST),
    ),
    *of(
        "the scale as an input", "bench/config/combinations.py",
        ("asked beyond what was trained", "if not trained[0] <= w <= trained[1]]", "if w < trained[0]]",
         COMMANDS + "[sweep=none method=lsd method.scale=[1,4] conditional=true evaluation.guidance=[1,5]]"),
    ),
    *of(
        "the scale as an input", "bench/planning/identity.py",
        ("older runs under another name", '("method", "scale"): [1.0, 1.0], ', "",
         "tests/bench/planning/test_identity.py::test_run_ids_are_those_of_before[sweep=digits_quickstart]"),
    ),
]  # fmt: skip
