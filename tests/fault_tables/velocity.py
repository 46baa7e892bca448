"""Faults in: The methods that refine MeanFlow's identity."""

from fault_tables.base import of

V = "velocity::test_"
IMPROVED = "methods/improved_meanflow.py"
TERMINAL = "methods/terminal_velocity.py"
ALPHA = "methods/alphaflow.py"
BOTH_TERMS = V + "both_terms_are_their_definitions_and_only_the_map_and_the_velocity_have_a_gradient[0.7-linear]"
SLOW = V + "the_slow_copy_says_how_fast_a_jump_should_end"
LSD = V + "with_the_current_network_as_its_slow_copy_it_is_lsd_and_flow_matching"
DISCRETE = V + "its_loss_and_gradient_are_those_of_their_definition[linear]"
SCHEDULE = V + "alpha_falls_from_one_to_nothing_and_stays"
GAPS = V + "its_gaps_and_ends_are_the_papers_with_the_clock_turned_around"
MEANFLOW = V + "along_the_samples_own_way_and_without_its_second_term_it_is_meanflow[Derivative.SPLIT-0.75]"

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
         V + "half_of_its_batch_lies_on_the_diagonal_at_the_noisier_time"),
        ("diagonal at the later time", "t = t.index_copy(0, (on := context.split(self.eta)[0]), s[on])",
         "s = s.index_copy(0, (on := context.split(self.eta)[0]), t[on])",
         V + "half_of_its_batch_lies_on_the_diagonal_at_the_noisier_time"),
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
        ("no diagonal term", "Loss(terminal + instant,", "Loss(terminal,", LSD),
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
         V + "without_a_step_it_is_meanflow[0.0]"),
        ("schedule that rises", "exp(self.gamma * (p - 0.5))", "exp(-self.gamma * (p - 0.5))", SCHEDULE),
        ("schedule without its end", "(self.end - self.start)", "(1 - self.start)", SCHEDULE),
        ("diagonal at the earlier of two times", "first[on]), t.index_copy(0, on, first[on])",
         "s[on]), t.index_copy(0, on, s[on])",
         V + "its_diagonal_has_the_law_of_one_time"),
        ("step without its mask", 'context.draws.dropout("student", off)', "None",
         "tests/methods/test_method_passes.py::test_the_passes_of_a_loss_have_the_masks_of_the_papers[alphaflow]"),
        ("step with the others' labels", "labels[off], context", "labels[: len(off)], context",
         "tests/methods/test_method_passes.py::test_every_pass_sees_each_samples_own_label[alphaflow]"),
        ci="swapped shares",
    ),
]  # fmt: skip
