"""Stored trajectories: solved once per teacher and settings, whole or solved again, billed to whoever uses them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from specs import network
from torch import Tensor, nn

from bench import run
from bench.config import ConfigError, request
from bench.job import execute
from bench.nets import Backbone
from bench.planning.jobs import jobs
from bench.planning.work import gflops
from bench.teaching import lessons as teaching
from bench.teaching import trajectories
from bench.teaching.teacher import Teacher
from bench.teaching.trajectories import CHUNK, Solved, key, obtain
from bench.training import checkpoint
from methods.base import Trajectories
from methods.tools.solvers import Solver, solve
from results.records.record import RunRecord
from results.records.store import read_run

CPU = torch.device("cpu")
WANTED = Trajectories(CHUNK + 44, Solver.HEUN, (0.0, 0.25, 0.5, 1.0), (2, 3))
SMALL = ["sweep=none", "seed=0", "budget.images=5120", "backbone.width=32", "backbone.depth=1", "evaluation.seeds=[0]",
         "evaluation.steps=[1,4]", "evaluation.count=64", "backend.workers=0"]
FEW = "method.trajectories=64"


def teacher(seed: int = 0, run_id: str = "flow_matching-a") -> Teacher:
    net = Backbone(network({"name": "mlp", "width": 8, "depth": 1}), (2,), seed).net()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(seed)))
    return Teacher(net, run_id, 1000, 2.0)


def take(folder: Path, of: Teacher | None = None, wanted: Trajectories = WANTED, base_scale: float = 1.0) -> Solved:
    found = obtain(folder, of or teacher(), wanted, (2,), base_scale, CPU)
    assert found is not None
    return found


class Calls:
    """Counts how often the trajectories were solved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, solved = 0, trajectories._solved

        def counted(*arguments: Any) -> Solved:
            self.count += 1
            return solved(*arguments)

        monkeypatch.setattr(trajectories, "_solved", counted)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


# The file.


def test_they_are_the_teachers_solved_paths_and_their_cost_is_counted(tmp_path: Path) -> None:
    found, of = take(tmp_path, base_scale=0.5), teacher()
    states = found.states
    assert states.shape == (WANTED.count, 3, 2) and states.dtype == torch.float32
    again = solve(Solver.HEUN, lambda x, t: of.velocity(x, t, None), states[:, 0], WANTED.times, WANTED.kept)
    torch.testing.assert_close(again, states)
    assert (states[:, 2] - states[:, 0]).abs().mean() > 0.01
    assert states[:, 0].std() == pytest.approx(0.5, rel=0.1)
    assert len(states[:, 0].unique(dim=0)) == WANTED.count
    assert found.evaluations == 2 * CHUNK * 3 * 2, "whole chunks, three steps of two evaluations"
    assert WANTED.evaluations == WANTED.count * 3 * 2
    assert found.seconds > 0


def test_they_are_solved_once_and_then_read(tmp_path: Path, calls: Calls) -> None:
    first, second = take(tmp_path), take(tmp_path)
    assert calls.count == 1
    assert torch.equal(first.states, second.states)
    assert (first.seconds, first.evaluations) == (second.seconds, second.evaluations), "the bill is kept with them"


@pytest.mark.parametrize(
    "other",
    [
        {"of": teacher(1)},
        {"of": teacher(0, "flow_matching-b")},
        {"base_scale": 0.5},
        {"wanted": Trajectories(WANTED.count + 1, Solver.HEUN, WANTED.times, WANTED.kept)},
        {"wanted": Trajectories(WANTED.count, Solver.EULER, WANTED.times, WANTED.kept)},
        {"wanted": Trajectories(WANTED.count, Solver.HEUN, (0.0, 0.3, 0.5, 1.0), WANTED.kept)},
        {"wanted": Trajectories(WANTED.count, Solver.HEUN, WANTED.times, (1, 3))},
    ],
    ids=["weights", "run", "base_scale", "count", "solver", "times", "kept"],
)
def test_another_question_has_another_file(tmp_path: Path, calls: Calls, other: dict[str, Any]) -> None:
    first, second = take(tmp_path), take(tmp_path, **other)
    assert calls.count == 2 and len(list(tmp_path.iterdir())) == 2
    assert first.states.shape != second.states.shape or not torch.equal(first.states, second.states)


def test_the_first_of_them_do_not_depend_on_their_number(tmp_path: Path) -> None:
    few = Trajectories(5, Solver.HEUN, WANTED.times, WANTED.kept)
    assert torch.equal(take(tmp_path, wanted=few).states, take(tmp_path).states[:5])


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_told_and_solved_again(tmp_path: Path, calls: Calls, damage: str) -> None:
    whole = take(tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flipped": bytes(content), "cut": bytes(content[:1000]), "empty": b""}[damage])
    with pytest.warns(checkpoint.CheckpointWarning, match=path.name):
        assert torch.equal(take(tmp_path).states, whole.states)
    assert torch.equal(take(tmp_path).states, whole.states) and calls.count == 2


def test_the_file_begins_with_its_hash_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    take(tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == f"{key(teacher(), WANTED, (2,), 1.0)}.pt"
    content = path.read_bytes()
    assert content[:64].decode() == hashlib.sha256(content[64:]).hexdigest()


def test_of_two_workers_the_first_keeps_its_place_and_both_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finishes while this one solves; its numbers are made to differ, as another device's would."""
    solved = trajectories._solved

    def beaten(*arguments: Any) -> Solved:
        mine = solved(*arguments)
        trajectories._publish(tmp_path / f"{key(teacher(), WANTED, (2,), 1.0)}.pt", Solved(mine.states + 1, 7, 7.0))
        return mine

    monkeypatch.setattr(trajectories, "_solved", beaten)
    found = take(tmp_path)
    monkeypatch.setattr(trajectories, "_solved", solved)
    assert found.evaluations == 7
    assert torch.equal(found.states, take(tmp_path).states)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_stop_is_heard_while_solving_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(trajectories.time, "monotonic", lambda: float(next(clock)))
    assert obtain(tmp_path, teacher(), WANTED, (2,), 1.0, CPU, lambda share: True) is None
    assert not list(tmp_path.iterdir())


def test_while_solving_it_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told = iter(range(10_000)), list[float]()
    monkeypatch.setattr(trajectories.time, "monotonic", lambda: float(next(clock)))
    assert obtain(tmp_path, teacher(), WANTED, (2,), 1.0, CPU, lambda share: bool(told.append(share)))
    assert told == sorted(set(told)) and told[0] == 0 and 0.9 < told[-1] < 1


# In a run.


def planned(*more: str) -> list[Any]:
    return jobs(request([*SMALL, "method=dsno", FEW, *more]).experiments)


def test_a_run_tells_what_it_does_after_its_training(tmp_path: Path) -> None:
    told = list[dict[str, Any]]()
    for job in planned():
        told.clear()
        execute(job.config, str(tmp_path / job.id), lambda message: bool(told.append(message)))
    last = [m for m in told if m["stage"].startswith("scoring")]
    assert [m["stage"] for m in last] == ["scoring", "scoring", "scoring, 1 of 1"], "of one step: it has no other of these"
    assert [m.get("scored") for m in last] == [None, 0.0, 1.0]
    assert all(m["images"] == m["budget"] == 5120 for m in last)


def go(out: Path, made: list[Any], stop_after: int | None = None) -> str:
    status = ""
    for job in made:
        limit = stop_after if job is made[-1] else None
        status = execute(job.config, str(out / job.id), lambda m, limit=limit: limit is not None and m["images"] >= limit)
    return status


def stored(out: Path) -> list[Path]:
    return sorted(out.glob("*/trajectories/*"))


def bits(folder: Path) -> tuple[str, str]:
    found = checkpoint.newest(folder / "checkpoints")
    assert found is not None
    return found[0].name, (folder / "evals.jsonl").read_text()


def test_a_run_stores_them_with_its_teacher_and_pays_for_them(tmp_path: Path) -> None:
    assert run.main([*SMALL, "method=dsno", FEW, f"out={tmp_path}"]) == 0
    (folder,), (fm,) = ((tmp_path / "runs").glob(f"{name}-*") for name in ("dsno", "flow_matching"))
    record, paid = read_run(folder), read_run(fm)
    (file,) = stored(tmp_path / "runs")
    assert file.parent.parent == fm
    assert record.trajectory_evaluations == CHUNK * 64 and record.trajectory_seconds > 0
    assert record.teacher_seconds == pytest.approx(paid.train_seconds + record.trajectory_seconds)
    assert record.teacher_images == paid.images_seen
    assert (paid.trajectory_evaluations, paid.trajectory_seconds, paid.teacher_seconds) == (0, 0, 0)
    rows = [json.loads(line) for line in (folder / "evals.jsonl").read_text().splitlines()]
    assert {(r["steps"], r["nfe"], r["nfe_rows"]) for r in rows} == {(1, 1, 4)}
    assert record.params > paid.params


def test_runs_that_ask_the_same_share_them_and_pay_the_same(tmp_path: Path, calls: Calls) -> None:
    for weight in ("1.0", "10.0"):
        go(tmp_path, planned(f"method.weight_cap={weight}"))
    assert calls.count == 1 and len(stored(tmp_path)) == 1
    first, second = (read_run(f) for f in tmp_path.glob("dsno-*"))
    assert first.trajectory_seconds == second.trajectory_seconds > 0
    go(tmp_path, planned("method.trajectories=65"))
    assert calls.count == 2 and len(stored(tmp_path)) == 2


def test_a_stopped_run_continues_bitwise_and_solves_nothing_again(tmp_path: Path, calls: Calls) -> None:
    made = planned()
    go(tmp_path / "calm", made)
    assert go(tmp_path / "rough", made, stop_after=0) == "interrupted"
    before = calls.count, [f.stat().st_mtime_ns for f in stored(tmp_path / "rough")]
    assert go(tmp_path / "rough", made) == "done"
    assert before == (2, [f.stat().st_mtime_ns for f in stored(tmp_path / "rough")])
    assert bits(tmp_path / "rough" / made[-1].id) == bits(tmp_path / "calm" / made[-1].id)


def test_a_run_stopped_while_solving_is_interrupted_and_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = planned()
    with monkeypatch.context() as patch:
        patch.setattr(teaching, "obtain", lambda *arguments: None)
        assert go(tmp_path, made) == "interrupted"
    assert read_run(tmp_path / made[-1].id).status == "interrupted"
    assert go(tmp_path, made) == "done"


def test_micro_batches_give_the_same_result_to_rounding(tmp_path: Path) -> None:
    finals = []
    for size in ("null", "32"):
        made = planned("budget.images=1280", f"budget.micro_batch={size}")
        go(tmp_path / size, made)
        found = checkpoint.newest(tmp_path / size / made[-1].id / "checkpoints")
        assert found is not None
        finals.append(found[1]["ema"]["0.999"])
    for name, value in finals[0].items():
        torch.testing.assert_close(value, finals[1][name], rtol=2e-2, atol=2e-4)


def test_what_they_are_changes_the_runs_identity() -> None:
    ids = {planned(*more)[-1].id for more in ([], ["method.teacher_steps=48"], ["method.trajectories=65"])}
    assert len(ids) == 3


def test_the_plan_counts_them() -> None:
    of = ([*SMALL, "method=dsno", f"method.trajectories={n}"] for n in (1, 1001))
    few, many = (request(arguments).experiments[0] for arguments in of)
    assert gflops(many) - gflops(few) == pytest.approx(Backbone(few.backbone, (1, 8, 8), 0).gflops() * 1000 * 64)


def test_a_record_of_before_is_read_with_nothing_to_pay() -> None:
    old = RunRecord(run_id="a", label="a", method="a", data="a", backbone="a", seed=0).to_dict()
    del old["trajectory_evaluations"], old["trajectory_seconds"]
    record = RunRecord.from_dict(old)
    assert (record.trajectory_evaluations, record.trajectory_seconds) == (0, 0.0)


@pytest.mark.parametrize(("knob", "said"), [("teacher_steps=20", "multiple of 16"), ("modes=4", "method.modes"),
                                            ("slots=8", "method.teacher_steps"), ("distance=cubed", "absolute, squared")])
def test_a_wrong_knob_is_an_error_of_the_plan(knob: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        planned(f"method.{knob}")


class Still(nn.Module):
    """A teacher that never moves."""

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)


def test_noise_is_the_teachers_own(tmp_path: Path) -> None:
    one, other = (take(tmp_path, Teacher(Still(), name, 0, 0.0)) for name in ("a", "b"))
    assert torch.equal(one.states[:, 0], one.states[:, -1])
    assert (one.states[:, 0] != other.states[:, 0]).all()
