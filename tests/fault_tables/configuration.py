"""Faults in: What a command line means, how it is parsed, and what makes two runs the same."""

from fault_tables.base import of

COMMANDS = "tests/bench/config/test_commands.py::test_a_wrong_command_is_told_what_is_wrong"
RIGHT = "tests/bench/config/test_commands.py::test_a_right_command_means_what_it_says"
CONFIG = "tests/bench/config/test_config.py::test_"
LEFT_OUT = "tests/bench/config/test_plugins.py::test_a_knob_that_its_yaml_leaves_out_is_told_as_one"
SAME = "tests/bench/planning/test_identity.py::test_"

FAULTS = [
    *of(
        "parsing", "bench/config/types.py",
        ("texts taken for booleans", 'extra="forbid", strict=True', 'extra="forbid", strict=False',
         f"{COMMANDS}[sweep=none train.dropout=off]"),
        ("repeated values", "if len(set(values)) < len(values):", "if False:",
         f"{COMMANDS}[sweep=none evaluation.steps=[1,1]]"),
        ("keys that there are not", 'extra="forbid", strict=True', 'extra="ignore", strict=True',
         "tests/bench/nets/test_nets.py::test_a_wrong_configuration_names_the_key_and_the_nearest_value"),
        ("an end that is left out counts", 'else f"below {high.lt}"', 'else f"at most {high.lt}"',
         "tests/bench/config/test_ranges.py::test_ranges_are_told_in_words"),
        ("a lower end that is left out counts", "if isinstance(low, Ge) and isinstance(high, Le):", "if low and high:",
         "tests/bench/config/test_ranges.py::test_ranges_are_told_in_words"),
        ci="texts taken for booleans",
    ),
    *of(
        "command line", "bench/config/points.py",
        ("a knob that nobody has", "key not in self.used and self.methods:", "False:",
         f"{COMMANDS}[sweep=none method=ect method.eta=.5]"),
        ("the seed of an axis unchecked", 'seeded = self.faults.section(Seeded, {"seed": seed}, "")',
         "seeded = Seeded.model_construct(seed=seed)",
         f"{COMMANDS}[sweep=none seed=0,0.5,0.9]"),
        ("only what Hydra knows is checked", "found, served = combinations.faults(made), ", "found, served = [], ",
         f"{COMMANDS}[sweep=none method=dsno backbone=mlp_plain]"),
        ("a method without its sweep's knobs", "put(config, f\"method.{knob}\", copy.deepcopy(value))", "pass",
         f"{SAME}run_ids_are_those_of_before[sweep=digits_quickstart]"),
        ("a knob that other methods' files list", "if said := not_listed(key, chosen, self.plugins):", "if said := \"\":",
         f"{LEFT_OUT}[words3]"),
        ci="a knob that nobody has",
    ),
    *of(
        "left out", "bench/config/registry.py",
        ("what a file leaves out", "for knob, added in adds.items() if knob not in own}",
         "for knob, added in adds.items() if 0}", LEFT_OUT),
    ),
    *of(
        "left out", "bench/check.py",
        ("what a file leaves out is not noted", "if missing := unlisted(experiment.name, experiment.plugins):",
         "if missing := {}:",
         "tests/bench/training/test_contract.py::test_the_command_says_of_each_check_whether_it_holds"),
    ),
    *of(
        "left out", "bench/config/command.py",
        ("of the sweep's own methods", 'axes.get("method", [get(config, "method.name")])', '[get(config, "method.name")]',
         f"{LEFT_OUT}[words2]"),
    ),
    *of(
        "left out", "bench/config/sweep_file.py",
        ("in a sweep's file", 'f"{at}.{key}: {said[key]}" if key in said else', '"" if False else', f"{LEFT_OUT}[words4]"),
    ),
    *of(
        "command line", "bench/config/command.py",
        ("the sweep wins over the command line", "axes = axes_of(sweep, given)", "axes = axes_of(sweep, [])",
         f"{CONFIG}the_command_line_narrows_and_overrides_a_sweep"),
    ),
    *of(
        "composition", "bench/config/compose.py",
        ("a method that writes elsewhere is read alone", 'for word in ("${", "@package", "defaults:")', 'for word in ("${",)',
         f"{CONFIG}a_method_whose_file_also_sets_something_else_is_composed_whole"),
    ),
    *of(
        "identity", "bench/planning/identity.py",
        ("the seed not in the id", 'parts | {"seed": _text(seed), ', 'parts | {"seed": _text(0), ',
         f"{SAME}run_ids_are_those_of_before[sweep=digits_quickstart]"),
        ("what only observes in the id", "if k not in HARMLESS.get(section, ())", "if k not in ()",
         f"{CONFIG}what_cannot_change_a_weight_does_not_change_a_runs_identity"),
        ("whole numbers apart from others", "return float(value) if", "return value if",
         f"{SAME}run_ids_are_those_of_before[sweep=digits_quickstart]"),
        ("parents not in the id", '"parents": _text(parents)}', '"parents": _text(())}',
         f"{SAME}run_ids_are_those_of_before[sweep=digits_quickstart]"),
        ci="parents not in the id",
    ),
    *of(
        "records", "bench/config/records.py",
        ("an evaluation that never changes", "if value not in (None, False, ())}", "if False}",
         "tests/bench/test_run.py::test_a_new_protocol_rescores_and_does_not_retrain"),
    ),
]  # fmt: skip
