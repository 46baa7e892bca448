"""The guide to what steadies a method names every method, and knobs that it has."""

import re

import pytest
from places import ROOT

from bench.config.compose import defaults, names
from bench.config.experiment import has

GUIDE = (ROOT / "methods" / "README.md").read_text().split("## When it diverges")[1].split("\n## ")[0]
ROWS = {name: cells for line in GUIDE.split("\n") if line.startswith("| `")
        for cells in [line.split("|")[2]] for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def test_every_method_has_a_row():
    assert set(ROWS) == set(names("method", None))


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_method_that_has_knobs_to_turn_has_some_of_those_that_its_row_names(name):
    plain = {"method": defaults(name)}
    said = set(re.findall(r"`(method\.[\w.]+)", ROWS[name]))
    row = [{"method": defaults(other)} for other, cells in ROWS.items() if cells == ROWS[name]]
    known = {knob for knob in said if any(has(other, knob) for other in row)}
    assert said == known, f"no method of the row has {said - known}"
    assert name == "flow_matching" or any(has(plain, knob) for knob in said)
