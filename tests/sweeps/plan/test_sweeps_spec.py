"""Claims about the expansion of a sweep specification."""

import pytest

from sweeps.plan.spec import SpecError, expand


def test_the_first_axis_changes_slowest():
    points = expand({"method": ["lsd", "ect"], "seed": range(2)}, {"data": "digits"})
    assert points == [{"data": "digits", "method": m, "seed": s} for m in ("lsd", "ect") for s in (0, 1)]


def test_no_axes_is_one_run():
    assert expand({}, {"data": "digits"}) == [{"data": "digits"}]


def test_points_do_not_share_their_dictionary():
    first, second = expand({"seed": [0, 1]}, {"data": "digits"})
    first["data"] = "other"
    assert second["data"] == "digits"


@pytest.mark.parametrize("axis", [3, "lsd", None, {"a": 1}, {1, 2}])
def test_an_axis_that_is_not_a_list_is_named(axis):
    with pytest.raises(SpecError, match=r"'seed'.*must be a list"):
        expand({"seed": axis})


def test_an_empty_axis_is_named():
    with pytest.raises(SpecError, match=r"'seed' is empty"):
        expand({"method": ["lsd"], "seed": []})


def test_a_key_is_an_axis_or_fixed_but_not_both():
    with pytest.raises(SpecError, match=r"'seed' is both"):
        expand({"seed": [0, 1]}, {"seed": 3})
