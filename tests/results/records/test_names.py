"""Which of the known names may have been meant."""

import pytest

from results.records.names import near

SWEEPS = ["cifar_hour", "cifar_overnight", "cifar_tuned", "digits_quickstart", "paper/checkerboard"]


@pytest.mark.parametrize(("value", "first"), [
    ("paper", "paper/checkerboard"), ("Paper", "paper/checkerboard"), ("cifar_over", "cifar_overnight"),
    ("digit_quickstart", "digits_quickstart"), ("cifar_tune", "cifar_tuned"),
])  # fmt: skip
def test_what_a_name_was_cut_from_comes_before_what_is_spelled_like_it(value: str, first: str) -> None:
    assert near(value, SWEEPS, 3)[0] == first


def test_what_is_like_none_is_near_to_none_unless_one_is_wanted_anyhow() -> None:
    assert near("xyz", SWEEPS) == [] and near("di", ["digits"]) == []
    assert near("xyz", SWEEPS, 1, cutoff=0) != [] and len(near("cifar", SWEEPS, 2)) == 2
