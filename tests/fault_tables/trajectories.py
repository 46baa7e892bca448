"""Faults in: consistency trajectory models, the balance of two losses, SoFlow."""

from fault_tables.base import GUARD, MICRO, OPEN, of

CTM, SOFLOW, BALANCE = "methods/ctm.py", "methods/soflow.py", "bench/training/balance.py"
DEFINED = "trajectories::test_the_loss_and_its_gradient_are_those_of_their_definition[linear]"
DENOISING = "trajectories::test_the_denoising_loss_is_its_definition"
ADDED = "trajectories::test_the_loop_adds_the_denoising_gradient_at_the_consistency_gradients_length"
LEVELS = "trajectories::test_levels_are_uniform_on_what_the_substeps_leave[3]"
SUMMED = "        self._synchronise(progress.taken)\n"
JOIN = "        self._join(progress.taken)\n"
GAP = "quotients::test_the_gap_falls_exponentially_with_progress_to_its_least"
QUOTIENT = "quotients::test_the_loss_and_its_gradient_are_those_of_their_definition[0.5-linear]"

FAULTS = [
    *of(
        "ctm", CTM,
        ("shorter jump from the wrong time", "jump(v, x_u, u, t), t, one)", "jump(v, x_u, s, t), t, one)", DEFINED),
        ("shorter jump by the slow copy", "jump(finish, jump(v, x_u, u, t), t, one)",
         "jump(finish, jump(finish, x_u, u, t), t, one)", DEFINED),
        ("longer jump by the slow copy", "estimate = jump(finish, jump(v, x_s, s, t), t, one)",
         "estimate = jump(v, jump(finish, x_s, s, t), t, one)", DEFINED),
        ("no jump to data", "estimate = jump(finish, jump(v, x_s, s, t), t, one)", "estimate = jump(v, x_s, s, t)", DEFINED),
        ("gradient cut at the slow copy", "estimate = jump(finish, jump(v, x_s, s, t), t, one)",
         "y = jump(v, x_s, s, t)\n        estimate = y + (jump(finish, y, t, one) - y).detach()", DEFINED),
        ("slow copy not frozen", "name: p.detach() for name, p", "name: p for name, p",
         "trajectories::test_the_slow_copy_is_frozen_though_the_gradient_passes_through_it"),
        ("missing stop-gradient", GUARD + "x_u = x_s", OPEN + "x_u = x_s", DEFINED),
        ("slow copy ignored", "(context.target or models)", "models", DEFINED),
        ("one substep too few", "for k in range(h):", "for k in range(h - 1):",
         "trajectories::test_the_residual_and_its_gradient_fall_at_the_solvers_order_in_the_substeps[Solver.HEUN-linear]"),
        ("substeps that do not advance", "x_u, times[first + k],", "x_u, times[first],", DEFINED),
        ("substeps all alike", "left -= h", "left -= self.n / 2",
         "trajectories::test_the_number_of_substeps_is_as_likely_as_it_is_large"),
        ("end never the middle", "first + h + (b * (self.n - h - first)).long()",
         "first + h + (b * (self.n - h - first)).ceil().long().clamp(max=self.n - 1 - h - first)", LEVELS),
        ("start that skips the first levels", "first = (a * (self.n - h)).long()", "first = (a * (self.n - h)).long() // 2",
         LEVELS),
        ("substeps drawn per slice", 'context.draws.common("substeps")', 'context.draws.uniform("substeps")[0].item()',
         f"{MICRO}[4-ctm]"),
        ("wrong clock",
         "self.interpolant.time_of_sigma(to_data(karras_sigmas(self.n, self.sigma_min, self.sigma_max, self.rho)))",
         "1 / (1 + to_data(karras_sigmas(self.n, self.sigma_min, self.sigma_max, self.rho)))",
         "trajectories::test_the_loss_and_its_gradient_are_those_of_their_definition[trigonometric]"),
        ("weight of the velocity", "return self.weight(t) * velocity_loss", "return velocity_loss", f"{DENOISING}[linear]"),
        ("weight without the base scale", "(turn * s_0 * s_d)", "(turn * s_d)", f"{DENOISING}[half_base]"),
        ("weight of the linear clock", "turn = a * path.d_beta(t) - path.d_alpha(t) * b", "turn = 1 + 0 * t",
         f"{DENOISING}[trigonometric]"),
        ("all of the grid's curve", "self.reach * u", "u",
         "trajectories::test_half_of_its_noise_levels_are_log_normal_and_half_on_the_noisier_part_of_the_grid"),
        ("log-normal levels that are normal", "torch.exp(self.mean + self.std", "(self.mean + self.std",
         "trajectories::test_half_of_its_noise_levels_are_log_normal_and_half_on_the_noisier_part_of_the_grid"),
        ("fixed weight ignored", "matched + self.denoising * denoised", "matched + denoised",
         "trajectories::test_a_fixed_weight_takes_the_place_of_the_balance"),
        ("masks of their own", 'context.draws.dropout("student")  #', "None  #",
         "quotients::test_passes_that_are_compared_share_their_dropout_mask[ctm]"),
        ci="shorter jump from the wrong time",
    ),
    *of(
        "ctm, balance", BALANCE,
        ("never scaled", "g * scale if p.grad is None else p.grad.addcmul_(g, scale)", "p.grad + g", f"{ADDED}[None]"),
        ("scale upside down", "length / own", "own / length", f"{ADDED}[None]"),
        ("length of all layers", "if id(p) in chosen and", "if", f"{ADDED}[None]"),
        ("last slice only", "if name in self.gradients:", "if False:", f"{ADDED}[96]"),
        ("without bound", ".clamp(max=LARGEST)", "",
         "trajectories::test_a_gradient_that_vanishes_at_the_last_layer_is_not_scaled_without_bound"),
        ci="scale upside down",
    ),
    *of(
        "ctm, balance", "bench/training/step.py",
        ("joined after every slice", f"{SUMMED}{JOIN}", f"    {JOIN}{SUMMED}", f"{ADDED}[96]"),
        ("scaled to what others were added to", "parameters(other), last)\n",
         "parameters(other), last)\n            self._aside.join(name, self.state.parameters(other), scales.pop(name))\n",
         "trajectories::test_several_balanced_gradients_are_each_as_long_as_the_one_without_the_others"),
        ("log of the last loss alone", "for loss in losses.values() for", "for loss in list(losses.values())[-1:] for",
         "trajectories::test_the_parts_of_both_losses_are_logged"),
    ),
    *of(
        "soflow", SOFLOW,
        ("flipped sign", "value - speed - align(", "value - speed + align(", QUOTIENT),
        ("later velocity at the earlier time", "* speed, l, t)", "* speed, s_off, t)", QUOTIENT),
        ("a way that stands still", "v(x_s + align(l - s_off, x_1) * speed, l, t)", "v(x_s, l, t)", QUOTIENT),
        ("missing stop-gradient", GUARD + "later = v(", OPEN + "later = v(", QUOTIENT),
        ("factor of the whole interval", "align((t - l) /", "align((t - s_off) /", QUOTIENT),
        ("twice the paper's gradient", "[self.adapt(raw) / 2]", "[self.adapt(raw)]", QUOTIENT),
        ("gradient through the adaptive weight", GUARD + "weight = (raw", OPEN + "weight = (raw", QUOTIENT),
        ("wrong clock", "LogitNormal(4.0, 1.6)", "LogitNormal(-4.0, 1.6)",
         "quotients::test_the_times_are_the_papers_with_its_clock_turned_around"),
        ("gap that never closes", "** progress", "** 0", GAP),
        ("no least gap", "torch.maximum(s + r * (t - s), s + self.min_gap)", "s + r * (t - s)",
         GAP),
        ("velocity term off the diagonal", "d, d) - path", "d, torch.ones_like(d)) - path",
         "quotients::test_a_share_of_the_batch_has_the_papers_velocity_loss"),
        ("masks of their own", 'context.draws.dropout("student", off))', "lambda n, s: torch.rand(s))",
         "quotients::test_passes_that_are_compared_share_their_dropout_mask[soflow]"),
        ci="flipped sign",
    ),
    *of(
        "soflow", "methods/tools/shapes.py",
        ("sum in place of the mean", ".flatten(1).mean(1)", ".flatten(1).sum(1)", QUOTIENT),
    ),
]  # fmt: skip
