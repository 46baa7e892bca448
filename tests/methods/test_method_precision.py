"""The lowest precision of each method is the one that the measured table allows (results/reference/precision.md)."""

import pytest
from contract import METHODS, made
from places import ROOT
from precision import Agreement, agreements

TABLE = (ROOT / "results" / "reference" / "precision.md").read_text()
ROWS = {name: cells for name, *cells in (line.strip("| ").split(" | ") for line in TABLE.splitlines() if ", 0." in line
                                         or ", 1." in line) if name in METHODS}  # fmt: skip
STAGED = {"cmt": "float32"}  # half-way they are in a stage that asks for less than their last


def half_way(cell: str) -> Agreement:
    return Agreement(*map(float, cell.split(", ")))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_the_lowest_precision_whose_gradients_agree(name: str) -> None:
    told, bf16, tf32, *_ = ROWS[name]
    allowed = "bf16" if half_way(bf16).holds else "tf32" if half_way(tf32).holds else "float32"
    assert made(name).needs.precision == told == STAGED.get(name, allowed)


@pytest.mark.parametrize("name", ["flow_matching", "meanflow", "lsd", "psd_m"])
def test_gradients_in_bfloat16_agree_after_some_training(name: str) -> None:
    """At a small size, so that a change of what is cast is noticed."""
    found = agreements(name, "mlp", 100)["bf16", 0.5]
    assert found.holds and found.cosine < 1, "not the same gradient twice"
