"""Faults in: The clocks and weights of single rounds and stages, and which of two times a limit moves."""

from fault_tables.base import of

ROUNDS = "rounds::test_"
ROUND = ROUNDS + "a_round_is_its_definition_on_its_own_grid_with_its_weight"
LEGS = "tract::test_a_round_is_its_definition"
STAGE = ROUNDS + "a_stage_of_progressive_flow_map_matching_is_its_definition"
ANNEAL = ROUNDS + "annealing_moves_the_end_of_the_interval_and_leaves_its_start"

FAULTS = [
    *of(
        "progressive", "methods/progressive.py",
        ("weight at the end of the step", "torch.maximum(path.alpha(s), path.beta(s))",
         "torch.maximum(path.alpha(t), path.beta(t))", ROUND),
        ("weight of the first round only", "truncated = self.weighting is",
         'truncated = context.stage.options["first"] and self.weighting is', ROUND),
        ("weight not squared", "path.beta(s)).square() if truncated", "path.beta(s)) if truncated", ROUND),
        ("first round's grid in all", 'batch.x_1, context.stage.options["steps"]', "batch.x_1, self.start", ROUND),
        ("even grid in the last two rounds", "times = constant(type(self).times, self, 2 * n, like=x_1)",
         "times = (self.times(2 * n) if n > 2 else torch.linspace(0, 1, 2 * n + 1).double()).to(x_1)", ROUND),
        ("middle at the end", "times[2 * i + 1], times[2 * i + 2]", "times[2 * i + 2], times[2 * i + 2]", ROUND),
        ("every round the first", '"first": n == self.start', '"first": True', ROUND),
        ("last two rounds as long as the others", "if n <= 2 else 1.0", "if n <= 0 else 1.0",
         ROUNDS + "the_last_two_rounds_are_twice_as_long_as_the_others"),
        ("last round alone longer", "if n <= 2 else 1.0", "if n <= 1 else 1.0",
         ROUNDS + "the_last_two_rounds_are_twice_as_long_as_the_others"),
        ci="weight of the first round only",
    ),
    *of(
        "tract", "methods/tract.py",
        ("teacher's step to the end", "jump(conditioned(models[\"teacher\"], batch.condition), x, s, m)",
         "jump(conditioned(models[\"teacher\"], batch.condition), x, s, e)", LEGS),
        ("slow copy from the start", "end = jump(slow, x_m, m, e)", "end = jump(slow, x_m, s, e)", LEGS),
        ("student itself for its slow copy", "(context.target or models)", "models", LEGS),
        ("starts of steps alone", 'context.draws.uniform("point") * self.shrink', 'context.draws.uniform("point") * 0', LEGS),
        ("end of the fine step", "times[step + self.shrink]", "times[i + 1]", LEGS),
        ("missing stop-gradient", "            end = jump(slow, x_m, m, e)\n", "        end = jump(slow, x_m, m, e)\n", LEGS),
        ("grid of halves", "(type(self).times, self, n * self.shrink, like", "(type(self).times, self, n * 2, like", LEGS),
        ci="slow copy from the start",
    ),
    *of(
        "pfmm", "methods/pfmm.py",
        ("middle off the middle", "m = (s + t) / 2", "m = (s + 2 * t) / 3", STAGE),
        ("reach of the stage before", "2.0 ** (k - self.doublings)", "2.0 ** (k - 1 - self.doublings)", STAGE),
        ("second half asked at its end", "first, m, t)", "first, t, t)", STAGE),
    ),
    *of(
        "tcm", "methods/truncated.py",
        ("second stage begins again at the first ratio", "self.pairs.doublings - 1, path", "0, path",
         ROUNDS + "the_second_stage_keeps_the_last_ratio_whatever_its_progress"),
        ("second stage that tightens", "self.pairs.doublings - 1, path",
         "int(context.progress * self.pairs.doublings), path",
         ROUNDS + "the_second_stage_keeps_the_last_ratio_whatever_its_progress"),
        ("first stage by the whole run's progress", "context.progress / self.first_share", "context.progress",
         ROUNDS + "the_first_stage_halves_the_gap_in_ten_equal_parts_down_to_its_limit"),
    ),
    *of(
        "ect", "methods/pairs.py",
        ("weight of the pair before it is cut", "1 / (sigma - sigma_r)",
         "1 / (sigma * self.step(a) * (1 + self.k * torch.sigmoid(-self.b * sigma)))",
         ROUNDS + "where_a_pair_is_cut_at_data_the_clean_end_moves_and_the_weight_is_of_what_is_left"),
        ("noisy end moved where a pair is cut", "return path.time_of_sigma(sigma),",
         "return path.time_of_sigma(torch.where(sigma_r == 0, 2 * sigma, sigma)),",
         ROUNDS + "where_a_pair_is_cut_at_data_the_clean_end_moves_and_the_weight_is_of_what_is_left"),
        ("a part too early", "whole(progress * self.doublings)", "whole(progress * self.doublings) + 1",
         ROUNDS + "the_first_stage_halves_the_gap_in_ten_equal_parts_down_to_its_limit"),
    ),
    *of(
        "ct", "methods/pairs.py",
        ("grid rounded down", "return max(1, ceil(n))", "return max(1, int(n))",
         ROUNDS + "the_number_of_intervals_follows_the_papers_formula_at_every_step"),
    ),
    *of(
        "ict", "methods/pairs.py",
        ("grid that doubles a part too early", "int(progress * self.parts)", "ceil(progress * self.parts)",
         ROUNDS + "the_number_of_intervals_follows_the_papers_formula_at_every_step"),
    ),
    *[
        fault
        for name, kind in (("lsd", "LSD"), ("esd", "ESD"), ("psd_m", "PSD"))
        for fault in of(
            name, "methods/self_distillation.py",
            (f"annealing moves the start [{name}]", "t = torch.minimum(t, s + warm_up(context.progress, self.anneal))",
             "s = torch.maximum(s, t - warm_up(context.progress, self.anneal))", f"{ANNEAL}[0.1-{kind}]"),
            (f"diagonal at the later of two times [{name}]", 'd = context.draws.uniform("diagonal")[on]', "d = t[on]",
             f"{ROUNDS}the_diagonal_has_a_time_of_its_own_and_the_rest_of_the_batch_the_triangle[{kind}]"),
        )
    ],
    *of(
        "imm", "methods/imm.py",
        ("end moved to the middle time", "rho = torch.minimum(end, self.closer(tau))",
         "rho = self.closer(tau)\n        end = torch.maximum(end, rho)",
         ROUNDS + "moment_matching_moves_the_middle_time_to_the_end_and_never_the_end"),
        ("middle time moved to the noisier one", "rho = torch.minimum(end, self.closer(tau))",
         "rho = torch.where(self.closer(tau) > end, tau, self.closer(tau))",
         ROUNDS + "moment_matching_moves_the_middle_time_to_the_end_and_never_the_end"),
    ),
    *of(
        "meanflow", "methods/meanflow.py",
        ("start moved to the diagonal", "t = t.index_copy(0, (on := context.split(self.eta)[0]), s[on])",
         "s = s.index_copy(0, (on := context.split(self.eta)[0]), t[on])",
         "limits::test_meanflow_puts_its_share_on_the_diagonal_at_the_noisier_time"),
    ),
    *of(
        "soflow", "methods/soflow.py",
        ("start moved away from an early end", "t = torch.maximum(self.end_law(u_2), s + self.min_gap).clamp(max=1)",
         "t = self.end_law(u_2)\n        s = torch.minimum(s, (t - self.min_gap).clamp(min=0))",
         ROUNDS + "soflow_moves_the_end_that_comes_too_early_and_leaves_the_start"),
    ),
    *of(
        "shortcut", "methods/shortcut.py",
        ("start rounded up", "t = (u[on] / d).floor() * d", "t = (u[on] / d).ceil() * d",
         ROUNDS + "a_shortcut_rounds_its_start_down_and_ends_a_whole_step_later"),
        ("second half that starts at the first", "* first, t + d / 2, t + d)", "* first, t, t + d / 2)",
         ROUNDS + "a_shortcut_rounds_its_start_down_and_ends_a_whole_step_later"),
    ),
]  # fmt: skip
