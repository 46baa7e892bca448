"""Faults in: CT, iCT and truncated consistency models."""

from fault_tables.base import of

CONSISTENCY, PAIRS, TRUNCATED = "methods/consistency.py", "methods/pairs.py", "methods/truncated.py"
OF_CT, OF_PAIRS, OF_TCM = "ct::test", "pairs::test", "tcm::test"
OF_CMT = "cmt::test"
MID = f"{OF_CMT}_mid_training_is_its_definition"
LED = "gaf::test_pairs_of_a_share_lead_to_what_the_generator_makes_of_their_noisy_end"
DEFINITION = "consistency::test_the_loss_is_its_definition"

FAULTS = [
    *of(
        "ct", CONSISTENCY,
        ("decay by the number of levels", "self.pairs.intervals(progress)))", "(self.pairs.intervals(progress) + 1)))",
         f"{OF_CT}_the_decay_of_the_slow_target_follows_the_grid"),
        ci="decay by the number of levels",
    ),
    *of(
        "ct", PAIRS,
        ("grid that never grows", "n = sqrt(progress * (", "n = sqrt(0 * (",
         f"{OF_PAIRS}_the_grid_of_consistency_training_grows_by_the_papers_schedule"),
        ("levels for intervals", "KarrasPairs(self.intervals(progress) + 1,", "KarrasPairs(self.intervals(progress) + 2,",
         f"{DEFINITION}[ct-linear]"),
    ),
    *of(
        "ct", "bench/training/slow.py",
        ("constant slow target", "self.average.update(decay)", "self.average.update()",
         f"{OF_CT}_the_loop_lets_the_slow_target_decay_as_the_method_says"),
    ),
    *of(
        "ict", PAIRS,
        ("every interval alike", "i = torch.searchsorted(reached[1:], u, right=True)",
         "i = (u * (times.isfinite().sum() - 1)).long()",
         f"{OF_PAIRS}_improved_consistency_training_draws_intervals_by_the_discretised_lognormal"),
        ("weight upside down", "[-1 / sigmas.diff(), ", "[-sigmas.diff(), ", f"{DEFINITION}[ict-linear]"),
        ("another width of the law", "(sqrt(2) * self.std)", "self.std", f"{DEFINITION}[ict-linear]"),
        ("grid that doubles too late", "return log2(self.end / self.start) + 1", "return log2(self.end / self.start)",
         f"{OF_PAIRS}_the_grid_of_improved_consistency_training_doubles_in_eight_equal_parts"),
    ),
    *of(
        "ict", CONSISTENCY,
        ("constant that ignores the dimension", "0.00054 * sqrt(x_1[0].numel())", "0.00054",
         f"{OF_CT}_the_robust_constant_grows_with_the_root_of_the_dimension"),
        ci="constant that ignores the dimension",
    ),
    *of(
        "gaf", CONSISTENCY,
        ("samples in the cleaner point alone", "x_s = path.point(x_0, batch.x_1, s)", "x_s = path.point(x_0, x_1, s)", LED),
        ("samples of other noise", "return replace(batch, x_1=batch.x_1.index_copy(0, on, made))",
         "return replace(batch, x_1=batch.x_1.index_copy(0, on, made.roll(1, 0)))", LED),
        ("gradient through the generator", "with torch.no_grad():\n            made",
         "with torch.enable_grad():\n            made", LED),
        ("share of the pairs that stay", "on = context.split(self.generated)[0]", "on = context.split(self.generated)[1]", LED),
    ),
    *of(
        "gaf", "methods/gaf.py",
        ("target of the copy that generates", "replace(context, target=None)", "context", LED),
        ci="target of the copy that generates",
    ),
    *of(
        "cmt", "methods/cmt.py",
        ("state of the point before", "device=i.device), i + 1]", "device=i.device), i]", MID),
        ("state before the end", "- paths[:, -1]", "- paths[:, -2]", MID),
        ("second stage from the live weights", "images - first, prepare=start_from_teacher,", "images - first, prepare=None,",
         "tests/bench/training/test_stages.py::test_the_student_of_a_later_stage_and_its_frozen_teacher_are_the_average_of_the_"
         "one_before[cmt]"),
        ("points even in the noise level", "torch.linspace(log(self.sigma_max), log(self.sigma_min), self.points * parts + 1, "
         "dtype=torch.float64).exp()", "torch.linspace(self.sigma_max, self.sigma_min, self.points * parts + 1).double()",
         f"{OF_CMT}_a_path_has_its_points_even_in_the_logarithm_of_the_noise_level"),
        ("substeps kept for points", "tuple(1 + k * i for i", "tuple(1 + i for i",
         f"{OF_CMT}_a_path_has_its_points_even_in_the_logarithm_of_the_noise_level"),
        ("second stage at ECT's first gap", "EasyPairs(q=4096.0, doublings=1)", "EasyPairs(q=2.0, doublings=1)",
         f"{OF_CMT}_the_second_stage_is_easy_consistency_at_one_small_gap"),
        ("paths to the very end", 'options={"paths": False}', 'options={"paths": True}',
         f"{OF_CMT}_the_second_stage_is_easy_consistency_at_one_small_gap"),
        ci="state before the end",
    ),
    *of(
        "tcm", TRUNCATED,
        ("no boundary condition", "torch.where(align(self._below(r), x_r), frozen, own)", "own",
         f"{OF_TCM}_an_error_of_the_first_network_reaches_the_second_at_the_boundary"),
        ("second stage under a first of random weights", 'for role in ("net", "first"):', 'for role in ("net",):',
         f"{OF_TCM}_the_stages_share_the_images_and_the_second_is_the_truncated_one"),
        ("boundary weight per sample, not per part", "self.boundary_weight / self.boundary_share", "self.boundary_weight",
         f"{DEFINITION}[tcm-linear]"),
        ("first stage that tightens half the way", "context.progress / self.first_share", "context.progress",
         f"{OF_TCM}_the_first_stage_of_a_truncated_model_is_easy_consistency_on_its_part_of_the_budget"),
        ("second network below the boundary", 'role = "first" if self._below(s).item() else "net"', 'role = "net"',
         f"{OF_TCM}_a_jump_is_the_first_networks_below_the_boundary"),
        ("pairs that go on tightening", "max(super().step(a), 1 - self.limit)", "super().step(a)",
         f"{DEFINITION}[tcm-linear]"),
        ("density of another degree", "torch.cosh(y) ** -self.df", "torch.cosh(y) ** -(self.df + 1)",
         f"{OF_TCM}_the_truncated_student_law_has_its_quantiles"),
        ci="no boundary condition",
    ),
]  # fmt: skip
