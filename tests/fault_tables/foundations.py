"""Faults in: What the methods stand on: clocks, times, derivatives, solvers."""

from fault_tables.base import MICRO, of

FLOW_MAP = "methods/tools/flow_map.py"

FAULTS = [
    *of(
        "interpolant", "methods/tools/interpolant.py",
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
    *of(
        "times", "methods/times.py",
        ("reach ignored", "gap = reach * w", "gap = w",
         "clocks::test_progressive_flow_map_matching_visits_every_interval_up_to_its_reach_alike[0]"),
        ("swapped pair", "torch.minimum(first, second), torch.maximum(first, second)",
         "torch.maximum(first, second), torch.minimum(first, second)",
         "clocks::test_a_sorted_pair_is_uniform_on_the_triangle"),
        ("width ignored", "self.mean + self.std * normal_quantile(u)", "self.mean + normal_quantile(u)",
         "clocks::test_the_logit_of_the_logit_normal_law_is_normal"),
        ("grid without its exponent", "(sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho",
         "(sigma_min ** (1 / rho) - sigma_max ** (1 / rho)))",
         "clocks::test_the_karras_grid_has_its_ends_and_its_spacing"),
    ),
    *of(
        "share of the batch", "bench/training/rng.py",
        ("local instead of global indices", "_split(self.rows, share,",
         "_split(range(len(self.rows)), share,",
         ("clocks::test_a_share_of_the_batch_is_exact_however_the_batch_is_sliced", f"{MICRO}[4-meanflow]")),
    ),
    *of(
        "derivative", FLOW_MAP,
        ("one-sided divisor", "/ (2 * h)", "/ h", "limits::test_the_finite_difference_is_of_second_order"),
        ("tangent in s ignored", "torch.full_like(s, ds)", "torch.zeros_like(s)",
         "limits::test_the_finite_difference_is_of_second_order"),
        ("lagrangian without the gap", "value + gap * dv", "value + dv",
         "limits::test_the_lagrangian_pair_is_the_map_and_its_time_derivative"),
        ("split that detaches the value", "return v(x, s, t), dv", "return v(x, s, t).detach(), dv",
         "limits::test_only_the_exact_derivative_carries_a_gradient"),
    ),
    *of(
        "solvers", "methods/tools/solvers.py",
        ("Heun's second time", "b(x + h * k_1, t))", "b(x + h * k_1, s))",
         "order::test_the_solver_has_its_order[Solver.HEUN]"),
        ("midpoint's time", "b(x, s), (s + t) / 2)", "b(x, s), s)", "order::test_the_solver_has_its_order[Solver.MIDPOINT]"),
        ("RK4's weights", "(k_1 + 2 * k_2 + 2 * k_3 + k_4)", "(k_1 + 2 * k_2 + k_3 + 2 * k_4)",
         "order::test_the_solver_has_its_order[Solver.RK4]"),
        ("step in the wrong direction", "x + align(t - s, x) * b(x, s)", "x + align(s - t, x) * b(x, s)",
         "order::test_the_solver_has_its_order[Solver.EULER]"),
    ),
]  # fmt: skip
