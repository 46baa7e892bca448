"""Every fault of the tables still fits what it edits, and the tests that it names are there: the gate injects a few of them."""

import ast
import re
from collections import Counter

from fault_tables import FAULTS
from places import ROOT


def test_every_fault_has_one_place_in_its_file_and_changes_it() -> None:
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in {fault.file for fault in FAULTS}}
    stale = [f"{f.file}: {f.subject}: {f.name}" for f in FAULTS if texts[f.file].count(f.old) != 1 or f.old == f.new]
    assert not stale


def test_every_fault_can_be_parsed() -> None:
    """Any test catches a file that is no Python."""
    for fault in FAULTS:
        if fault.file.endswith(".py"):
            ast.parse((ROOT / fault.file).read_text(encoding="utf-8").replace(fault.old, fault.new), fault.name)


def test_every_fault_names_tests_that_there_are() -> None:
    named = {tuple(id_.partition("[")[0].split("::")) for fault in FAULTS for id_ in fault.ids}
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file, *_ in named}
    assert not [name for file, *name in named if name and not re.search(rf"def {name[-1]}\(", texts[file])]


def test_no_two_faults_have_one_name() -> None:
    assert not [each for each, times in Counter((f.subject, f.name, f.file) for f in FAULTS).items() if times > 1]
