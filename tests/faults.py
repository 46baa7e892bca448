"""Deliberate faults: proof that the tests of the objectives can fail.

    python tests/faults.py [--part ci] [--list] [--only WORD] [--jobs N]

Each fault is one textual replacement in a copy of the source tree; the tests named for it must then fail. Before that
all named tests must pass on an unchanged copy. The old text must occur exactly once: a fault that no longer fits the
code is an error, so that this list is kept in step with it. Exit status 1 if a fault survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("methods", "bench", "results", "sweeps", "tests")
PASSED, FAILED = 0, 1  # pytest's exit codes; 2 to 5 mean that it could not run the tests
GUARD = "with torch.no_grad():\n            "
OPEN = "with torch.enable_grad():\n            "

POINT = "pointwise::test_loss_and_gradient_vanish_at_the_exact_map"
FIXED = "expectation::test_the_semigradient_vanishes_at_the_exact_map_only"
LOSS = "semigradient::test_the_loss_is_its_definition"
CUT = "semigradient::test_the_gradient_enters_where_it_should_and_nowhere_else"
WHOLE = "semigradient::test_without_stop_gradient_the_gradient_is_the_derivative_of_the_loss"
TRAIN = "training::test_a_short_training_learns_the_map_of"
MICRO = "tests/test_method_contract.py::test_micro_batches_have_the_losses_of_the_whole_batch"


@dataclass(frozen=True)
class Fault:
    """`subject` is the method or tool it belongs to; one of `tests` failing is enough. ci: part of the short run."""

    subject: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    ci: bool = False

    @property
    def ids(self) -> list[str]:
        """pytest's names of the tests."""
        return [t if t.startswith("tests/") else "tests/test_truth_" + t.replace("::", ".py::", 1) for t in self.tests]

    def inject(self, tree: Path) -> None:
        """Edit the file in `tree`. Raises ValueError unless the old text occurs exactly once."""
        path = tree / self.file
        text = path.read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.subject}: {self.name}: {self.file} holds {found} times, not once: {self.old!r}")
        path.write_text(text.replace(self.old, self.new))


def _of(subject: str, file: str, *rows: tuple[str, str, str, str | tuple[str, ...]], ci: str = "") -> list[Fault]:
    """Faults of one subject in one file: (name, old, new, tests). ci: the name of the one in the short run."""
    made = [
        Fault(subject, name, file, old, new, (tests,) if isinstance(tests, str) else tests, name == ci)
        for name, old, new, tests in rows
    ]
    assert not ci or any(fault.ci for fault in made), ci
    return made


SELF = "methods/self_distillation.py"
CONSISTENCY = "methods/consistency.py"
FLOW_MAP = "methods/flow_map.py"
MATCHING = "methods/flow_map_matching.py"

FAULTS = [
    *_of(
        "flow_matching", "methods/flow_matching.py",
        ("flipped sign", "t, t) - path.velocity(", "t, t) + path.velocity(", f"{FIXED}[flow_matching-linear]"),
        ("base scale forgotten", "path.base_scale * context.noise", "context.noise",
         "expectation::test_flow_matching_has_its_value[0.5]"),
        ("time law ignored", 'self.time_law(context.draws.uniform("t"))', 'context.draws.uniform("t")',
         "clocks::test_flow_matching_follows_another_law"),
        ("network asked at (0, t)", "v(path.point(x_0, x_1, t), t, t)", "v(path.point(x_0, x_1, t), 0 * t, t)",
         f"{FIXED}[flow_matching-linear]"),
        ("solver ignored in sampling", "step(self.solver, lambda", "step(Solver.EULER, lambda",
         "sampling::test_a_step_of_flow_matching_calls_its_network_as_often_as_its_solver_says"),
        ci="flipped sign",
    ),
    *_of(
        "lsd", SELF,
        ("flipped sign", "return speed - velocity", "return speed + velocity", f"{POINT}[lsd-linear]"),
        ("swapped times", "velocity = v(end, t, t)", "velocity = v(end, s, s)", f"{POINT}[lsd-linear]"),
        ("velocity at the start of the jump", "velocity = v(end, t, t)", "velocity = v(x, t, t)",
         f"{POINT}[lsd-linear]"),
        ("missing stop-gradient", GUARD + "velocity = v(end", OPEN + "velocity = v(end", f"{CUT}[lsd]"),
        ("detached variant without any gradient", "return value - target", "return (value - target).detach()",
         f"{CUT}[lsd_detached]"),
        ("dropped d_t v in the detached variant", "target = v(x + gap * value, t, t) - gap * dv",
         "target = v(x + gap * value, t, t)", f"{POINT}[lsd_detached-linear]"),
        ci="missing stop-gradient",
    ),
    *_of(
        "lsd, esd, psd", SELF,
        ("missing diagonal term", "raw = torch.cat([diagonal, distilled])", "raw = torch.cat([0 * diagonal, distilled])",
         f"{TRAIN}_a_gaussian[lsd]"),
        ("diagonal times from the larger of two", 'd = context.draws.uniform("diagonal")[on]', "d = t[on]",
         "clocks::test_self_distillation_visits_the_whole_diagonal_uniformly"),
        ("learned weight without its own term", "torch.exp(-w) * raw + w", "torch.exp(-w) * raw",
         "limits::test_the_learned_weight_enters_as_exp_minus_w_times_loss_plus_w[lsd]"),
        ("learned weight of the wrong sign", "torch.exp(-w) * raw + w", "torch.exp(w) * raw + w",
         "limits::test_the_learned_weight_enters_as_exp_minus_w_times_loss_plus_w[lsd]"),
        ("learned weight not trained", '("net", "weight") if self', '("net",) if self',
         "training::test_the_learned_weight_is_trained"),
        ("annealing that never widens", "context.progress / self.anneal", "0 * context.progress / self.anneal",
         "limits::test_annealing_widens_the_interval_with_progress"),
    ),
    *_of(
        "esd", FLOW_MAP,
        ("dropped J.v", "transport = b + gap * derivative(v, x, s, t, dx=b)[1]", "transport = b",
         f"{POINT}[esd-linear]"),
        ("flipped sign", "gap * d_s - value + transport", "gap * d_s - value - transport", f"{POINT}[esd-linear]"),
        ("missing stop-gradient", "with torch.no_grad():\n        transport",
         "with torch.enable_grad():\n        transport", f"{CUT}[esd]"),
        ("gap forgotten", "return b + gap * dv - value", "return b + dv - value", f"{POINT}[esd_none-linear]"),
        ci="dropped J.v",
    ),
    *_of(
        "esd", SELF,
        ("wrong clock of the own velocity", "b = v(x, s, s)", "b = v(x, s, t)", f"{POINT}[esd-linear]"),
        ("gap forgotten in the detached variant", "return b + gap * dv - value", "return b + dv - value",
         f"{POINT}[esd_detached-linear]"),
        ("cut of the whole residual for every placement", "cut=self.stop_gradient is StopGradient.FULL", "cut=True",
         f"{CUT}[esd_convex]"),
    ),
    *_of(
        "psd_m", SELF,
        ("second jump from the start", "v(x + align(u - s, x) * first, u, t)", "v(x, u, t)", f"{POINT}[psd_m-linear]"),
        ("not the middle", "torch.full_like(s, 0.5)", "torch.full_like(s, 0.4)", f"{LOSS}[psd_m]"),
        ("missing stop-gradient", "with torch.set_grad_enabled(self.stop_gradient is StopGradient.NONE):\n            u =",
         "with torch.enable_grad():\n            u =", f"{CUT}[psd_m]"),
        ci="second jump from the start",
    ),
    *_of(
        "psd_u", SELF,
        ("swapped shares", "(1 - g) * first + g * v(", "g * first + (1 - g) * v(", f"{POINT}[psd_u-linear]"),
        ("swapped cut", "u = gamma * s + (1 - gamma) * t", "u = (1 - gamma) * s + gamma * t", f"{POINT}[psd_u-linear]"),
        ("cuts of the wrong samples", "[context.split(self.eta)[1].to(x.device)]", "[: len(s)]", f"{MICRO}[4-psd_u]"),
        ci="swapped shares",
    ),
    *_of(
        "meanflow", "methods/meanflow.py",
        ("dropped J.v", "s, t, dx=speed, ds=1.0", "s, t, ds=1.0", f"{FIXED}[meanflow-linear]"),
        ("flipped sign", "speed + align(t - s, x_1) * dv", "speed - align(t - s, x_1) * dv", f"{FIXED}[meanflow-linear]"),
        ("missing stop-gradient", "* dv).detach()", "* dv)",
         "limits::test_meanflow_is_the_same_with_either_derivative[Derivative.EXACT]"),
        ("wrong clock", "LogitNormal(2.0, 2.0)", "LogitNormal(-2.0, 2.0)", "clocks::test_meanflow_visits_times_near_data"),
        ("gradient through the adaptive weight", GUARD + "scale = (raw", OPEN + "scale = (raw",
         "semigradient::test_the_adaptive_weight_divides_by_a_detached_power"),
        ("diagonal at the later time", "t = t.index_copy(0, (on := context.split(self.eta)[0].to(t.device)), s[on])",
         "s = s.index_copy(0, (on := context.split(self.eta)[0].to(t.device)), t[on])",
         "limits::test_meanflow_puts_its_share_on_the_diagonal_at_the_noisier_time"),
        ci="dropped J.v",
    ),
    *_of(
        "ect", CONSISTENCY,
        ("neighbour that is the same point", "return self.interpolant.point(x_0, batch.x_1, r)", "return x_s",
         f"{LOSS}[ect]"),
        ("missing stop-gradient", GUARD + "x_r = self.partner", OPEN + "x_r = self.partner", f"{CUT}[ect]"),
        ("weight dropped", "Loss(w * d", "Loss(d", "limits::test_the_weight_of_a_pair_multiplies_its_distance"),
        ("pairs that never tighten", "a = int(progress * self.doublings)", "a = 0",
         "clocks::test_easy_consistency_tightens_its_pairs_with_progress[0.99-linear]"),
        ("wrong clock", "return path.time_of_sigma(sigma), path.time_of_sigma(sigma_r),",
         "return 1 / (1 + sigma), 1 / (1 + sigma_r),",
         "clocks::test_easy_consistency_tightens_its_pairs_with_progress[0.3-trigonometric]"),
        ("robust distance per squared constant", "torch.sqrt(raw + self.c**2) - self.c", "torch.sqrt(raw + self.c)",
         "semigradient::test_the_robust_distance_is_the_papers"),
        ci="missing stop-gradient",
    ),
    *_of(
        "cd", CONSISTENCY,
        ("swapped times of the teacher's step", "batch.condition), x_s, s, r)", "batch.condition), x_s, r, s)",
         "order::test_the_residual_of_consistency_distillation_falls_at_its_solvers_order[Solver.HEUN-gaussian]"),
        ("conditional velocity instead of the teacher's", "lambda x, t: context.teach(x, t, batch.condition)",
         "lambda x, t: batch.x_1 - x_0",
         "order::test_the_residual_of_consistency_distillation_falls_at_its_solvers_order[Solver.HEUN-gaussian]"),
        ("target at the wrong time", "x_r, r, one)", "x_r, s, one)", f"{LOSS}[cd]"),
        ("slow target ignored", "models if context.target is None else context.target", "models",
         "limits::test_a_slow_target_teaches_in_place_of_the_network"),
        ci="swapped times of the teacher's step",
    ),
    *_of(
        "cd, lmd, emd", "methods/base.py",
        ("student not started as its teacher", 'models["net"].load_state_dict(previous["net"].state_dict())', "pass",
         "training::test_a_student_that_says_so_starts_as_its_teacher"),
    ),
    *_of(
        "lmd", MATCHING,
        ("swapped times", "context.teach(end, t,", "context.teach(end, s,", f"{POINT}[lmd-linear]"),
        ("teacher at the start of the jump", "context.teach(end, t,", "context.teach(x_s, t,", f"{POINT}[lmd-linear]"),
        ("missing stop-gradient", "torch.set_grad_enabled(not self.stop_gradient)", "torch.enable_grad()",
         f"{CUT}[lmd]"),
        ("flipped sign", "squared(speed - b)", "squared(speed + b)", f"{POINT}[lmd-linear]"),
        ci="swapped times",
    ),
    *_of(
        "emd", MATCHING,
        ("wrong clock of the teacher", "context.teach(x_s, s,", "context.teach(x_s, t,", f"{POINT}[emd-linear]"),
        ("always cut", "cut=self.stop_gradient", "cut=True", f"{WHOLE}[emd]"),
        ("never cut", "cut=self.stop_gradient", "cut=False", f"{CUT}[emd]"),
        ci="wrong clock of the teacher",
    ),
    *_of(
        "emd", FLOW_MAP,
        ("dropped J.v", "dx=b, ds=1.0)", "ds=1.0)", f"{POINT}[emd-linear]"),
        ("dropped d_s v", "dx=b, ds=1.0)", "dx=b)", f"{POINT}[emd-linear]"),
    ),
    *_of(
        "fmm", MATCHING,
        ("backward map that runs forward", "jump(v, x_t, t, s), s, t)", "jump(v, x_t, s, t), s, t)",
         "expectation::test_the_lagrangian_term_of_flow_map_matching_has_the_value_of_flow_matching[1.0]"),
        ("wrong clock of the velocity", "path.velocity(x_0, x_1, t))", "path.velocity(x_0, x_1, s))",
         f"{FIXED}[fmm-trigonometric]"),
        ("gradient cut at the backward map", "jump(v, x_t, t, s), s, t)", "jump(v, x_t, t, s).detach(), s, t)",
         f"{WHOLE}[fmm]"),
        ("inversion term dropped", "matched + self.inversion * inverted", "matched",
         "semigradient::test_flow_map_matching_is_its_definition"),
        ("inversion to data", "squared(end - x_t)", "squared(end - x_1)",
         "pointwise::test_the_inversion_term_of_flow_map_matching_is_zero[linear]"),
        ("half of the square", 's, t = context.uniform_pair("times")', 's, t = ordered(*context.uniform_pair("times"))',
         "clocks::test_flow_map_matching_visits_the_whole_square_uniformly"),
        ci="backward map that runs forward",
    ),
    *_of(
        "pfmm", "methods/pfmm.py",
        ("second jump from the start", "teacher(x + align(m - s, x) * first, m, t)", "teacher(x, m, t)",
         f"{POINT}[pfmm-linear]"),
        ("student as its own teacher", 'conditioned(models["teacher"], batch', 'conditioned(models["net"], batch',
         f"{LOSS}[pfmm]"),
        ("wrong clock in the first stage", "context.teach(x, s, batch", "context.teach(x, t, batch",
         (f"{LOSS}[pfmm_first]",
          "order::test_the_first_stage_of_progressive_flow_map_matching_has_the_error_of_eulers_steps[gaussian]")),
        ("every stage the first", '"first": k == 0', '"first": True',
         "pointwise::test_every_stage_of_progressive_flow_map_matching_after_the_first_is_exact"),
        ("quotient of differences", "(first + second) / 2",
         "(align(m - s, x) * first + align(t - m, x) * second) / align(t - s, x)",
         "limits::test_an_interval_that_rounds_to_nothing_is_still_taught"),
        ("reach ignored", "gap = reach * w", "gap = w",
         "clocks::test_progressive_flow_map_matching_visits_every_interval_up_to_its_reach_alike[0]"),
        ("reach that does not double", "2.0 ** (k - self.doublings)", "2.0**-self.doublings",
         "clocks::test_the_stages_of_progressive_flow_map_matching_share_the_budget_and_double_their_reach"),
        ("student not started as its teacher", 'for role in ("net", "teacher"):', 'for role in ("teacher",):',
         "training::test_stages_of_progressive_flow_map_matching_start_as_their_teacher"),
        ci="second jump from the start",
    ),
    *_of(
        "shortcut", "methods/shortcut.py",
        ("second jump from the start", "slow(x + align(d / 2, x) * first, t", "slow(x, t", f"{POINT}[shortcut-linear]"),
        ("first jump of full length", "first = slow(x, t, t + d / 2)", "first = slow(x, t, t + d)",
         f"{POINT}[shortcut-linear]"),
        ("missing stop-gradient", GUARD + "first = slow", OPEN + "first = slow", f"{CUT}[shortcut]"),
        ("slow copy ignored", "(context.target or models)", "models",
         "limits::test_the_slow_copy_teaches_the_shortcuts"),
        ("smallest step on the diagonal", "t, t + 1 / n) - speed", "t, t) - speed", f"{LOSS}[shortcut]"),
        ("lengths half as long", "self.levels).floor())", "self.levels).floor() - 1)",
         "clocks::test_shortcuts_visit_every_dyadic_length_alike_and_its_multiples_alike"),
        ("starts off the grid", "t = (u[on] / d).floor() * d", "t = u[on] * (1 - d)",
         "clocks::test_shortcuts_visit_every_dyadic_length_alike_and_its_multiples_alike"),
        ("any number of steps", "<= 2**self.levels and steps & (steps - 1) == 0", "<= 2**self.levels",
         "clocks::test_shortcuts_sample_on_the_grids_that_they_learn"),
        ci="second jump from the start",
    ),
    *_of(
        "progressive", "methods/progressive.py",
        ("second step from the start", "jump(teacher, jump(teacher, x, s, m), m, t)",
         "jump(teacher, jump(teacher, x, s, m), s, t)", f"{POINT}[progressive-linear]"),
        ("divided by half the step", "(end - x) / align(t - s, x)", "(end - x) / align(m - s, x)",
         f"{POINT}[progressive-linear]"),
        ("student as its own teacher", 'conditioned(models["teacher"], batch', 'conditioned(models["net"], batch',
         f"{LOSS}[progressive]"),
        ("wrong clock in the first round", "context.teach(half, m,", "context.teach(half, s,",
         f"{LOSS}[progressive_first]"),
        ("wrong weight", "torch.maximum(path.alpha(s), path.beta(s))", "torch.minimum(path.alpha(s), path.beta(s))",
         f"{LOSS}[progressive]"),
        ("student not started as its teacher", 'for role in ("net", "teacher", f"', 'for role in ("teacher", f"',
         "training::test_rounds_of_progressive_distillation_pass_on_and_keep_their_students"),
        ("samples of the wrong student", "round(1 / length)", "round(2 / length)",
         "training::test_progressive_distillation_samples_from_the_student_of_that_many_steps[2-student_2]"),
        ci="second step from the start",
    ),
    *_of(
        "imm", "methods/imm.py",
        ("missing stop-gradient", GUARD + "y_sg = jump", OPEN + "y_sg = jump", f"{CUT}[imm]"),
        ("cross term counted once", "- 2 * self._mean(groups[0], groups[1], scale)",
         "- self._mean(groups[0], groups[1], scale)", "limits::test_moment_matching_is_the_papers_sum_over_pairs"),
        ("times not shared by a group", 'context.grouped_uniform("s", self.particles)', 'context.draws.uniform("s")',
         "limits::test_particles_of_a_group_share_their_times_and_groups_do_not"),
        ("wrong clock in the weight", "torch.sigmoid(self.b - log_snr)", "torch.sigmoid(self.b + log_snr)", f"{LOSS}[imm]"),
        ("kernel without the gap", "(end - tau).clamp(min=self.eps)", "torch.ones_like(tau)",
         "limits::test_moment_matching_is_the_papers_sum_over_pairs"),
        ("kernel without the base scale", "path.base_scale * (end - tau)", "(end - tau)",
         "limits::test_moment_matching_is_the_papers_sum_over_pairs"),
        ("gap of zero", "(end - tau).clamp(min=self.eps)", "(end - tau)",
         "limits::test_an_interval_of_length_zero_gives_a_finite_gradient[Kernel.LAPLACE]"),
        ("closer time further off", "self._eta(tau) - (noisiest", "self._eta(tau) + (noisiest", f"{LOSS}[imm]"),
        ci="missing stop-gradient",
    ),
    *_of(
        "interpolant", "methods/interpolant.py",
        ("sign of a derivative", "return -pi / 2 * torch.sin", "return pi / 2 * torch.sin",
         "clocks::test_its_derivatives_are_derivatives[trigonometric]"),
        ("conversion without the change of radius", "return align(d_lambda, x) * x + align", "return align",
         "clocks::test_the_converted_velocity_of_a_gaussian_is_its_velocity_in_the_other_clock[1.0]"),
        ("noise level without the base scale", "self.base_scale * self.alpha(t) / self.beta(t)",
         "self.alpha(t) / self.beta(t)", "clocks::test_noise_levels_and_times_are_inverse[half_base]"),
        ("swapped ends", "torch.sin(theta) / (torch.sin(theta) + torch.cos(theta))",
         "torch.cos(theta) / (torch.sin(theta) + torch.cos(theta))",
         "clocks::test_noise_levels_and_times_are_inverse[linear]"),
    ),
    *_of(
        "times", "methods/times.py",
        ("swapped pair", "torch.minimum(first, second), torch.maximum(first, second)",
         "torch.maximum(first, second), torch.minimum(first, second)",
         "clocks::test_a_sorted_pair_is_uniform_on_the_triangle"),
        ("width ignored", "self.mean + self.std * normal_quantile(u)", "self.mean + normal_quantile(u)",
         "clocks::test_the_logit_of_the_logit_normal_law_is_normal"),
        ("grid without its exponent", "(sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho",
         "(sigma_min ** (1 / rho) - sigma_max ** (1 / rho)))",
         "clocks::test_the_karras_grid_has_its_ends_and_its_spacing"),
    ),
    *_of(
        "share of the batch", "methods/base.py",
        ("local instead of global indices", "_split(self.draws.rows, share)",
         "_split(range(len(self.draws.rows)), share)",
         ("clocks::test_a_share_of_the_batch_is_exact_however_the_batch_is_sliced", f"{MICRO}[4-meanflow]")),
    ),
    *_of(
        "derivative", FLOW_MAP,
        ("one-sided divisor", "/ (2 * h)", "/ h", "limits::test_the_finite_difference_is_of_second_order"),
        ("tangent in s ignored", "torch.full_like(s, ds)", "torch.zeros_like(s)",
         "limits::test_the_finite_difference_is_of_second_order"),
        ("lagrangian without the gap", "value + gap * dv", "value + dv",
         "limits::test_the_lagrangian_pair_is_the_map_and_its_time_derivative"),
        ("split that detaches the value", "return v(x, s, t), dv", "return v(x, s, t).detach(), dv",
         "limits::test_only_the_exact_derivative_carries_a_gradient"),
    ),
    *_of(
        "solvers", "methods/solvers.py",
        ("Heun's second time", "b(x + h * k_1, t))", "b(x + h * k_1, s))",
         "order::test_the_solver_has_its_order[Solver.HEUN]"),
        ("midpoint's time", "b(x, s), (s + t) / 2)", "b(x, s), s)", "order::test_the_solver_has_its_order[Solver.MIDPOINT]"),
        ("RK4's weights", "(k_1 + 2 * k_2 + 2 * k_3 + k_4)", "(k_1 + 2 * k_2 + k_3 + 2 * k_4)",
         "order::test_the_solver_has_its_order[Solver.RK4]"),
        ("step in the wrong direction", "x + align(t - s, x) * b(x, s)", "x + align(s - t, x) * b(x, s)",
         "order::test_the_solver_has_its_order[Solver.EULER]"),
    ),
    *_of(
        "ema", "bench/ema.py",
        ("wrong decay", "self._live, 1 - now)", "self._live, now)", "training::test_an_average_follows_its_recursion"),
        ("warm-up of slow targets", "if self._warm else decay", "if True else decay",
         "training::test_an_average_follows_its_recursion"),
        ci="wrong decay",
    ),
    *_of(
        "training loop", "bench/train.py",
        ("last network instead of the average",
         "return self.average.copy_to(net, self.recipe.ema[0] if decay is None else decay)", "return net",
         "training::test_the_evaluated_network_is_the_average_and_not_the_last_one"),
        ("slow target that stands still", "            self.target.update()\n", "            pass\n",
         "training::test_the_loop_hands_out_progress_and_the_slow_target"),
        ("progress forgotten", "self.step / self.recipe.steps, stage", "0.0, stage",
         "training::test_the_loop_hands_out_progress_and_the_slow_target"),
        ("micro-batches that weigh too much", "loss.per_sample.sum() / self.recipe.batch", "loss.per_sample.mean()",
         ("training::test_micro_batches_train_the_same_network[lsd]",
          "training::test_micro_batches_train_the_same_network[imm]")),
    ),
    *_of(
        "draws", "bench/rng.py",
        ("step not in the key", "kind, purpose, self._step)", "kind, purpose)",
         "sampling::test_draws_differ_by_purpose_step_and_seed_and_repeat_otherwise"),
        ("every slice the first rows", "[self.rows.start : self.rows.stop]", "[: len(self.rows)]",
         "sampling::test_a_slice_draws_the_rows_of_the_whole"),
        ("masks keyed by name alone", 'f"dropout/{purpose}/{name}"', 'f"dropout/{name}"',
         "sampling::test_passes_of_one_purpose_share_their_dropout_mask"),
    ),
    *_of(
        "sampler", "bench/sample.py",
        ("noise put back for the wrong time", "x, at[k + 1])\n        return", "x, at[k])\n        return",
         "sampling::test_exact_maps_sample_the_target_in_any_number_of_steps[ECT-2]"),
        ("renoising without the base scale", 'path.base_scale * self.noise(index, f"renoise {k}")',
         'self.noise(index, f"renoise {k}")',
         "sampling::test_exact_maps_sample_the_target_from_another_base_scale[renoise]"),
        ("hops that all end at data", "x, at[k], at[k + 1], c)", "x, at[k], at[-1], c)",
         "sampling::test_exact_maps_sample_the_target_in_any_number_of_steps[LSD-2]"),
        ci="noise put back for the wrong time",
    ),
]  # fmt: skip


def copy_tree(to: Path) -> Path:
    """The packages and tests, without caches."""
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def run_tests(tree: Path, ids: Iterable[str]) -> tuple[int, str]:
    """pytest's exit code and output for some tests in `tree`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(tree), *ids]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def first_failure(output: str) -> str:
    """The test that failed, shortened."""
    lines = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split(" - ")[0].split(" ", 1)[1].removeprefix("tests/") if lines else "?"


def survives(fault: Fault) -> tuple[str | None, float]:
    """What caught the fault (None: nothing did) and the seconds it took."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_tree(Path(folder))
        fault.inject(tree)
        code, output = run_tests(tree, fault.ids)
    if code not in (PASSED, FAILED):
        raise RuntimeError(f"{fault.subject}: {fault.name}: the tests could not run:\n{output[-3000:]}")
    return (first_failure(output) if code == FAILED else None), time.monotonic() - start


def check_unchanged(faults: Sequence[Fault]) -> None:
    """Raise unless every old text fits and every named test passes as things are."""
    for fault in faults:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / fault.file).parent.mkdir(parents=True)
            shutil.copy(ROOT / fault.file, Path(folder) / fault.file)
            fault.inject(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        ids = sorted({test for fault in faults for test in fault.ids})
        code, output = run_tests(copy_tree(Path(folder)), ids)
    if code != PASSED:
        raise RuntimeError(f"the named tests do not pass on the unchanged tree:\n{output[-3000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--part", choices=["all", "ci"], default="all")
    parser.add_argument("--list", action="store_true", help="print the faults and run nothing")
    parser.add_argument("--only", default="", help="those whose subject or name holds this word")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    faults = [f for f in FAULTS if (f.ci or given.part == "all") and given.only in f"{f.subject}: {f.name}"]
    if given.list:
        print("\n".join(f"{f.subject}: {f.name}" for f in faults))
        return 0
    start = time.monotonic()
    check_unchanged(faults)
    print(f"unchanged: all named tests pass ({time.monotonic() - start:.0f} s)", flush=True)
    alive = Counter[str]()
    with ThreadPoolExecutor(given.jobs) as pool:
        for fault, (caught, seconds) in zip(faults, pool.map(survives, faults), strict=True):
            alive[fault.subject] += caught is None
            print(f"{fault.subject + ': ' + fault.name:64s} {seconds:5.1f} s  {caught or 'SURVIVES'}", flush=True)
    print(f"{len(faults)} faults, {alive.total()} survive, {time.monotonic() - start:.0f} s")
    return int(alive.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
