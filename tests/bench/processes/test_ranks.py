"""Several processes train what one trains, to floating-point order; the seconds are those of starting them (about 20)."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import fake_ranks
import pytest
import torch
from fake_ranks import BATCH, METHODS, STEPS, result, trainer
from hypothesis import given
from hypothesis import strategies as st

from bench.config.errors import ConfigError
from bench.processes import launch
from bench.processes.dist import Pulse, Ranks
from bench.training import checkpoint

RUNS = [(name, name, False, {"micro_batch": 8} if name == "lsd" else {}) for name in METHODS]
APART = [(f"{name} apart", name, True, {"clip": 0.0}) for name in ("flow_matching", "meanflow")]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of two processes, and with a run that they did not finish."""
    folder = tmp_path_factory.mktemp("ranks")
    told: list[dict[str, Any]] = []

    def report(message: dict[str, Any]) -> bool:
        told.append(message)
        return message["images"] >= 2 * BATCH

    assert launch.execute("fake_ranks:train", {"runs": RUNS + APART}, str(folder), report, 2) == "done"
    assert {m["budget"] for m in told} == {STEPS * BATCH} and len(told) == len({m["images"] for m in told})
    return folder


@pytest.fixture(scope="module")
def one() -> dict[str, dict[str, Any]]:
    """The results of one process."""
    found = {}
    for name in METHODS:
        made = trainer(name, Ranks())
        made.run()
        found[name] = result(made)
    return found


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_train_the_network_of_one(name: str, two: Path, one: dict[str, Any]) -> None:
    """Networks are in float64 and times in float32, which a processor rounds by a row's place in the batch."""
    found = torch.load(two / f"{name}.pt")
    for key in ("live", "average"):
        torch.testing.assert_close(found[key], one[name][key], rtol=0, atol=1e-8)
    moved = (one[name]["live"] - fake_ranks._flat(trainer(name, Ranks()).models["net"])).abs().max()
    assert moved > 1e-2, "the comparison would not see a difference"


@pytest.mark.parametrize("name", [name for _, name, *_ in APART])
def test_the_comparison_fails_without_synchronised_gradients(name: str, two: Path, one: dict[str, Any]) -> None:
    found = torch.load(two / f"{name} apart.pt")
    assert (found["live"] - one[name]["live"]).abs().max() > 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_the_bill_does_not_depend_on_the_processes(name: str, two: Path, one: dict[str, Any]) -> None:
    assert torch.load(two / f"{name}.pt")["bill"] == one[name]["bill"]


def test_one_process_goes_on_where_two_stopped(two: Path, one: dict[str, Any]) -> None:
    found = checkpoint.newest(two / "checkpoints")
    assert found is not None and 0 < found[1]["step"] < STEPS
    made = trainer("lsd", Ranks(), two)
    assert made.run().status == "done"
    torch.testing.assert_close(result(made)["live"], one["lsd"]["live"], rtol=0, atol=1e-8)
    assert result(made)["bill"] == one["lsd"]["bill"]


def test_an_error_of_one_process_ends_all_and_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such thing"):
        launch.execute("fake_ranks:fail", {"rank": 1}, str(tmp_path), lambda message: False, 2)


def test_a_caller_that_is_killed_leaves_nobody_who_could_write_into_its_runs_folder(tmp_path: Path) -> None:
    caller = multiprocessing.get_context("spawn").Process(target=fake_ranks.begin, args=(str(tmp_path),))
    caller.start()
    deadline = time.monotonic() + 600
    while not all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in "01"):
        assert caller.is_alive() and time.monotonic() < deadline
        time.sleep(0.05)
    caller.kill()
    caller.join()
    left = [int((tmp_path / name).read_text()) for name in "01"]
    while any(_runs(pid) for pid in left):
        assert time.monotonic() < deadline, "they go on without their caller"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether the process is more than an entry that nobody has taken off the list."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("batch", "group", "size"), [(16, 1, 3), (20, 4, 2), (12, 4, 3), (7, 1, 7)])
def test_shares_cover_the_batch_and_cut_no_group(batch: int, group: int, size: int) -> None:
    shares = [Ranks(rank, size).share(batch, group) for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(batch))
    assert all(len(share) and len(share) % group == 0 for share in shares)
    assert max(map(len, shares)) - min(map(len, shares)) <= group


@given(st.integers(0, 40), st.integers(1, 9))
def test_pieces_are_neighbours_as_large_as_each_other_and_rank_0_has_one(count: int, size: int) -> None:
    pieces = [Ranks(rank, size).piece(count) for rank in range(size)]
    assert [i for piece in pieces for i in piece] == list(range(count))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1 and len(pieces[0]) >= min(count, 1)


def test_a_batch_that_is_too_small_to_share_is_named() -> None:
    with pytest.raises(ConfigError, match=r"budget.batch=8 .* 2 groups .* 3 processes; raise it to 12"):
        Ranks(0, 3).share(8, 4)


def test_while_rank_0_scores_a_trial_the_others_wait_without_the_time_limit_of_a_sum() -> None:
    heard: list[Any] = []

    class Follower(Ranks):
        sums = staticmethod(list)
        totals = staticmethod(list)

        def word(self, value: Any) -> Any:
            heard.append(value)
            return value

    made, steps = trainer("flow_matching", Follower(1, 2)), []
    made.rungs = {3: lambda: pytest.fail("only rank 0 scores")}
    step = made.step
    made.step = lambda progress: (steps.append(len(heard)), step(progress))[1]  # type: ignore[assignment, func-returns-value]
    assert made.run().status == "done"
    assert heard.count(None) == 1 and steps[2] <= heard.index(None) < steps[3], "after the third step, before the fourth"


def test_alone_a_training_is_asked_to_stop_after_its_first_step_and_then_by_the_clock() -> None:
    pulse, asked = Pulse(Ranks()), []
    for step in range(1, 50):
        assert not pulse.stops(step, lambda step=step: bool(asked.append(step)))
    assert asked[0] == 1 and len(asked) < 49
