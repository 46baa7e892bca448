"""Faults in: What finished runs left, whether it is believed, and what is made again where it is not whole."""

from fault_tables.base import of

DAMAGE = "tests/bench/planning/test_damage.py"
BACK = f"{DAMAGE}::test_what_was_lost_comes_back_as_it_was"
DEVICE = "tests/bench/processes/test_device.py"

FAULTS = [
    *of(
        "checksum", "results/records/store.py",
        ("never looked at", "if seal is None or int(seal[1], 16) != zlib.crc32(content[: seal.start()]):", "if False:",
         f"{BACK}[a value changed-lsd]"),
        ("of records only", "(_sealed(text) if sealed else text)", "(text)", f"{BACK}[a value changed-lsd]"),
        ("of rows only", "write_text(Path(folder) / RUN_FILE, _sealed(", "write_text(Path(folder) / RUN_FILE, (",
         f"{DAMAGE}::test_a_record_that_was_changed_is_not_believed"),
        ci="of records only",
    ),
    *of(
        "lost rows", "results/records/store.py",
        ("the lost line's neighbours are kept", "row.evaluation not in gone]", "True]", f"{BACK}[a line unreadable-lsd]"),
    ),
    *of(
        "taken up again", "bench/planning/begun.py",
        ("lost lines pass", "if not damaged and (own", "if (own",
         f"{DAMAGE}::test_rows_that_a_record_of_before_has_lost_come_back_too"),
        ("fewer rows pass", "== record.rows or", ">= 1 or", f"{BACK}[last line gone-lsd]"),
        ("a lost teacher passes", "if not final_checkpoint", "if False and not final_checkpoint",
         f"{DAMAGE}::test_a_teacher_without_its_last_checkpoint_is_trained_again_where_a_student_needs_it"),
        ("whole runs too", "        if why:\n            again", "        if record is not None:\n            again",
         f"{DAMAGE}::test_whole_runs_are_not_touched"),
        ("the record says done still", ', status="interrupted", reason=why)', ", reason=why)", f"{BACK}[rows removed-lsd]"),
        ci="fewer rows pass",
    ),
    *of(
        "final checkpoint", "bench/training/checkpoint.py",
        ("any of that name", "return folder / name if (folder / name).exists() else None",
         "return next(iter(sorted(folder.glob('step-*'))), None)",
         f"{DAMAGE}::test_a_model_is_the_checkpoint_that_its_run_ended_with_and_no_other"),
    ),
    *of(
        "final checkpoint", "bench/scoring/model.py",
        ("the newest that there is", 'if record.status == "done":', "if False:",
         f"{DAMAGE}::test_a_model_is_the_checkpoint_that_its_run_ended_with_and_no_other"),
    ),
    *of(
        "promised GPU", "bench/processes/device.py",
        ("a CPU in its place", "if promised and not torch.cuda.is_available():", "if False:",
         f"{DEVICE}::test_a_run_and_reference_rows_without_the_promised_gpu_end_as_their_nodes_fault"),
    ),
    *of(
        "promised GPU", "bench/job.py",
        ("not of reference rows", "    at = device.of(wanted.backend.device, wanted.backend.promised)",
         "    at = device.of(wanted.backend.device)",
         f"{DEVICE}::test_a_run_and_reference_rows_without_the_promised_gpu_end_as_their_nodes_fault"),
    ),
    *of(
        "promised GPU", "bench/config/choices.py",
        ("the site's options forgotten", "max((_gpus(option) for option in self.sbatch), default=0)", "0",
         f"{DEVICE}::test_what_the_sites_own_options_ask_for_is_promised_too[--gres=gpu:1-1]"),
    ),
]  # fmt: skip
