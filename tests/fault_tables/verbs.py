"""Faults in: The one command, its lists, what a shell is answered, and the plug-in that is written."""

from fault_tables.base import of

VERBS = "tests/bench/verbs/test_verbs.py::test_"
LISTS = "tests/bench/verbs/test_lists.py::test_"
WRITTEN = "tests/bench/verbs/test_new_method.py::test_"

FAULTS = [
    *of(
        "verbs", "bench/__main__.py",
        ("click reads what is the verb's", "ctx.args = list(args)\n        return []", "return super().parse_args(ctx, args)",
         f"{VERBS}a_verb_gets_its_words_to_the_letter"),
        ("a status that is lost", "return int(verbs.invoke(context))", "verbs.invoke(context)\n            return 0",
         f"{VERBS}a_verb_gets_its_words_to_the_letter"),
        ("words without a verb are none", 'return bool(words) and ("=" in words[0] or', "return bool(words) and (",
         f"{VERBS}words_without_a_verb_are_those_of_run"),
        ("help is of the verbs alone", "(words[0] in HELP and len(words) > 1))", "False)",
         f"{VERBS}words_without_a_verb_are_those_of_run"),
        ("every command is imported at once", "from bench.verbs import completion", "from bench.verbs import completion, facts",
         f"{VERBS}the_help_of_a_verb_loads_its_own_command_and_nothing_heavy"),
        ci="click reads what is the verb's",
    ),
    *of(
        "verbs", "bench/run.py",
        ("a plan that starts", 'else [*arguments, "plan=true"]', "else arguments",
         f"{VERBS}a_plan_is_that_of_the_same_words_and_starts_nothing"),
    ),
    *of(
        "model", "bench/model.py",
        ("an unfinished run without a word", 'record.status != "done" and not unfinished', "False",
         "tests/bench/test_model.py::test_a_run_that_was_interrupted_is_loaded_on_demand_alone"),
        ("an unfinished run not even on demand", 'record.status != "done" and not unfinished', 'record.status != "done"',
         "tests/bench/test_model.py::test_a_run_that_was_interrupted_is_loaded_on_demand_alone"),
    ),
    *of(
        "completion", "bench/verbs/completion.py",
        ("into a folder that is not there", "mkdir -p ~/.config/fish/completions; ", "",
         f"{VERBS}what_a_script_is_put_into_is_there"),
        ("the wrong word is not told", 'is none of them" if arguments', 'is none of them" if False',
         f"{VERBS}the_script_for_a_shell_is_printed"),
    ),
    *of(
        "completion", "bench/verbs/words.py",
        ("bash's parted words", 'if said[-1:] == ["="]:', "if False:", f"{VERBS}a_shell_is_answered_with_names"),
        ("the first names of a list", 'begun.rpartition(",")', '"", "", begun', f"{VERBS}a_shell_is_answered_with_names"),
        ("packaged names alone", "key, _plugins(said))", "key)",
         f"{VERBS}a_plugin_s_names_are_completed"),
        ("Hydra before the answer", "from bench.conf import GROUPS, names", "from bench.config.compose import GROUPS, names",
         f"{VERBS}a_shell_is_answered_without_hydra_and_pytorch"),
    ),
    *of(
        "lists", "bench/verbs/lists.py",
        ("a teacher that is not told", '"a teacher": needs.teacher', '"a teacher": False',
         f"{LISTS}the_long_list_has_papers_and_what_methods_need"),
        ("more than a sentence", '.partition(". ")[0]', "", f"{LISTS}methods_and_sweeps_are_a_line_each_with_what_they_are"),
    ),
    *of(
        "preview", "bench/verbs/facts.py",
        ("copies that are not counted", "distinct = set(train)", "distinct = train", f"{LISTS}arrays_with_copies_and_labels"),
        ("copies named by their place in the split", "return [*(said[each] for each in train), ",
         "return [*(said[: len(train)]), ",
         f"{LISTS}copies_are_named_by_their_files_the_first_few"),
        ("all copies are named", "*pairs[:PAIRS], ", "*pairs, ", f"{LISTS}copies_are_named_by_their_files_the_first_few"),
        ("a tenth of two files is held out", "if isinstance(wanted, Folder) or not wanted.heldout:", "if True:",
         f"{LISTS}arrays_of_two_files_name_rows_of_each"),
        ("the longer side counts", "if min(size) < (wanted.size or 0)]", "if max(size) < (wanted.size or 0)]",
         f"{LISTS}files_that_are_enlarged_are_counted"),
        ("the size itself is small", "if min(size) < (wanted.size or 0)]", "if min(size) <= (wanted.size or 0)]",
         f"{LISTS}files_that_are_enlarged_are_counted"),
        ("classes in another order", "return found[:classes]", "return found[::-1]",
         f"{LISTS}a_folder_of_photographs_is_shown_as_it_is_cropped"),
        ("the largest value is white", "images.numpy() / data.levels", "images.numpy() / 255", f"{LISTS}digits"),
    ),
    *of(
        "new method", "bench/verbs/new_method.py",
        ("written over what is there", "if taken := [path for path in paths.values() if path.exists()]:",
         "if taken := [path for path in paths.values() if False]:", f"{WRITTEN}what_is_there_already_is_left"),
        ("a packaged name", "if name in names(group):", "if False:",
         f"{WRITTEN}a_name_that_cannot_be_used_is_told[lsd-is a packaged method]"),
        ("a folder's name without quotes", "arguments.quoted(str(asked.out))", "asked.out",
         f"{WRITTEN}what_to_do_next_can_be_copied"),
    ),
]  # fmt: skip
