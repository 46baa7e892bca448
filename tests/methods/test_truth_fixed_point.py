"""Where `needs.truth` names a knob: with it the exact map of the skewed target is a fixed point, with the default it is not."""

import pytest
from contract import METHODS, made
from fixed_point import condition, neutral, shift

NAMED = [name for name in METHODS if condition(made(name)) and not made(name).needs.teacher]
PLAIN = ["flow_matching", "edm", "fmm", "lsd", "psd_m", "psd_u", "shortcut", "tvm"]


def test_they_are_those_with_adaptive_weights_and_robust_distances() -> None:
    assert NAMED == ["alphaflow", "contrastive", "ect", "esc", "gaf", "ict", "imf", "imm", "meanflow", "sct", "soflow", "tcm",
                     "tim"]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMED if name != "contrastive"])  # whose other optimum is known
def test_the_default_moves_the_fixed_point(name: str) -> None:
    found = shift(made(name))
    assert found.value > 4 * found.error


@pytest.mark.parametrize("name", NAMED)
def test_the_knob_that_the_truth_names_leaves_it_where_it_is(name: str) -> None:
    found = shift(neutral(made(name)))
    assert abs(found.value) < 4 * found.error


@pytest.mark.parametrize("name", PLAIN)
def test_no_other_method_trained_on_data_moves_it(name: str) -> None:
    found = shift(made(name))
    assert abs(found.value) < 4 * found.error < 0.1
