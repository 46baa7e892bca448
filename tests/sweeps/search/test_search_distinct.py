"""Every trial of a search is another setting for as long as there are any, and no more are asked for than there are."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import InMemoryStorage

from sweeps.search import size, space
from sweeps.search.grid import place, untried
from sweeps.search.study import Study

CHOICES = st.lists(st.sampled_from([None, True, 1, 1.0, 2, "a"]), min_size=1, max_size=4).map(lambda c: {"choices": c})
WHOLE = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 2)).map(
    lambda t: {"low": t[0], "high": t[0] + t[1], "step": t[2]})
STEPS = st.sampled_from([{"low": 0.0, "high": 0.3, "step": 0.1}, {"low": 0.1, "high": 0.7, "step": 0.3}])
SPACES = st.dictionaries(st.sampled_from("ab"), st.one_of(CHOICES, WHOLE, STEPS), min_size=1, max_size=2)


def trials(raw: Any, sampler: str, many: int, default: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The settings that a study tries, the default first."""
    own = space(raw)
    study = Study(InMemoryStorage(), "s", own, sampler=sampler, seed=0, startup=2)
    for number in range(many):
        params = default if default and number == 0 else study.suggest()
        trial = study.add(params, f"r{number}", "me", many, default=bool(default) and number == 0)
        assert trial is not None
        study.finish(trial, float(number))
    return [t.params for t in study.all()]


@settings(max_examples=25)
@given(SPACES, st.sampled_from(["tpe", "random"]))
def test_as_many_trials_as_there_are_settings_try_every_setting_once(raw: Any, sampler: str) -> None:
    own = space(raw)
    first = untried(own, set(), 0.0)
    many = int(size(own, first))
    found = trials(raw, sampler, min(many, 8), first)
    assert len({place(own, params) for params in found}) == min(many, 8)


@pytest.mark.parametrize(
    ("raw", "default", "many"),
    [
        ({"x": {"choices": [0.5]}}, {"x": 0.5}, 1),
        ({"x": {"choices": [1, 1.0, True]}}, {"x": 1}, 2),
        ({"x": {"low": 1, "high": 3}, "y": {"choices": ["a", "b"]}}, {"x": 2, "y": "a"}, 6),
        ({"x": {"low": 0.0, "high": 0.3, "step": 0.1}}, {"x": 0.1}, 4),
        ({"x": {"low": 0.0, "high": 0.3, "step": 0.1}}, {"x": 0.15}, 5),
        ({"x": {"low": 1, "high": 8, "log": True}}, {"x": 8}, 8),
        ({"x": {"low": 0.0, "high": 1.0}}, {"x": 0.5}, float("inf")),
    ],
)
def test_a_space_knows_how_many_settings_it_has(raw: Any, default: Any, many: float) -> None:
    assert size(space(raw), default) == many


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("default", [0.3, 0.15])
def test_a_range_of_floats_is_tried_to_its_upper_end_and_with_a_default_between_two_steps(default: float, sampler: str) -> None:
    raw = {"x": {"low": 0.0, "high": 0.3, "step": 0.1}}
    many = int(size(space(raw), {"x": default}))
    found = [params["x"] for params in trials(raw, sampler, many, {"x": default})]
    assert sorted(found) == pytest.approx(sorted({0.0, 0.1, 0.2, 0.3, default})) and max(found) == 0.3


def test_a_whole_default_between_two_steps_is_tried_first() -> None:
    assert trials({"x": {"low": 1, "high": 5, "step": 2}}, "tpe", 4, {"x": 2})[0] == {"x": 2}


def test_a_setting_whose_trial_failed_is_free_again_and_one_that_two_controllers_took_is_withdrawn_once() -> None:
    own = space({"x": {"choices": [1, 2]}})
    study = Study(InMemoryStorage(), "s", own, sampler="random", seed=0, startup=2)
    first = study.add({"x": 1}, "a", "me", 2)
    assert first is not None and study.suggest() == {"x": 2}
    assert study.add({"x": 1}, "b", "other", 2) is None
    study.fail(first, "gone")
    again = study.add({"x": 2}, "c", "me", 2)
    assert again is not None and study.suggest() == {"x": 1}
