"""Faults in: Continuous-time consistency models and Align Your Flow."""

from fault_tables.base import of

TANGENT, SCM, AYF = "methods/tools/tangent.py", "methods/scm.py", "methods/ayf.py"
BOTH, OF_SCM, OF_AYF = "tangent::test_", "scm::test_", "ayf::test_"
POINT = BOTH + "loss_and_gradient_vanish_at_the_exact_map"
SCM_LOSS = OF_SCM + "continuous_consistency_is_its_definition_and_cut_at_the_tangent"
AYF_LOSS = OF_AYF + "align_your_flow_is_its_definition_and_cut_at_the_tangent"
VALUE = OF_SCM + "consistency_training_has_its_value_and_a_semigradient_that_vanishes_at_the_exact_map_only"
PULL = BOTH + "a_pull_has_the_tangents_square_for_value_and_descends_along_it"
WEIGHT = OF_SCM + "the_learned_weight_of_the_paper_multiplies_the_mean_over_dimensions[sct]"

FAULTS = [
    *of(
        "sct, scd, ayf", TANGENT,
        ("pushed against the tangent", "value.detach() - g.detach()", "value.detach() + g.detach()", PULL),
        ("missing stop-gradient", "squared(value - value.detach() -", "squared(value - value -", PULL),
        ("norm squared", "align(torch.sqrt(squared(g)), g)", "align(squared(g), g)",
         BOTH + "a_normalised_tangent_keeps_its_direction_and_stays_below_one"),
        ("no warm-up", "if not share > 0:", "if True:",
         BOTH + "the_warm_up_rises_to_its_end_and_stays"),
        ci="pushed against the tangent",
    ),
    *of(
        "sct", SCM,
        ("wrong conditional velocity", "x) * z - align(", "x) * z + align(", f"{VALUE}[linear]"),
        ("base scale forgotten", "z = path.base_scale * context.noise", "z = context.noise", f"{VALUE}[half_base]"),
        ("noise level taken for the angle's tangent", "a = torch.atan(sigma / path.base_scale)", "a = torch.atan(sigma)",
         OF_SCM + "noise_levels_are_lognormal_and_the_map_goes_to_data[sct-half_base]"),
        ("wrong clock", "mean: float = -1.0", "mean: float = 1.0",
         OF_SCM + "noise_levels_are_lognormal_and_the_map_goes_to_data[sct-linear]"),
        ("weight's sign", "* raw - w, parts", "* raw + w, parts", WEIGHT),
        ("weight of the sum over dimensions", "torch.exp(w) / x_1[0].numel() * raw", "torch.exp(w) * raw", WEIGHT),
        ("normalised twice", "raw = pull(value, step)", "raw = pull(value, normalised(step, self.c))",
         f"{SCM_LOSS}[sct-warm-normalised-linear]"),
        ("two steps that stop at twice the noise", "= 0.98  # the angle", "= 1.96  # the angle",
         OF_SCM + "two_steps_stop_over_at_the_papers_noise_level_where_asked[linear]"),
        ci="wrong conditional velocity",
    ),
    *of(
        "scd", SCM,
        ("dropped J", "(cos * sin * x + J)", "(cos * sin * x)", f"{POINT}[scd-linear]"),
        ("dropped d_a F", "torch.cos(a) * torch.sin(a)))[1]", "0 * a))[1]", f"{POINT}[scd-linear]"),
        ("clock that runs backwards", "return -2 / torch.pi", "return 2 / torch.pi", f"{POINT}[scd-linear]"),
        ("velocity of the wrong clock", "convert_velocity(b, x_s, s, path, Trigonometric(path.base_scale))", "b",
         f"{POINT}[scd-linear]"),
        ("point not scaled to the clock", "align(path.radius(s), x) * x, s", "x, s",
         OF_SCM + "one_sample_is_one_point_on_every_clock[linear]"),
        ("network read on one clock only", "(torch.cos(a) - path.radius(s)) / torch.sin(a), (1 - s) / torch.sin(a)",
         "(torch.cos(a) - path.radius(s)) / torch.sin(a), path.radius(s)", f"{POINT}[scd-trigonometric]"),
        ("warm-up of the other part", "-(cos**2) * (value - dx) - r *", "-r * (cos**2) * (value - dx) -",
         f"{SCM_LOSS}[scd-warming-plain-linear]"),
        ("student not started as its teacher", "prepare=start_from_teacher if self.initialise else None", "prepare=None",
         BOTH + "a_student_starts_as_its_teacher_unless_told_otherwise[scd]"),
        ci="dropped J",
    ),
    *of(
        "ayf_emd", AYF,
        ("wrong clock of the teacher", "velocity = b(x, s)", "velocity = b(x, t)", f"{POINT}[ayf_emd-linear]"),
        ("dropped J.v", "dx=velocity, ds=1.0", "ds=1.0", f"{POINT}[ayf_emd-linear]"),
        ("flipped sign", "value.detach() + r * align(", "value.detach() - r * align(", f"{POINT}[ayf_emd-linear]"),
        ("nothing held back", "warmup_end: Share = 0.99", "warmup_end: Share = 1.0",
         OF_AYF + "the_hundredth_that_align_your_flow_holds_back_pulls_towards_the_teachers_velocity[emd]"),
        ("interval's clock turned around", "LogitNormal(self.mean,", "LogitNormal(-self.mean,",
         OF_AYF + "intervals_are_logit_normal_and_start_uniformly_on_what_they_leave[emd]"),
        ("guided towards the weak teacher", "weak + align(lam, x)", "weak + align(1 - lam, x)",
         OF_AYF + "a_guided_teacher_leaves_the_weak_one_behind[emd]"),
        ("weak teacher not asked for", "weak_teacher=self.guided", "weak_teacher=False",
         OF_AYF + "a_guided_teacher_leaves_the_weak_one_behind[emd]"),
        ci="dropped J.v",
    ),
    *of(
        "ayf_lmd", AYF,
        ("teacher at the start of the jump", "velocity = b(x + gap * speed, t)", "velocity = b(x, t)",
         f"{POINT}[ayf_lmd-linear]"),
        ("swapped times", "velocity = b(x + gap * speed, t)", "velocity = b(x + gap * speed, s)",
         f"{POINT}[ayf_lmd-linear]"),
        ("flipped sign", "velocity - speed - r * gap * dv", "velocity - speed + r * gap * dv", f"{POINT}[ayf_lmd-linear]"),
        ("derivative at the start", "s, t, dt=1.0", "s, t, ds=1.0", f"{POINT}[ayf_lmd-linear]"),
        ("warm-up ignored", "velocity - speed - r * gap", "velocity - speed - gap", f"{AYF_LOSS}[lmd-warming-plain-linear]"),
        ci="teacher at the start of the jump",
    ),
]  # fmt: skip
