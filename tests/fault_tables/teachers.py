"""Faults in: EDM, its preconditioning, and the choice of teachers."""

from fault_tables.base import of

COEFFICIENTS = "edm::test_the_velocity_is_that_of_the_papers_denoiser[two_times-trigonometric_half]"
PAPER = "edm::test_the_loss_is_the_papers"
SAMPLER = "edm::test_the_sampler_is_the_papers[trigonometric_half]"
TEACHERS = "tests/bench/teaching/test_teachers.py::test_"

FAULTS = [
    *of(
        "preconditioning", "methods/tools/preconditioning.py",
        ("base scale forgotten in the spread", "variance = noise * alpha.square()", "variance = alpha.square()", COEFFICIENTS),
        ("skip of the other sign", "(noise * alpha * d_alpha + data * beta * d_beta)",
         "(noise * alpha * d_alpha - data * beta * d_beta)", COEFFICIENTS),
        ("raw input", "self.net(x / spread, s, t", "self.net(x, s, t", COEFFICIENTS),
        ("coefficients at the later time", "coefficients(self.interpolant, self.sigma_data, s)",
         "coefficients(self.interpolant, self.sigma_data, t)", COEFFICIENTS),
        ("output twice divided", "(alpha * d_beta - d_alpha * beta) / spread", "(alpha * d_beta - d_alpha * beta) / variance",
         COEFFICIENTS),
        ci="base scale forgotten in the spread",
    ),
    *of(
        "edm", "methods/edm.py",
        ("weight forgotten", "Loss(raw / out.square(),", "Loss(raw,", f"{PAPER}[linear]"),
        ("weight of the root", "Loss(raw / out.square(),", "Loss(raw / out,", f"{PAPER}[linear]"),
        ("base scale forgotten", "path.base_scale * context.noise", "context.noise", f"{PAPER}[linear_half]"),
        ("noise levels not logarithmic", "torch.exp(self.mean + self.std * normal_quantile(u))",
         "(self.mean + self.std * normal_quantile(u)).abs()", "edm::test_the_training_noise_is_log_normal[linear]"),
        ("Heun to data", "return (s > 0) & (t < 1)", "return (s > 0) & (t < 2)", SAMPLER),
        ("infinite noise", "return (s > 0) & (t < 1)", "return t < 1",
         "edm::test_a_jump_treats_every_sample_by_its_own_times[linear]"),
        ("Euler's step of the harness's clock", "return align(along_x, x) * x + align(along_v, x) * v(x, s, s)",
         "return x + align(t - s, x) * v(x, s, s)", SAMPLER),
        ("noise of the wrong sign", "(d_beta * y - v(beta * y, u, u))", "(v(beta * y, u, u) - d_beta * y)", SAMPLER),
        ("noise not in units of the base", "return x_0 / path.base_scale", "return x_0", SAMPLER),
        ("solver ignored in sampling", "step(self.solver, noise", "step(Solver.HEUN, noise",
         "edm::test_better_solvers_come_closer_until_the_last_step_is_what_is_left"),
        ("grid without its smallest noise", "karras_sigmas(steps, self", "karras_sigmas(steps + 1, self",
         "edm::test_the_grid_is_the_papers[linear]"),
        ("not preconditioned", "return Preconditioned(net, self.interpolant, self.sigma_data, levels)", "return net",
         f"{TEACHERS}students_of_edm_are_trained_loaded_and_sampled_with_its_parametrisation"),
        ci="weight forgotten",
    ),
    *of(
        "teachers", "bench/planning/jobs.py",
        ("always flow matching", "with_method(experiment, experiment.teacher.method)",
         'with_method(experiment, "flow_matching")',
         f"{TEACHERS}flow_matching_teaches_unless_another_is_chosen"),
        ("weak teacher of the whole budget", "round(share * other.budget.images)", "other.budget.images",
         f"{TEACHERS}a_weak_teacher_is_the_same_method_on_a_share_of_the_budget"),
        ci="always flow matching",
    ),
    *of(
        "teachers", "bench/config/registry.py",
        ("any method may teach", 'method_class(section("method", name, plugins).get("target")).velocity_model', "True",
         f"{TEACHERS}an_impossible_teacher_is_named_before_anything_starts"),
    ),
    *of(
        "teachers", "bench/config/records.py",
        ("student of its own parametrisation", 'made_by = teacher["method"] if teacher else None', "made_by = None",
         f"{TEACHERS}a_student_begins_as_its_teacher"),
    ),
    *of(
        "teachers", "bench/accounts/logbook.py",
        ("weak teacher free of charge", "_total([t.images for t in paid])", "paid[0].images if paid else 0",
         f"{TEACHERS}both_teachers_are_handed_in_and_on_the_bill"),
    ),
    *of(
        "teachers", "bench/job.py",
        ("strong teacher twice", "weak_teacher=teaching.weak.velocity", "weak_teacher=teaching.teacher.velocity",
         f"{TEACHERS}both_teachers_are_handed_in_and_on_the_bill"),
    ),
]  # fmt: skip
