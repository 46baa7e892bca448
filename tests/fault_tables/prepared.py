"""Faults in: Preparing data sets, and training from what was prepared."""

from fault_tables.base import of

PREPARE, MAPPED = "tests/bench/preparing/test_prepare.py::test_", "tests/bench/training/test_mapped.py::test_"

FAULTS = [
    *of(
        "pickles", "bench/preparing/restricted.py",
        ("any function may be named", 'if (module, name) == ("_codecs", "encode"):',
         "if module == 'posix':\n            return super().find_class(module, name)\n        if name == 'encode':",
         f"{PREPARE}a_pickle_that_asks_for_anything_but_arrays_is_refused_by_name"),
        ci="any function may be named",
    ),
    *of(
        "pickles", "bench/preparing/pickles.py",
        ("labels as they are written", "astype(np.int16) - 1", "astype(np.int16)",
         f"{PREPARE}pickled_batches_become_planes_with_labels_from_zero[folder-32]"),
        ("numbers that were left in the file are taken for read", "known or not reader.left", "True",
         f"{PREPARE}large_pixels_are_left_in_the_file_until_they_are_wanted[odd-folder]"),
    ),
    *of(
        "preparing", "bench/preparing/plan.py",
        ("a subset of more than there is", "if found < count or", "if found < 1 or",
         f"{PREPARE}a_set_of_another_number_is_refused_and_a_subset_offered"),
    ),
    *of(
        "preparing", "bench/preparing/recipes.py",
        ("whole pixels in place of shares", "np.clip(high - low, 0, None)", "np.round(np.clip(high - low, 0, None))",
         f"{PREPARE}faces_follow_the_partition_and_are_area_averages_of_the_centre"),
    ),
    *of(
        "preparing", "bench/preparing/writer.py",
        ("what was interrupted is left", "            finally:\n                shutil.rmtree(aside, ignore_errors=True)\n",
         "            finally:\n",
         f"{PREPARE}what_was_interrupted_counts_for_nothing_and_the_next_one_begins_again[interrupted]"),
    ),
    *of(
        "preparing", "bench/data/manifest.py",
        ("two versions of one hash", 'not in ("files", "made_with")', 'not in ("files", "made_with", "version")',
         f"{PREPARE}the_manifest_says_how_it_was_made_and_its_hash_follows"),
        ("a changed file is taken", "if changed != file.changed:", "if changed < 0:",
         f"{PREPARE}a_file_that_changed_is_refused_until_it_is_verified"),
    ),
    *of(
        "mapped data", "bench/processes/ahead.py",
        ("the rows of this step for the next", "submit(self._read, each)", "submit(self._read, draws)",
         f"{MAPPED}whatever_is_asked_for_next_a_slice_has_the_rows_of_its_step"),
    ),
    *of(
        "mapped data", "bench/training/batches.py",
        ("what is held back is trained on", "return i if kept is None else kept[i]", "return i",
         f"{MAPPED}what_a_search_holds_back_is_the_same_of_mapped_images"),
    ),
]
