"""A search asks as soon as there is room, tries the asked number of settings and begins with the paper's, whatever kills it."""

import dataclasses
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from fake_search import DEFAULT, RUNGS, SPACE, World, controller, drive, run_id, step
from optuna.storages import InMemoryStorage

from sweeps.plan.states import State
from sweeps.search.rungs import rungs, should_stop
from sweeps.search.study import Study, open_storage


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    """No waiting for the disk: no machine goes down here."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def length(id):
    """Between 1 and 10, by the name of the job."""
    return 1 + 9 * random.Random(id).random()


def ended(search):
    return Counter((t["method"], t["state"]) for t in search.trials())


def test_every_method_gets_the_asked_number_of_trials_and_its_best_setting_is_trained():
    world = World(4, length)
    search = controller(world, InMemoryStorage())
    drive(search, world)
    rows = search.trials()
    assert Counter(r["method"] for r in rows) == {"a": 6, "b": 6, "c": 6}
    for name in "abc":
        own = [r for r in rows if r["method"] == name]
        assert own[0]["default"] and own[0]["params"] == DEFAULT and own[0]["state"] == "done"
        (best,) = [r for r in own if r["chosen"]]
        assert best["value"] == min(r["value"] for r in own if r["state"] == "done")
        finals = [id for id in world.states if id.startswith("final-") and f"-{run_id(name, best['params'])}" in id]
        assert len(finals) == 2
    assert sum(id.startswith("final") for id in world.states) == 6
    assert set(world.states.values()) <= {State.DONE, "pruned"}


def test_decisions_are_the_same_when_repeated_and_others_with_another_seed():
    def trials(seed):
        world = World(4, length)
        search = controller(world, InMemoryStorage(), seed=seed)
        drive(search, world)
        return search.trials()

    assert trials(0) == trials(0)
    assert trials(0) != trials(1)


def test_less_than_five_percent_idle_with_jobs_ten_times_as_long_as_others():
    world = World(8, length)
    search = controller(world, InMemoryStorage(), names="abcd", trials=50, sampler="random", rungs=(100,),
                        finals=False)
    drive(search, world)
    assert len(search.trials()) == 200
    idle = 1 - world.busy / (world.now * world.slots)
    assert idle < 0.05, f"{idle:.1%} idle"


def test_pruned_trials_name_their_rung_and_stop_early():
    world = World(4, length)
    search = controller(world, InMemoryStorage(), trials=20)
    drive(search, world)
    pruned = [r for r in search.trials() if r["state"] == "pruned"]
    assert pruned and not any(r["default"] or r["chosen"] for r in pruned)
    for r in pruned:
        assert r["images"] == RUNGS[r["rung"] - 1] < RUNGS[-1] and max(r["scores"]) == r["images"]
        assert world.states[r["run"]] == "pruned"


def test_a_method_is_not_pruned_before_its_first_rung():
    world = World(4, length)
    search = controller(world, InMemoryStorage(), trials=20, rungs=(75, 100))
    drive(search, world)
    assert {r["images"] for r in search.trials() if r["state"] == "pruned"} == {75}


def test_a_trial_that_diverged_or_gave_no_finite_sample_is_a_result_and_the_worst():
    world = World(2, length, outcome=lambda job: State.DIVERGED if job.config.get("eta") == 0.5 else State.DONE)
    search = controller(world, InMemoryStorage(), names="a", trials=30, reduction=100)
    drive(search, world)
    rows = search.trials()
    assert len(rows) == 30
    bad = [r for r in rows if r["params"]["eta"] == 0.5 or r["params"]["lr"] > 0.09]
    assert bad and all(r["state"] == "diverged" and r["value"] == float("inf") and not r["chosen"] for r in bad)


def test_a_failed_run_keeps_its_place_and_does_not_hold_up_the_others():
    broken = []

    def outcome(job):
        if not broken and not job.id.startswith("final") and job.config != DEFAULT:
            broken.append(job.id)
            return State.FAILED
        return State.DONE

    world, storage = World(2, length, outcome=outcome), InMemoryStorage()
    search = controller(world, storage, names="a", reduction=100)
    drive(search, world)
    assert sum(r["state"] == "running" for r in search.trials()) == 1 and len(search.trials()) == 6
    assert any(id.startswith("final") for id in world.states)
    world.states[broken[0]] = State.TODO  # the same command again
    search = controller(world, storage, names="a", reduction=100)
    drive(search, world)
    assert {r["state"] for r in search.trials()} <= {"done", "diverged"} and len(search.trials()) == 6


def test_methods_wait_for_their_teacher_and_others_use_the_room():
    world = World(3, lambda id: 30.0 if id.startswith("teacher") else length(id))
    search = controller(world, InMemoryStorage(), names="Ab", trials=6)
    step(search, world)
    asked = Counter(r["method"] for r in search.trials())
    assert asked == {"A": 1, "b": 2} and world.states["teacher-A"] == State.RUNNING
    drive(search, world)
    assert Counter(r["method"] for r in search.trials()) == {"A": 6, "b": 6}


def test_a_dead_teacher_ends_the_search_of_its_method_alone():
    world = World(3, length, outcome=lambda job: State.FAILED if job.id.startswith("teacher") else State.DONE)
    search = controller(world, InMemoryStorage(), names="Ab", trials=6)
    for _ in range(1000):
        skipped = {id: "skipped" for id, job in world.jobs.items() if any(world.states[p] == State.FAILED for p in job.parents)}
        world.states |= skipped
        if step(search, world):
            break
        world.tick()
    assert Counter(r["method"] for r in search.trials() if r["state"] in ("done", "pruned")) == {"b": 6}


class Killed(BaseException):
    """A controller's end in the middle of anything."""


def deadly(storage, after):
    """The same storage, whose every change beyond `after` is not made or is the last thing that its controller does."""
    left, rng = [after], random.Random(after)

    def wrap(change):
        def wrapped(*args, **more):
            left[0] -= 1
            if left[0] < 0:
                if rng.random() < 0.5:
                    change(*args, **more)
                raise Killed
            return change(*args, **more)
        return wrapped

    for name in ("create_new_study", "create_new_trial", "set_trial_user_attr", "set_trial_state_values", "set_study_user_attr",
                 "set_trial_intermediate_value"):
        setattr(storage, name, wrap(getattr(storage, name)))
    return storage


@pytest.mark.parametrize("seed", range(30))
def test_killed_at_random_moments_it_ends_with_exactly_the_asked_trials(tmp_path: Path, seed: int):
    rng, world, kills = random.Random(seed), World(4, length), 0
    while True:
        storage = deadly(open_storage(None, tmp_path / "study.log"), rng.randrange(15))
        try:
            drive(controller(world, storage, names="Ab", trials=8), world)
            break
        except Killed:
            kills += 1
            for _ in range(rng.randrange(6)):  # the jobs go on without a controller
                world.tick()
    search = controller(world, open_storage(None, tmp_path / "study.log"), names="Ab", trials=8)
    rows = search.trials()
    assert kills > 2
    assert Counter(r["method"] for r in rows) == {"A": 8, "b": 8}
    assert {r["state"] for r in rows} <= {"done", "pruned", "diverged"}
    assert [r["method"] for r in rows if r["default"]] == ["A", "b"]
    asked = {r["run"] for r in rows} | {id for id in world.states if id.startswith(("final", "teacher"))}
    assert set(world.states) == asked, "nothing was run that is no trial"


def test_a_torn_last_line_is_cut_off_and_the_study_goes_on(tmp_path: Path):
    file, world = tmp_path / "study.log", World(2, length)
    search = controller(world, open_storage(None, file), names="a")
    for _ in range(4):
        step(search, world)
        world.tick()
    with file.open("ab") as opened:
        opened.write(b'{"op_code": 4, "worker')
    drive(controller(world, open_storage(None, file), names="a"), world)
    drive(again := controller(world, open_storage(None, file), names="a"), world)
    assert len(again.trials()) == 6
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_two_controllers_that_take_turns_share_one_study(tmp_path: Path):
    storages = [open_storage(None, tmp_path / "study.log") for _ in range(2)]
    worlds = [World(3, length), World(2, length)]
    pair = [controller(w, s, owner, trials=20) for w, s, owner in zip(worlds, storages, ("one", "two"), strict=True)]
    over = [False, False]
    for _ in range(10_000):
        over = [step(search, world) for search, world in zip(pair, worlds, strict=True)]
        if all(over):
            break
        for world in worlds:
            world.tick()
    assert all(over)
    for search in pair:
        rows = search.trials()
        assert Counter(r["method"] for r in rows) == {"a": 20, "b": 20, "c": 20}
        assert {r["state"] for r in rows} <= {"done", "pruned", "diverged"}
        assert sum(r["default"] for r in rows) == 3
    shares = [sum(r["run"] in world.since for r in pair[0].trials()) for world in worlds]
    assert min(shares) > 5


def test_trials_of_a_controller_that_is_gone_are_tried_again_by_another(tmp_path: Path):
    storage = open_storage(None, tmp_path / "study.log")
    lost, world = World(2, length), World(2, length)
    step(controller(lost, storage, "gone", names="a"), lost)
    search = controller(world, storage, "here", names="a", patience=100.0)
    for _ in range(200):
        if step(search, world):
            break
        world.tick()
        world.now += 0.0 if world.running else 30.0
    assert ended(search)["a", "failed"] == 2
    assert sum(n for (_, state), n in ended(search).items() if state != "failed") == 6
    assert sum(r["default"] for r in search.trials() if r["state"] != "failed") == 1


def study(storage, **more):
    return Study(storage, "s", SPACE, **{"sampler": "random", "seed": 0, "startup": 3, **more})


def test_a_trial_beyond_the_asked_number_and_a_second_default_are_withdrawn():
    storage = InMemoryStorage()
    one, two = study(storage), study(storage)  # neither knows what the other is about to write
    assert one.add(DEFAULT, "r0", "one", 2, default=True) and two.add(DEFAULT, "r0", "two", 2, default=True) is None
    assert two.add(two.suggest(), "r1", "two", 2) and one.add(one.suggest(), "r2", "one", 2) is None
    assert [(t.run, t.owner) for t in study(storage).all()] == [("r0", "one"), ("r1", "two")]


def test_a_restarted_controller_suggests_nothing_twice():
    storage, seen = InMemoryStorage(), []
    for k in range(8):
        seen.append(repr(study(storage).suggest()))
        study(storage).add(study(storage).suggest(), f"r{k}", "me", 100)
    assert len(set(seen)) == 8


def test_a_restarted_controller_hands_back_what_it_had_asked_before_it_asks_for_more():
    storage, world = InMemoryStorage(), World(4, length)
    step(controller(world, storage, names="a"), world)
    grown = controller(world, storage, names="a").advance({}, 4)
    assert {job.id for job in grown.jobs} == set(world.jobs) and len(world.jobs) == 4


def test_the_papers_setting_is_never_pruned_however_bad_it_is():
    world = World(4, lambda id: 20.0 if "0.75-0.0001" in id else length(id))  # it comes to its rungs last
    search = controller(world, InMemoryStorage(), names="a", trials=20)
    bad = dataclasses.replace(search.contenders[0], default={"lr": 1e-4, "eta": 0.75})
    search = dataclasses.replace(search, contenders=[bad], storage=InMemoryStorage())
    drive(search, world)
    first = search.trials()[0]
    assert first["default"] and first["state"] == "done"
    others = sorted(r["scores"][RUNGS[0]] for r in search.trials()[1:])
    assert first["scores"][RUNGS[0]] > others[len(others) // 2]


@pytest.mark.parametrize(
    ("value", "others", "stops"),
    [(1.0, [], False), (5.0, [1.0], False), (5.0, [1.0, 2.0], True), (1.0, [2.0, 5.0], False), (2.0, [1.0, 5.0], True),
     (1.0, [1.0, 5.0], False), (float("inf"), [float("inf")] * 2, False), (2.0, [1.0, 3.0, 4.0, 5.0, 6.0], False)],
)
def test_at_a_rung_the_best_third_goes_on(value, others, stops):
    assert should_stop(value, others, 3) is stops


def test_rungs_are_whole_batches_and_begin_where_a_method_may_be_judged():
    assert rungs([0.25, 0.5, 0.75], 1000, 10) == (250, 500, 750, 1000)
    assert rungs([0.25, 0.5, 0.75], 1000, 30, prunable_from=0.4) == (480, 750, 990)
    assert rungs([0.25], 10, 10) == (10,)




def test_the_rung_at_which_pruning_may_begin_is_a_rung() -> None:
    assert rungs((0.25, 0.5), 1000, 10, prunable_from=0.5) == (500, 1000)
    assert rungs((0.25, 0.5), 1000, 10, prunable_from=0.51) == (1000,)
