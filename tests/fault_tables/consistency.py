"""Faults in: Consistency models."""

from fault_tables.base import CUT, GUARD, LOSS, OPEN, of

CONSISTENCY = "methods/consistency.py"
PAIRS = "methods/pairs.py"

FAULTS = [
    *of(
        "ect", CONSISTENCY,
        ("neighbour that is the same point", "return self.interpolant.point(x_0, batch.x_1, r)", "return x_s",
         f"{LOSS}[ect]"),
        ("missing stop-gradient", GUARD + "x_r = self.partner", OPEN + "x_r = self.partner", f"{CUT}[ect]"),
        ("weight dropped", "Loss(w * self.distance", "Loss(self.distance",
         "limits::test_the_weight_of_a_pair_multiplies_its_distance"),
        ("robust distance per squared constant", "torch.sqrt(raw + c**2) - c", "torch.sqrt(raw + c)",
         "semigradient::test_the_robust_distance_is_the_papers"),
        ci="missing stop-gradient",
    ),
    *of(
        "ect", PAIRS,
        ("pairs that never tighten", "whole(progress * self.doublings)", "0",
         "clocks::test_easy_consistency_tightens_its_pairs_with_progress[0.99-linear]"),
        ("wrong clock", "return path.time_of_sigma(sigma), path.time_of_sigma(sigma_r),",
         "return 1 / (1 + sigma), 1 / (1 + sigma_r),",
         "clocks::test_easy_consistency_tightens_its_pairs_with_progress[0.3-trigonometric]"),
    ),
    *of(
        "cd", CONSISTENCY,
        ("swapped times of the teacher's step", "batch.condition), x_s, s, r)", "batch.condition), x_s, r, s)",
         "order::test_the_residual_of_consistency_distillation_falls_at_its_solvers_order[Solver.HEUN-gaussian]"),
        ("conditional velocity instead of the teacher's", "lambda x, t: context.teach(x, t, batch.condition)",
         "lambda x, t: batch.x_1 - x_0",
         "order::test_the_residual_of_consistency_distillation_falls_at_its_solvers_order[Solver.HEUN-gaussian]"),
        ("target at the wrong time", "context, x_r, r, batch.condition", "context, x_r, s, batch.condition", f"{LOSS}[cd]"),
        ("slow target ignored", "models if context.target is None else context.target", "models",
         "limits::test_a_slow_target_teaches_in_place_of_the_network"),
        ci="swapped times of the teacher's step",
    ),
]  # fmt: skip
