"""Faults in: The methods that refine MeanFlow's identity."""

from fault_tables.base import of

IMF = "improved_meanflow::test_"
TVM = "terminal_velocity::test_"
ALPHAFLOW = "alphaflow::test_"
SMF = "split_meanflow::test_"
TIM = "transition::test_"
FACM = "flow_anchored::test_"
IMPROVED = "methods/improved_meanflow.py"
TERMINAL = "methods/terminal_velocity.py"
ALPHA = "methods/alphaflow.py"
SPLIT = "methods/split_meanflow.py"
TRANSITION = "methods/transition.py"
ANCHORED = "methods/flow_anchored.py"
BOTH_TERMS = IMF + "both_terms_are_their_definitions_and_only_the_map_and_the_velocity_have_a_gradient[0.7-linear]"
SLOW = TVM + "the_slow_copy_says_how_fast_a_jump_should_end"
LSD = TVM + "with_the_current_network_as_its_slow_copy_it_is_lsd_and_flow_matching"
DISCRETE = ALPHAFLOW + "its_loss_and_gradient_are_those_of_their_definition[linear]"
SCHEDULE = ALPHAFLOW + "alpha_falls_from_one_to_nothing_and_stays"
CENTRAL = TIM + "without_its_weight_of_times_it_is_meanflow_by_a_central_difference[1.0]"
STILL = TIM + "half_of_its_jumps_stand_still_and_a_tenth_end_at_data"
ANCHOR = FACM + "the_map_to_data_and_the_velocity_beside_it_are_learned_by_their_definitions[0.7-linear]"
TAUGHT = SMF + "on_the_diagonal_its_teacher_is_followed[linear]"
GAPS = TVM + "its_gaps_and_ends_are_the_papers_with_the_clock_turned_around"
MEANFLOW = IMF + "along_the_samples_own_way_and_without_its_second_term_it_is_meanflow[Derivative.SPLIT-0.75]"

FAULTS = [
    *of(
        "imf", IMPROVED,
        ("tangent of the sample", "tangent = own.detach() if self.tangent is Tangent.OWN else speed", "tangent = speed",
         BOTH_TERMS),
        ("tangent of the network where the sample's is asked for",
         "tangent = own.detach() if self.tangent is Tangent.OWN else speed", "tangent = v(x_s, s, s).detach()", MEANFLOW),
        ("velocity that is not learned", "torch.set_grad_enabled(self.velocity > 0)", "torch.no_grad()", BOTH_TERMS),
        ("velocity at the end of the jump", "own = v(x_s, s, s)", "own = v(x_s, t, t)", BOTH_TERMS),
        ("own velocity for the sample's in the target", "s, t, speed, tangent", "s, t, own, tangent", BOTH_TERMS),
        ("second term without its weight", "loss + self.velocity * adaptive", "loss + adaptive", BOTH_TERMS),
        ("wrong clock", "LogitNormal(0.4, 1.0)", "LogitNormal(-0.4, 1.0)",
         IMF + "half_of_its_batch_lies_on_the_diagonal_at_the_noisier_time"),
        ("diagonal at the later time", "t = t.index_copy(0, (on := context.split(self.eta)[0]), s[on])",
         "s = s.index_copy(0, (on := context.split(self.eta)[0]), t[on])",
         IMF + "half_of_its_batch_lies_on_the_diagonal_at_the_noisier_time"),
        ci="velocity that is not learned",
    ),
    *of(
        "imf", "methods/tools/flow_map.py",
        ("flipped sign", "(b + align(t - s, x) * dv).detach()", "(b - align(t - s, x) * dv).detach()", BOTH_TERMS),
    ),
    *of(
        "tvm", TERMINAL,
        ("velocity at the start of the jump", "velocity = slow(end, t, t)", "velocity = slow(end, s, s)", SLOW),
        ("velocity by the current network", "(context.target or models)", "models", SLOW),
        ("missing stop-gradient", "with torch.no_grad():", "with torch.enable_grad():", LSD),
        ("gradient cut at the derivative", "v, path.point(x_0, x_1, s), s, t)",
         "v, path.point(x_0, x_1, s), s, t, __import__('methods.tools').tools.Derivative.SPLIT)", LSD),
        ("no diagonal term", "guide.weighed(terminal + instant)", "guide.weighed(terminal)", LSD),
        ("sum over entries", "terminal = mean_square(speed - velocity)",
         "terminal = (speed - velocity).square().flatten(1).sum(1)", SLOW),
        ("wrong clock", "LogitNormal(0.4, 1.0)", "LogitNormal(-0.4, 1.0)", GAPS),
        ("gap on the other clock", "LogitNormal(-0.8, 1.0)", "LogitNormal(0.8, 1.0)", GAPS),
        ("ends below the gap cut off", "self.time_law(below + (1 - below) * u_2)", "self.time_law(u_2)", GAPS),
        ci="gradient cut at the derivative",
    ),
    *of(
        "tvm", "methods/tools/flow_map.py",
        ("forgotten d_t v", "value, value + gap * dv", "value, value", SLOW),
    ),
    *of(
        "alphaflow", ALPHA,
        ("a step that stands still", "v(x + align(gap, x) * speed, s + gap, t)", "v(x, s + gap, t)", DISCRETE),
        ("a jump from the earlier time", "* speed, s + gap, t)", "* speed, s, t)", DISCRETE),
        ("swapped shares", "alpha * speed + (1 - alpha) * v(", "(1 - alpha) * speed + alpha * v(", DISCRETE),
        ("missing stop-gradient", "with torch.no_grad():", "with torch.enable_grad():", DISCRETE),
        ("targets that are not clipped", "if self.clip is None else target.clamp(-self.clip, self.clip)", "", DISCRETE),
        ("weight alpha on the diagonal too", "torch.ones_like(raw).index_fill(0, off, alpha or 1.0)",
         "torch.full_like(raw, alpha or 1.0)", DISCRETE),
        ("without the weight alpha", "index_fill(0, off, alpha or 1.0)", "index_fill(0, off, 1.0)", DISCRETE),
        ("derivative that does not follow the way", "x_s, s, t, speed, speed)", "x_s, s, t, speed, 0 * speed)",
         ALPHAFLOW + "without_a_step_it_is_meanflow[0.0]"),
        ("schedule that rises", "exp(self.gamma * (p - 0.5))", "exp(-self.gamma * (p - 0.5))", SCHEDULE),
        ("schedule without its end", "(self.fall_end - self.fall_start)", "(1 - self.fall_start)", SCHEDULE),
        ("diagonal at the earlier of two times", "first[on]), t.index_copy(0, on, first[on])",
         "s[on]), t.index_copy(0, on, s[on])",
         ALPHAFLOW + "its_diagonal_has_the_law_of_one_time"),
        ("step without its mask", 'context.draws.dropout("student", off)', "None",
         "tests/methods/test_method_passes.py::test_the_passes_of_a_loss_have_the_masks_of_the_papers[alphaflow]"),
        ("step with the others' labels", "labels[off], context", "labels[: len(off)], context",
         "tests/methods/test_method_passes.py::test_every_pass_sees_each_samples_own_label[alphaflow]"),
        ci="swapped shares",
    ),
    *of(
        "split_meanflow", SPLIT,
        ("velocity of the sample for the teacher's", "context.teach(x, t, guide.of_class)",
         "self.interpolant.velocity(x_0, x_1, t)", TAUGHT),
        ("flipped sign", "v(x, t, t) - b)", "v(x, t, t) + b)", TAUGHT),
        ("cut at the middle", "uniform: bool = True", "uniform: bool = False",
         SMF + "off_the_diagonal_it_is_progressive_self_distillation_at_a_uniform_point[0.0]"),
        ("teacher without labels", "context.teach(x, t, guide.of_class)", "context.teach(x, t)",
         "tests/methods/test_method_passes.py::test_every_pass_sees_each_samples_own_label[split_meanflow]"),
        ("start of its own", "prepare=start if self.initialise else None", "prepare=None",
         "training::test_a_student_that_says_so_starts_as_its_teacher[SplitMeanFlow]"),
        ci="flipped sign",
    ),
    *of(
        "split_meanflow", "methods/self_distillation.py",
        ("cut of the wrong samples", "[context.split(self.eta)[1]]", "[: len(s)]",
         "tests/methods/test_method_contract.py::test_micro_batches_have_the_losses_of_the_whole_batch[4-split_meanflow]"),
    ),
    *of(
        "tim", TRANSITION,
        ("weight of the other clock", "torch.tan(1 - s) - torch.tan(1 - t)", "torch.tan(t) - torch.tan(s)", CENTRAL),
        ("sum over entries", "mean_square(value - target)", "(value - target).square().flatten(1).sum(1)", CENTRAL),
        ("by forward mode", "Derivative = Derivative.FINITE", "Derivative = Derivative.SPLIT", CENTRAL),
        ("tenth of those off the diagonal", '("data") * (1 - self.eta) <', '("data") <', STILL),
        ("jumps that never end at data", "self.to_data, 1.0, t)", "self.to_data, t, t)", STILL),
        ("wrong clock", "LogitNormal(0.4, 1.0)", "LogitNormal(-0.4, 1.0)", STILL),
        ci="weight of the other clock",
    ),
    *of(
        "tim", "methods/tools/flow_map.py",
        ("step to one side", "v(x - step, s - h * ds, t - h * dt)) / (2 * h)", "v(x, s, t)) / h", CENTRAL),
    ),
    *of(
        "facm", ANCHORED,
        ("flipped sign", "(target - value.detach())", "(value.detach() - target)", ANCHOR),
        ("anchor at data", "own = v(x_s, s, s)", "own = v(x_s, s, torch.ones_like(s))", ANCHOR),
        ("never clamped", ".clamp(-self.clamp, self.clamp)", "", ANCHOR),
        ("relaxed at noise", "align(1 - s**self.relax, x_1)", "align(s**self.relax, x_1)", ANCHOR),
        ("weight of the other end", "torch.cos(torch.pi / 2 * s)", "torch.sin(torch.pi / 2 * s)", ANCHOR),
        ("velocity of the sample", "b = context.teach(x_s, s, batch.condition)",
         "b = path.velocity(path.base_scale * context.noise(x_1), x_1, s)",
         FACM + "the_exact_map_beside_the_exact_velocity_is_a_fixed_point[linear]"),
        ("cosine over places", "b, dim=1)", "b, dim=-1)",
         FACM + "on_images_the_cosine_is_over_channels_and_a_mean_over_places"),
        ("wrong clock", "return 1 - 2 / torch.pi", "return 2 / torch.pi", FACM + "its_times_are_an_angle_of_the_noise_level"),
        ("start of its own", "start_from_teacher if self.initialise else None", "None",
         "training::test_a_student_that_says_so_starts_as_its_teacher[FlowAnchored]"),
        ci="flipped sign",
    ),
]  # fmt: skip
