"""Faults in: the neural operator, its networks and its trajectories."""

from fault_tables.base import of

TRUTH = "operator::test_"
NETS = "tests/bench/nets/test_nets_operator.py::test_"
STORE = "tests/bench/teaching/test_trajectories.py::test_"
METHOD = "methods/operator.py"

FAULTS = [
    *of(
        "dsno", METHOD,
        ("states of the wrong slot", "paths[:, 0], paths[:, 1:]", "paths[:, 0], paths[:, :-1]",
         f"{TRUTH}the_loss_is_zero_at_the_exact_map_and_only_there[default-linear]"),
        ("rows of a sample not side by side", "x_0.repeat_interleave(self.slots, 0)",
         "x_0.repeat(self.slots, *[1] * (x_0.ndim - 1))",
         f"{TRUTH}the_network_sees_each_sample_at_all_times_side_by_side"),
        ("velocity on the diagonal", "(x, torch.zeros_like(t), t)", "(x, t, t)",
         f"{TRUTH}the_loss_is_zero_at_the_exact_map_and_only_there[default-linear]"),
        ("the first state for the last", "condition)[:, -1]", "condition)[:, 0]",
         f"{TRUTH}one_call_of_an_exact_operator_samples_the_target[path0]"),
        ("signal-to-noise ratio without its root", "torch.tan(self.interpolant.theta(self.slot_times)).abs() /",
         "torch.tan(self.interpolant.theta(self.slot_times)).square() /",
         f"{TRUTH}the_weight_is_the_root_of_the_signal_to_noise_ratio_within_its_bounds[linear]"),
        ("ratio of another base scale", ".abs() / self.interpolant.base_scale", ".abs()",
         f"{TRUTH}the_weight_is_the_root_of_the_signal_to_noise_ratio_within_its_bounds[half_base]"),
        ("times even in t", "self.interpolant.time_of(torch.linspace(0, torch.pi / 2, self.teacher_steps + 1, "
         "dtype=torch.float64))", "torch.linspace(0, 1, self.teacher_steps + 1, dtype=torch.float64)",
         f"{TRUTH}the_times_are_those_of_the_cosine_schedule[path0]"),
        ("dense slots at the noise", "whole - whole * (slots - k) ** power", "whole * k ** power",
         f"{TRUTH}the_grid_is_the_papers"),
        ("one mask for all slots", "draw(name, (shape[0] // slots, slots, *shape[1:])).flatten(0, 1)",
         "draw(name, (shape[0] // slots, *shape[1:])).repeat_interleave(slots, 0)",
         f"{TRUTH}every_row_has_a_dropout_mask_of_its_own_whatever_the_slice"),
        ("student not started as its teacher", "share_teacher if self.initialise else None", "None",
         f"{TRUTH}it_starts_from_the_weights_of_its_teacher_where_it_says_so"),
        ci="states of the wrong slot",
    ),
    *of(
        "dsno", "methods/tools/solvers.py",
        ("path from the start again and again", "x = step(solver, b, x,", "x = step(solver, b, states[0],",
         f"{TRUTH}trajectories_of_other_clocks_meet_the_exact_map[half_base]"),
        ("kept one step early", "if i in kept", "if i + 1 in kept",
         f"{TRUTH}trajectories_of_other_clocks_meet_the_exact_map[half_base]"),
    ),
    *of(
        "operator networks", "bench/layers/temporal.py",
        ("waves counted once", "[2.0 if k in waves else 1.0", "[1.0 if k in waves else 1.0",
         f"{NETS}mixing_is_the_spectral_convolution_of_the_paper[4-2]"),
        ("turned the wrong way", "torch.cat([-imaginary, real])", "torch.cat([imaginary, -real])",
         f"{NETS}mixing_is_a_circular_convolution_over_the_slots[4-2]"),
        ("no residual", "return h + F.leaky_relu", "return F.leaky_relu",
         f"{NETS}an_operator_begins_as_the_network_whose_weights_it_takes[mlp]"),
        ("samples for slots", "reshape(-1, self.slots, h.shape[1], h[0, 0].numel())",
         "reshape(self.slots, -1, h.shape[1], h[0, 0].numel()).transpose(0, 1)",
         f"{NETS}the_slots_of_one_sample_see_each_other_and_no_other_sample[mlp]"),
        ("mixing in the precision of its input", "dtype = self.real.dtype", "dtype = h.dtype",
         f"{NETS}mixing_runs_in_float32_whatever_it_is_given"),
        ci="turned the wrong way",
    ),
    *of(
        "operator networks", "bench/nets/unet.py",
        ("encoder's mixing after decoder blocks", "mixed(self.mixing, done + 1 + i,", "mixed(self.mixing, i,",
         f"{NETS}every_block_is_followed_by_a_mixing[unet]"),
    ),
    *of(
        "trajectories", "bench/teaching/trajectories.py",
        ("hash not looked at", ".hexdigest().encode() == content[:DIGEST]", ".hexdigest()",
         f"{STORE}a_damaged_file_is_told_and_solved_again[flipped]"),
        ("settings left out of the key", "teacher.run_id, wanted, tuple(shape)", "teacher.run_id, wanted.count, tuple(shape)",
         f"{STORE}another_question_has_another_file[solver]"),
        ("the last one takes the place", "if _read(path, tell=False) is None:", "if True:",
         f"{STORE}of_two_workers_the_first_keeps_its_place_and_both_go_on_with_it"),
        ("one noise for every teacher", '"trajectories", teacher.run_id, index', '"trajectories", index',
         f"{STORE}noise_is_the_teachers_own"),
        ("one noise for every chunk", '"trajectories", teacher.run_id, index', '"trajectories", teacher.run_id',
         f"{STORE}they_are_the_teachers_solved_paths_and_their_cost_is_counted"),
        ci="hash not looked at",
    ),
    *of(
        "trajectories", "bench/job.py",
        ("not on the bill", "teacher_seconds=record.teacher_seconds + solved.seconds", "teacher_seconds=record.teacher_seconds",
         f"{STORE}a_run_stores_them_with_its_teacher_and_pays_for_them"),
    ),
]  # fmt: skip
