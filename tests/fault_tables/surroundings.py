"""Faults in: What surrounds a command: its locale, its folder, its home and the cores it may use."""

from fault_tables.base import of

HERE = "tests/test_surroundings.py::test_"
SAME = f"{HERE}a_report_writes_the_same_bytes_in_every_locale"
GONE = f"{HERE}a_command_whose_reader_is_gone_ends_without_a_word"

FAULTS = [
    *of(
        "terminal", "results/terminal.py",
        ("text that cannot be shown ends the printing", 'stream.reconfigure(errors="fewstep")', "pass", SAME),
        ("a reader who goes is a fault", "sys.excepthook = _ended", "pass", f"{GONE}[bench methods]"),
        ("what is in a buffer complains", "atexit.register(_unheard)", "pass", f"{GONE}[results.report --help]"),
        ("all broken pipes are a reader's", "BrokenPipeError) and _unheard()", "BrokenPipeError)",
         f"{HERE}a_broken_pipe_to_another_process_is_told"),
        ("every mark becomes a question mark", "MARKS.get(letter) or", "", SAME),
        ci="text that cannot be shown ends the printing",
    ),
    *of(
        "current folder", "results/floors.py",
        ("strangers' packages are taken", "if found and Path(found).parent.resolve() != (HOME / floor).resolve():", "if False:",
         f"{HERE}a_module_of_the_users_that_hides_ours_is_told[bench.run-results.py]"),
    ),
    *of(
        "notebook", "results/pictures/__init__.py",
        ("the notebook's backend is imported", 'os.environ.pop("MPLBACKEND", None)', 'os.environ.get("MPLBACKEND")',
         f"{HERE}pictures_are_drawn_whatever_matplotlib_finds[surroundings0]"),
    ),
    *of(
        "sweep's folder", "sweeps/engine/loop.py",
        ("a path that the locale cannot read", "os.fsencode(files.folder.absolute())", "str(files.folder.absolute()).encode()",
         f"{HERE}a_commands_files_are_utf_8_where_the_locale_is_not"),
    ),
    *of(
        "workers", "bench/planning/backends.py",
        ("the whole machine's cores", "len(os.sched_getaffinity(0))", "os.cpu_count() or 1",
         f"{HERE}a_worker_for_each_core_that_is_ours"),
    ),
]  # fmt: skip
