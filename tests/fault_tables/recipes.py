"""Faults in: Recipes of papers (rates in images, averages, augmentation), presets, and the protocol that never rounds."""

from fault_tables.base import of

RECIPE, PRESETS = "tests/bench/training/test_recipe.py::", "tests/bench/config/test_presets.py::"
TOLD = RECIPE + "test_what_the_network_is_told_is_where_the_image_has_gone"

FAULTS = [
    *of(
        "rates", "bench/training/schedule.py",
        ("no warm-up before a fall in images", "return rise * sqrt(flat / max(p, flat))", "return sqrt(flat / max(p, flat))",
         RECIPE + "test_a_warm_up_in_images_multiplies_what_falls_after_so_many_images"),
    ),
    *of(
        "rates", "bench/training/recipe.py",
        ("a warm-up of the share's", "self.warmup_images / images", "self.warmup",
         RECIPE + "test_a_warm_up_in_images_is_the_share_that_it_makes_of_the_stage[cosine]"),
    ),
    *of(
        "averages", "bench/training/ema.py",
        ("a half-life in updates", "each = self.every * self.batch", "each = self.every",
         RECIPE + "test_a_half_life_is_in_images"),
        ("a half-life that does not rise", "min(value, n * each / 20) if self.rise", "value if self.rise",
         RECIPE + "test_a_half_life_rises_with_the_images_and_forgets_the_start"),
        ("an exponent of one less", "(1 - 1 / n) ** (gamma(value) + 1)", "(1 - 1 / n) ** gamma(value)",
         RECIPE + "test_the_widest_power_average_is_the_mean_of_all_steps"),
        ("updated in every step", "if between:", "if False:",
         RECIPE + "test_averages_are_updated_every_so_many_steps_with_the_decay_of_one_update"),
        ("steps forgotten at a restart", "self._steps = steps", "self._steps = 0",
         RECIPE + "test_an_average_goes_on_between_two_updates_where_it_stopped"),
        ci="updated in every step",
    ),
    *of(
        "augmentation", "bench/data/augment.py",
        ("turned the other way", "@ _turned(-turn) @", "@ _turned(turn) @", TOLD),
        ("shifted the other way", "-(inverse @ (2 * SHIFT * shift)", "(inverse @ (2 * SHIFT * shift)", TOLD),
        ("a stretch told by its angle", "stretch * (2 * axis).cos(), stretch * (2 * axis).sin()",
         "stretch * axis.cos(), stretch * axis.sin()", TOLD),
        ("mirrored with the share", "across = (chance[:, 5] < 0.5)", "across = (chance[:, 5] < self.share)",
         RECIPE + "test_each_change_has_its_probability_and_mirroring_is_a_fair_coin"),
        ("an upright image turned", "turn = (1 - upright) * on[:, 2]", "turn = on[:, 2]",
         RECIPE + "test_the_mild_augmentation_changes_nothing_up_and_down_and_tells_six_values"),
        ("sheared", "b * (height / width), c * (width / height)", "b, c",
         RECIPE + "test_an_image_that_is_not_square_is_turned_and_not_sheared"),
        ci="a stretch told by its angle",
    ),
    *of(
        "presets", "bench/config/points.py",
        ("a teacher by the student's recipe", "return dataclasses.replace(made, untuned=self._teaching(made))", "return made",
         PRESETS + "test_a_teacher_is_trained_by_its_own_preset_and_is_that_presets_run"),
        ("a preset that is not marked", "if self.sweep.preset is not None:", "if False:",
         PRESETS + "test_a_preset_is_ranked_by_itself"),
        ("weights of another network", "if mine != other and", "if False and",
         PRESETS + "test_a_teacher_of_another_network_is_refused_where_weights_are_taken_over"),
    ),
    *of(
        "presets", "bench/planning/identity.py",
        ("a preset's run for a comparison's", '("validation", "proxy", "preset", ', '("validation", "proxy", ',
         PRESETS + "test_the_same_settings_without_a_preset_are_another_run"),
    ),
    *of(
        "presets", "bench/accounts/logbook.py",
        ("ranked with all others", "league=league(experiment)", "league=experiment.method.league",
         PRESETS + "test_a_preset_is_ranked_by_itself"),
        ci="ranked with all others",
    ),
    *of(
        "floats", "bench/protocols/rounding.py",
        ("floats that are rounded", "return torch.float32 if rule == FLOATS else torch.uint8", "return torch.uint8",
         "tests/bench/scoring/test_score_images.py::"
         "test_floats_are_scored_as_they_are_and_whole_pixels_alike_under_both_rules"),
    ),
    *of(
        "published", "results/compared/beside.py",
        ("the best checkpoint against the last", 'if row["checkpoint"] or mine.get("checkpoint"):', "if False:",
         "tests/results/tables/test_published.py::test_a_number_of_the_best_checkpoint_is_never_comparable"),
    ),
]
