"""Faults in: What a report claims of its numbers, and where it writes."""

from fault_tables.base import of

P = "tests/results/tables/test_published.py::test_"
OTHER = f"{P}a_number_of_other_data_stands_beside_none_of_ours"

FAULTS = [
    *of(
        "published data", "results/compared/beside.py",
        ("any data passes", "if not base or not own or any(", "if True or any(", f"{OTHER}[checkerboard-cifar10-uncond-False]"),
        ("not in the file", "values = [math.nan if mine is None or other else", "values = [math.nan if mine is None else",
         f"{OTHER}[checkerboard-cifar10-uncond-False]"),
        ("an unknown one is comparable", '["data unknown"]', "[]", f"{OTHER}[cifar10--True]"),
        ("another method's data passes", 'own = data.get(row["label"], data[""])', 'own = data[""]',
         f"{P}of_a_sweep_over_several_data_each_method_has_the_numbers_of_its_own"),
        ("without a word", "filter(None, [gone])", "[]", f"{OTHER}[checkerboard-cifar10-uncond-False]"),
    ),
    *of(
        "published data", "results/drawing.py",
        ("on the page", "theirs = beside.of_data(frame, theirs)", "pass",
         f"{P}the_command_says_in_one_line_what_is_of_other_data_and_the_page_is_without_it"),
    ),
]  # fmt: skip
