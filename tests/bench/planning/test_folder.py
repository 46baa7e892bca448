"""A sweep's folder is a function of its configuration: what only narrows it stays where it is, and nothing else goes there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config import request
from bench.planning import Campaign
from bench.planning.folder import name

VALUES = st.one_of(st.integers(), st.text(max_size=80))
CHANGES = st.dictionaries(st.sampled_from(["data", "data.path", "budget.images", "method.eta", "evaluation.steps"]), VALUES,
                          max_size=4)


def folder(command: str) -> str:
    return Campaign.of(request(command.split()), preview=True).name


@pytest.mark.parametrize("command", [
    "", "method=lsd,esd", "seed=0", "method=lmd seed=5,6", "budget.images=120000", "data=digits backbone=mlp", "train.logs=7",
    "budget.micro_batch=16 train.checkpoints=3", "backend=debug backend.threads=2", "evaluation.batch=10", "out=elsewhere",
    "sweep.note=other",
])  # fmt: skip
def test_what_narrows_a_sweep_or_shows_in_no_table_keeps_its_folder(command: str) -> None:
    assert folder(command) == "digits_quickstart"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("evaluation.count=300", "digits_quickstart-evaluation.count=300"),
        ("budget.images=1280 method=lmd", "digits_quickstart-budget.images=1280"),
        ("data=mixture", "digits_quickstart-data=mixture"),
        ("train.lr=1e-3", "digits_quickstart-train.lr=0.001"),
        ("sweep=none method=lsd,esd data=mixture seed=0,1", "none-data=mixture-method=lsd+esd"),
        ("sweep=none method=lsd method.eta=0.25,0.5", "none-method=lsd-method.eta=0.25+0.5"),
        ("sweep=none method=lsd method.eta=0.25,0.75 sweep.name=eta", "eta"),
        ("sweep=none method=lsd sweep.name=mine evaluation.count=300", "mine"),
        ("sweep=digits_tuned sweep.search.trials=9 sweep.search.finals=false", "digits_tuned"),
        ("sweep=digits_tuned sweep.search.rungs=[0.5]", "digits_tuned-sweep.search.rungs=0.5"),
    ],
)
def test_what_differs_names_the_folder(command: str, expected: str) -> None:
    assert folder(command) == expected
    assert folder(" ".join(reversed(command.split()))) == expected, "in whatever order"


def test_a_single_run_is_named_by_its_id_and_by_how_it_is_scored() -> None:
    run = folder("sweep=none method=lsd data=mixture")
    assert re.fullmatch(r"lsd-mixture-s0-\w{10}", run)
    assert folder("sweep=none method=lsd data=mixture evaluation.count=300") == f"{run}-evaluation.count=300"


@given(CHANGES, CHANGES)
def test_names_are_stable_differ_where_values_do_and_are_names_of_folders(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    first, second = name("mine", one), name("mine", other)
    assert first == name("mine", dict(reversed(one.items())))
    assert (first == second) == ({k: str(v) for k, v in one.items()} == {k: str(v) for k, v in other.items()})
    assert re.fullmatch(r"[\w.+=-]+", first) and len(first) <= 80
