"""Faults in: Losses at a cadence of their own, and the methods that train further networks beside the one that is sampled."""

from fault_tables.base import of
from fault_tables.passes import labels

CADENCE = "tests/bench/training/test_cadence.py::test_"
MATCHING, CRITIC = "methods/distribution_matching.py", "methods/tools/critic.py"
TRUTH = "distribution::test_"
CLOSED = TRUTH + "the_generators_gradient_is_its_closed_form_and_goes_to_the_data"
TOLD = TRUTH + "a_critic_is_told_data_and_samples_at_the_same_noise"
RAISES = TRUTH + "a_critic_raises_the_logits_of_data_and_a_generator_those_of_its_own"
SPARED = TRUTH + "in_a_step_that_leaves_the_generator_alone_nothing_is_asked_of_the_teacher"

FAULTS = [
    *of(
        "cadence", "methods/base.py",
        ("the first of each n", "if (step + 1) % n}", "if step % n}", CADENCE + "a_stage_says_what_each_of_its_steps_takes"),
        ("balanced without its other", "if other not in left", "if name not in left",
         CADENCE + "a_balanced_loss_is_taken_with_the_one_that_it_is_balanced_with"),
    ),
    *of(
        "cadence", "bench/accounts/progress.py",
        ("every loss in every step", "return self.stage.at(self.step - self.start)", "return self.stage",
         CADENCE + "what_a_step_does_not_take_is_not_computed_and_moves_nothing"),
        ("steps of the run", "self.stage.at(self.step - self.start)", "self.stage.at(self.step + 1)",
         CADENCE + "what_a_step_does_not_take_is_not_computed_and_moves_nothing"),
        ci="every loss in every step",
    ),
    *of(
        "cadence", "bench/training/step.py",
        ("one graph for all steps", "key = (stage.name, *stage.trained)", "key = (stage.name,)",
         CADENCE + "a_compiled_run_has_a_graph_for_each_set_of_losses_and_the_numbers_of_the_eager_one"),
    ),
    *of(
        "cadence", "bench/accounts/meter.py",
        ("mean over all steps", "total / self._steps[name] for", "total / max(self._steps.values()) for",
         CADENCE + "the_logged_loss_is_the_sum_of_each_ones_mean_over_the_steps_that_took_it"),
    ),
    *of(
        "cadence", "bench/fitting/slices.py",
        ("memory of the first step", "for step in progress.stage.different:", "for step in [0]:",
         CADENCE + "the_memory_that_is_planned_for_is_that_of_the_step_that_takes_most"),
    ),
    *of(
        "dmd2", MATCHING,
        ("flipped sign", "(fake - real) / align", "(real - fake) / align", f"{CLOSED}[dmd2]"),
        ("never cut", "(x_g - gradient).detach()", "(x_g - gradient)", f"{CLOSED}[dmd2]"),
        ("not divided by the distance", "(fake - real) / align(distance, x_g)", "fake - real", f"{CLOSED}[dmd2]"),
        ("velocities for denoisers", "(alpha * v - d_alpha * x) / (alpha * d_beta - d_alpha * beta)", "v", f"{CLOSED}[dmd2]"),
        ("the fake's velocity not weighed", "x_0, x_g, t) / out.square()", "x_0, x_g, t)",
         TRUTH + "the_fake_loss_is_edms_of_the_generators_denoiser[linear]"),
        ("a fake that follows the data", "x_g.detach(), batch, context))}", "batch.x_1, batch, context))}",
         TRUTH + "a_short_training_brings_the_generator_to_the_data[dmd2]"),
        ("the generator in every step", 'every={"net": self.every}', "every={}", f"{SPARED}[dmd2]"),
        ("a graph for nothing", "nullcontext() if moves else", "nullcontext() if True else", f"{SPARED}[dmd2]"),
        ("fake without labels", 'conditioned(models["fake"], batch.condition)', 'conditioned(models["fake"])', labels("dmd2")),
        ("critic in the league of those without", 'if self.critic else "extra networks"', 'if False else "extra networks"',
         TRUTH + "the_leagues_follow_the_critic"),
        ci="flipped sign",
    ),
    *of(
        "sid", MATCHING,
        ("flipped sign", "r = real - fake", "r = fake - real", f"{CLOSED}[sid]"),
        ("alpha added", "- self.alpha * r)", "+ self.alpha * r)", f"{CLOSED}[sid]"),
        ("cut at the denoisers", "through: ClassVar[bool] = True", "through: ClassVar[bool] = False", f"{CLOSED}[sid]"),
        ("gradient through the distance", "(x_g - real).detach().abs()", "(x_g - real).abs()", f"{CLOSED}[sid]"),
        ("sampled from elsewhere", "torch.tensor(self.sigma_init, dtype", "torch.tensor(80.0, dtype",
         TRUTH + "samples_are_drawn_as_they_are_trained[linear]"),
        ("all of the grid", "self.noisy + (self.clean - self.noisy) * u", "u",
         TRUTH + "noise_levels_are_uniform_on_their_part_of_edms_grid"),
    ),
    *of(
        "sida", MATCHING,
        ("critic of clean data", 'self.noised(x_1, t, draws, "noise of data")', "x_1", f"{TOLD}[sida]"),
        ("one noise for both", '"noise of data")', '"renoise")', f"{TOLD}[sida]"),
        ("not weighed", "loss + self.critic * deceived", "loss + deceived", f"{TOLD}[sida]"),
        ("critic that moves the generator", "told_apart(critic, data, x_t.detach(), t)", "told_apart(critic, data, x_t, t)",
         f"{TOLD}[sida]"),
    ),
    *of(
        "sida", CRITIC,
        ("generator that helps the critic", "F.softplus(-_logit(critic, x, t))", "F.softplus(_logit(critic, x, t))", RAISES),
        ("data for generated", "F.softplus(-_logit(critic, data, t)) + F.softplus(_logit(critic, generated, t))",
         "F.softplus(_logit(critic, data, t)) + F.softplus(-_logit(critic, generated, t))", RAISES),
    ),
]  # fmt: skip
