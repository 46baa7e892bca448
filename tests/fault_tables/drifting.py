"""Faults in: Drifting, and commands with methods that sample in some numbers of steps only."""

from fault_tables.base import of
from fault_tables.passes import labels, masks

D = "drifting::test_"
BY_HAND = D + "the_drift_is_its_definition_particle_by_particle"
SWAPPED = D + "data_and_samples_exchanged_turn_the_force_around"
ALIKE = D + "only_those_of_one_condition_act_on_each_other"
DESCENT = D + "descent_moves_the_samples_along_the_drift[linear]"
STEPS = "tests/bench/planning/test_data_planned.py::test_methods_without_a_number_in_any_of_the_steps_are_left_out_and_told"
COMMANDS = "tests/bench/config/test_commands.py::test_a_wrong_command_is_told_what_is_wrong"

FAULTS = [
    *of(
        "drifting", "methods/drifting.py",
        ("a sample repels itself", ".repeat(1, 1, 2) & ~itself", ".repeat(1, 1, 2)", BY_HAND),
        ("a softmax of rows alone", "logits.softmax(2) * logits.softmax(1)", "logits.softmax(2) * logits.softmax(2)", BY_HAND),
        ("forces of any size", "[f / size.clamp(min=LEAST) for", "[f + 0 * size for", BY_HAND),
        ("weights that do not sum to zero", "b.sum(2, keepdim=True) * (a @ y) - a.sum(2, keepdim=True) * (b @ x)",
         "(a @ y) - (b @ x)", D + "the_weights_of_a_force_sum_to_zero"),
        ("data repel", "return b.sum(2, keepdim=True) * (a @ y) - a.sum(2, keepdim=True) * (b @ x)",
         "return a.sum(2, keepdim=True) * (b @ x) - b.sum(2, keepdim=True) * (a @ y)", BY_HAND),
        ("attraction alone", " - a.sum(2, keepdim=True) * (b @ x)", " - a.sum(2, keepdim=True) * b.sum(2, keepdim=True) * x",
         SWAPPED),
        ("widths in units of the data", "weights(d / scale, alike, r, floor)", "weights(d, alike, r, floor)",
         D + "it_turns_and_grows_with_the_data_and_does_not_see_where_they_are"),
        ("coordinates in units of the distance", "unit = scale / x.shape[2] ** 0.5", "unit = scale", BY_HAND),
        ("without a floor", ".clamp(min=floor)", "", D + "what_is_far_from_all_data_is_drawn_to_them_by_the_floor_alone"),
        ("classes act on each other", "return torch.where(alike, (", "return torch.where(alike | True, (", ALIKE),
        ("against the drift", "align(unit, x) - drift.reshape(x.shape)", "align(unit, x) + drift.reshape(x.shape)", DESCENT),
        ("loss in units of the data", "(x - x.detach()) / align(unit, x)", "(x - x.detach())", DESCENT),
        ("any number of steps", "return steps == 1", "return steps >= 1", D + "a_sample_is_one_jump_from_noise_to_data"),
        ("no dropout", 'context.draws.dropout("student")', "None", masks("drifting")),
        ("label dropped", "batch.condition, context", "None, context", labels("drifting")),
        ci="data repel",
    ),
    *of(
        "drifting", "bench/conf/method/drifting.yaml",
        ("file with another floor", "floor: 1e-6", "floor: 0.0",
         "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[drifting]"),
    ),
    *of(
        "steps", "bench/config/points.py",
        ("a method without a number stays", "        if not served:", "        if False:", STEPS),
    ),
    *of(
        "steps", "bench/config/command.py",
        ("a command of nothing", "faults += [] if experiments else [_unserved(e) for e in made.left]", "",
         COMMANDS + "[sweep=none method=drifting evaluation.steps=[4]]"),
    ),
    *of(
        "steps", "bench/planning/campaign.py",
        ("left out in silence", "    if request.left:", "    if False:", STEPS),
    ),
]  # fmt: skip
