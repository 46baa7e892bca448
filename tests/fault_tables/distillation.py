"""Faults in: Maps learned from a teacher: LMD, EMD, progressive flow map matching and progressive distillation."""

from fault_tables.base import CUT, LOSS, POINT, WHOLE, of

FLOW_MAP = "methods/tools/flow_map.py"
MATCHING = "methods/flow_map_matching.py"

FAULTS = [
    *of(
        "cd, lmd, emd", "methods/base.py",
        ("student not started as its teacher", 'models[role].load_state_dict(previous["net"].state_dict())', "pass",
         "training::test_a_student_that_says_so_starts_as_its_teacher"),
    ),
    *of(
        "lmd", MATCHING,
        ("swapped times", "velocity = b(end, t)", "velocity = b(end, s)", f"{POINT}[lmd-linear]"),
        ("teacher at the start of the jump", "velocity = b(end, t)", "velocity = b(x, t)", f"{POINT}[lmd-linear]"),
        ("missing stop-gradient", "torch.set_grad_enabled(not self.stop_gradient)", "torch.enable_grad()",
         f"{CUT}[lmd]"),
        ("flipped sign", "return speed - velocity", "return speed + velocity", f"{POINT}[lmd-linear]"),
        ci="swapped times",
    ),
    *of(
        "emd", MATCHING,
        ("wrong clock of the teacher", "velocity = b(x, s)", "velocity = b(x, t)", f"{POINT}[emd-linear]"),
        ("always cut", "cut=self.stop_gradient", "cut=True", f"{WHOLE}[emd]"),
        ("never cut", "cut=self.stop_gradient", "cut=False", f"{CUT}[emd]"),
        ci="wrong clock of the teacher",
    ),
    *of(
        "emd", FLOW_MAP,
        ("dropped J.v", "dx=b, ds=1.0)", "ds=1.0)", f"{POINT}[emd-linear]"),
        ("dropped d_s v", "dx=b, ds=1.0)", "dx=b)", f"{POINT}[emd-linear]"),
    ),
    *of(
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
        ("reach that does not double", "2.0 ** (k - self.doublings)", "2.0**-self.doublings",
         "clocks::test_the_stages_of_progressive_flow_map_matching_share_the_budget_and_double_their_reach"),
        ("student not started as its teacher", 'for role in ("net", "teacher"):', 'for role in ("teacher",):',
         "training::test_stages_of_progressive_flow_map_matching_start_as_their_teacher"),
        ci="second jump from the start",
    ),
    *of(
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
]  # fmt: skip
