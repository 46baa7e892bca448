"""Controllers in several processes share one study in PostgreSQL, and one is killed: no trial is lost or asked too much."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fake_search
import pytest
from optuna.storages import get_storage
from places import ROOT, SUPPORT

from sweeps.engine.seam import SweepError
from sweeps.search import source as searching
from sweeps.search.study import open_storage

TRIALS = 12


def start(url: str, owner: str, place: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{SUPPORT}"}
    words = [str(SUPPORT / "fake_search.py"), url, owner, str(TRIALS), str(place)]
    return subprocess.Popen([sys.executable, *words], env=environment)


def asked(storage) -> int:
    return sum(len(storage.get_all_trials(s._study_id)) for s in storage.get_all_studies())


def test_two_controllers_on_one_postgresql_study_lose_no_trial(postgres, tmp_path):
    storage, name = get_storage(postgres), "test"
    for old in storage.get_all_studies():  # of a test before this one
        storage.delete_study(old._study_id)
    one, two = start(postgres, "one", tmp_path), start(postgres, "two", tmp_path)
    try:
        deadline = time.monotonic() + 600
        while asked(storage) < TRIALS and time.monotonic() < deadline:
            time.sleep(0.02)
        one.kill()
        one.wait()
        one = start(postgres, "one", tmp_path)
        assert (one.wait(600), two.wait(600)) == (0, 0)
    finally:
        for process in (one, two):
            process.kill()
            process.wait()
    world = fake_search.World(1, lambda id: 1.0)
    rows = fake_search.controller(world, storage, "reader", names="Ab", trials=TRIALS).trials()
    assert Counter(r["method"] for r in rows) == {"A": TRIALS, "b": TRIALS}
    assert {r["state"] for r in rows} <= {"done", "pruned", "diverged"}
    assert Counter(r["method"] for r in rows if r["default"]) == {"A": 1, "b": 1}
    owners = {t.owner for s in ("A", "b") for t in _study(storage, f"{name}/{s}/0").trials()}
    assert owners == {"one", "two"}


def _study(storage, name):
    return searching.Study(storage, name, fake_search.SPACE, sampler="tpe", seed=0, startup=3)


@pytest.mark.parametrize(
    ("url", "told"),
    [("x.log", "x.log"), ("postgresql+psycopg://nobody@127.0.0.1:1/none", "127.0.0.1"), ("oracle://x", "oracle")],
)
def test_a_database_that_cannot_be_reached_is_one_clear_error(tmp_path: Path, url: str, told: str):
    with pytest.raises(SweepError, match=r"sweep\.search\.storage") as caught:
        open_storage(url, tmp_path / "study.log")
    assert told in str(caught.value) and "\n" not in str(caught.value)
