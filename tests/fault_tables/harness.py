"""Faults in: The training loop, its averages and draws, and the sampler."""

from fault_tables.base import of

MASKS = "tests/bench/training/test_masks.py::test_"

FAULTS = [
    *of(
        "ema", "bench/training/ema.py",
        ("wrong decay", "[1 - (self._rule.decay(value, n) if now is None else now)]",
         "[(self._rule.decay(value, n) if now is None else now)]",
         "training::test_an_average_follows_its_recursion"),
        ("warm-up of slow targets", "return min(value, (1 + n) / (10 + n)) if self.rise else value",
         "return min(value, (1 + n) / (10 + n))",
         "training::test_an_average_follows_its_recursion"),
        ci="wrong decay",
    ),
    *of(
        "training loop", "bench/training/state.py",
        ("last network instead of the average",
         "return self.average.copy_to(net, self.recipe.ema[0] if decay is None else decay)", "return net",
         "training::test_the_evaluated_network_is_the_average_and_not_the_last_one"),
    ),
    *of(
        "training loop", "bench/training/slow.py",
        ("slow target that stands still", "self.average.update(decay)", "pass",
         "training::test_the_loop_hands_out_progress_and_the_slow_target"),
    ),
    *of(
        "training loop", "bench/training/step.py",
        ("progress forgotten", "progress.share, stage, ", "0.0, stage, ",
         "training::test_the_loop_hands_out_progress_and_the_slow_target"),
        ("micro-batches that weigh too much", "loss.per_sample.sum() / self.recipe.batch", "loss.per_sample.mean()",
         ("training::test_micro_batches_train_the_same_network[lsd]",
          "training::test_micro_batches_train_the_same_network[imm]")),
    ),
    *of(
        "draws", "bench/training/rng.py",
        ("step not in the key", "kind, purpose, self._step)", "kind, purpose)",
         "sampling::test_draws_differ_by_purpose_step_and_seed_and_repeat_otherwise"),
        ("every slice the first rows", "[self.rows.start : self.rows.stop]", "[: len(self.rows)]",
         "sampling::test_a_slice_draws_the_rows_of_the_whole"),
        ("masks keyed by name alone", '"dropout", purpose, self._step', '"dropout", self._step',
         "sampling::test_passes_of_one_purpose_share_their_dropout_mask"),
        ("one mask for all steps", '"dropout", purpose, self._step', '"dropout", purpose',
         f"{MASKS}masks_of_other_seeds_steps_purposes_layers_and_rows_are_independent"),
        ("masks of the slice's own rows", "torch.arange(self.rows.start, self.rows.stop,", "torch.arange(0, len(self.rows),",
         f"{MASKS}every_slice_and_choice_of_samples_has_the_masks_of_the_whole_to_the_bit"),
        ("masks of all rows for some", "rows if positions is None else rows[positions]",
         "rows[: len(rows if positions is None else positions)]",
         "sampling::test_a_pass_over_some_samples_gets_their_rows_of_the_mask"),
    ),
    *of(
        "masks", "bench/layers/masks.py",
        ("one mask for all layers", "step + folded(name)", "step",
         "sampling::test_passes_of_one_purpose_share_their_dropout_mask"),
        ("rows that share a number", "2 * rows + 1, place", "2 * rows, place",
         f"{MASKS}numbers_are_those_of_the_definition"),
        ("a shift that copies the sign", "(z >> by) & (2 ** (64 - by) - 1)", "z >> by",
         f"{MASKS}numbers_are_those_of_the_definition"),
    ),
    *of(
        "dropout", "bench/layers/blocks.py",
        ("numbers taken for positive", "int(rate * 2**64) - 2**63", "int(rate * 2**63)",
         f"{MASKS}the_rate_is_met_overall_and_in_every_row_channel_and_position[0.1]"),
        ("not rescaled", "x * (1 / (1 - rate)) * keep", "x * keep",
         f"{MASKS}it_is_a_product_with_a_mask_in_every_mode[dtype0]"),
        ("tangents not dropped", "affine(kept, kept, x)", "affine(kept, lambda dx: dx, x)",
         f"{MASKS}it_is_a_product_with_a_mask_in_every_mode[dtype0]"),
        ("a mask in the precision of its input", "(1 / (1 - rate)) * keep", "(1 / (1 - rate)) * keep.to(x)",
         f"{MASKS}it_keeps_a_byte_an_entry_for_the_backward_pass"),
    ),
    *of(
        "sampler", "bench/scoring/sample.py",
        ("noise put back for the wrong time", "everywhere(at[k + 1], x))", "everywhere(at[k], x))",
         "sampling::test_exact_maps_sample_the_target_in_any_number_of_steps[ECT-2]"),
        ("renoising without the base scale", 'path.base_scale * self.noise(index, f"renoise {k}")',
         'self.noise(index, f"renoise {k}")',
         "sampling::test_exact_maps_sample_the_target_from_another_base_scale[renoise]"),
        ("hops that all end at data", "x, at[k], at[k + 1], told)", "x, at[k], at[-1], told)",
         "sampling::test_exact_maps_sample_the_target_in_any_number_of_steps[LSD-2]"),
        ci="noise put back for the wrong time",
    ),
]  # fmt: skip
