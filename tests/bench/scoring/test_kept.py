"""evaluation.checkpoint=best: of a run's milestones and its end the one that a proxy prefers is its model. The proxy has data
and noise that no reported number has, and a choice trains nothing."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.config import ConfigError, recorded_experiment, request
from bench.data import dataset
from bench.job import execute
from bench.model import load
from bench.planning import jobs, reopen, work
from bench.planning.begun import unchoosable
from bench.protocols import Best, Protocol, best, planned, protocol_of
from bench.scoring import load_teacher, proxy
from bench.training import CheckpointWarning, checkpoint
from results.records import ProtocolError, load_runs, read_jsonl, read_rows, read_run, write_run
from results.tables.table import leaderboard
from sweeps.clean import clean
from sweeps.plan import Job

CPU = torch.device("cpu")
SMALL = ["sweep=none", "method=psd_m", "budget.images=1920", "backbone.width=32", "backbone.depth=1", "evaluation.count=64",
         "evaluation.seeds=[0]", "evaluation.steps=[1,2]", "evaluation.chunk=64", "train.milestones=3", "train.lr=0.02",
         "train.ema=[0.5]", "train.schedule=constant"]  # so that the end is not the best
BEST, MIDDLE, WHOLE = "evaluation.checkpoint=best", 1280, 1920
RULE = "best of 3 by fd_digits8 to 64 held-out images (noise seed 1000, 1 step)"


def job(*more: str) -> Job:
    return jobs(request([*SMALL, *more]).experiments)[-1]


def executed(out: Path, *more: str) -> Path:
    """The run's folder below `out`, as the command leaves it."""
    own = job(*more)
    assert execute(own.config, str(out / "runs" / own.id), lambda m: False) == "done"
    return out / "runs" / own.id


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return executed(tmp_path_factory.mktemp("kept"), BEST)


@pytest.fixture
def kept(finished: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    return shutil.copytree(finished, tmp_path / "runs" / finished.name)


def compared(folder: Path) -> dict[int, float]:
    return {row["images"]: row["value"] for row in read_jsonl(folder / "proxy.jsonl")}


def begun_again(folder: Path) -> None:
    """As if it had been killed before its record was closed."""
    write_run(folder, replace(read_run(folder), status="running", kept={}, rows=None))


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return dict(network.named_parameters())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_what_the_proxy_prefers_is_scored_recorded_and_loaded(finished: Path) -> None:
    record, rows, scores = read_run(finished), read_rows(finished), compared(finished)
    assert list(scores) == [640, MIDDLE, WHOLE] and min(scores, key=lambda images: scores[images]) == MIDDLE
    (name,) = (path.name for step, path in checkpoint.milestones(finished / "checkpoints") if step == 10)
    assert record.kept == {"checkpoint": name, "images": MIDDLE, "rule": RULE, "of": 3, "steps": 1, "value": scores[MIDDLE]}
    assert {row.checkpoint for row in rows} == {name} and {row.extra["kept"] for row in rows} == {RULE}
    assert {row.extra["kept_images"] for row in rows} == {MIDDLE}
    assert {row.images_seen for row in rows} == {record.images_seen} == {WHOLE}, "the choice took the whole training"
    model, end = load(finished), load(finished, last=True)
    assert (model.checkpoint, end.checkpoint) == (name, record.final)
    average = checkpoint.load(finished / "checkpoints" / name)["ema"]["0.5"]
    assert same(weights(model.models["net"]), average) and not same(weights(end.models["net"]), average)


def test_its_rows_have_the_numbers_of_that_milestone(kept: Path) -> None:
    """As a curve has them, which is made under the rule of the last."""
    chosen = {(row.steps, row.metric): row.value for row in read_rows(kept)}
    folder = executed(kept.parent.parent, "evaluation.milestones=true")
    curve = [row for row in read_rows(folder) if "kept" not in row.extra]
    assert {(row.steps, row.metric): row.value for row in curve if row.images_seen == MIDDLE} == chosen
    assert {row.images_seen for row in curve} == {640, MIDDLE, WHOLE}


def test_a_rule_is_a_protocol_of_its_own_and_a_change_of_it_scores_again_and_trains_nothing(kept: Path) -> None:
    last, out = job(), kept.parent.parent
    assert last.id == kept.name, "what is kept is no part of a training's identity"
    before = read_jsonl(kept / "progress.jsonl")
    assert reopen(out, [last]) == {last.id: "its evaluation is asked for otherwise now"}
    executed(out)
    assert read_jsonl(kept / "progress.jsonl") == before and read_run(kept).kept == {}
    assert load(kept).checkpoint == read_run(kept).final
    assert len({row.protocol for row in read_rows(kept)}) == 2
    with pytest.raises(ProtocolError, match="scored under different protocols"):
        leaderboard(load_runs([kept]))
    assert reopen(out, [job(BEST)]) == {last.id: "its evaluation is asked for otherwise now"}
    references = [jobs(request([*SMALL, *more]).experiments)[0].id for more in ([], [BEST], [BEST, "evaluation.best_at=2"])]
    assert len(set(references)) == 3, "reference rows stand under the protocol of their table"


def test_no_seed_of_the_reported_numbers_is_drawn_and_what_is_compared_is_held_out(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = recorded_experiment(read_run(finished).config)
    data, protocol = dataset(experiment), Protocol.recorded(read_run(finished).config["protocol"])
    rule = best(experiment.scoring, data, protocol.metrics[0], protocol.count)
    assert rule is not None and str(rule) == protocol.checkpoint == RULE
    drawn, plain = list[int](), proxy.Sampler

    def sampler(method: Any, models: Any, shape: Any, seed: int, *rest: Any) -> Any:
        drawn.append(seed)
        return plain(method, models, shape, seed, *rest)

    monkeypatch.setattr(proxy, "Sampler", sampler)
    made = proxy.Proxy.of_checkpoints(experiment, data, rule, protocol, CPU, None)
    assert made.score(load(finished).models) == read_run(finished).kept["value"]
    assert drawn == [1000] and not set(drawn) & set(protocol.seeds)
    heldout = {image.numpy().tobytes() for image in data.heldout}
    assert len(made.real) == 64 and {image.numpy().tobytes() for image in made.real} <= heldout


@pytest.mark.parametrize(("arguments", "said"), [
    (["evaluation.seeds=[1000,0,1001]"], "best of 3 by fd_digits8 to 64 held-out images (noise seed 1002, 1 step)"),
    (["evaluation.count=500", "evaluation.best_at=2"],
     "best of 3 by fd_digits8 to 500 held-out images (noise seed 1000, 2 steps)"),
    (["evaluation.steps=[8,4]"], "best of 3 by fd_digits8 to 64 held-out images (noise seed 1000, 4 steps)"),
    (["data=mixture", "evaluation.count=null"], "best of 3 by sliced_w2 to 5,000 held-out points (noise seed 1000, 1 step)"),
])  # fmt: skip
def test_the_rule_is_in_the_protocol_in_words(arguments: list[str], said: str) -> None:
    (experiment,) = request([*SMALL, BEST, *arguments]).experiments
    data = dataset(experiment)
    protocol = protocol_of(planned(experiment), data)
    assert protocol.checkpoint == said
    assert protocol.id != protocol_of(planned(request([*SMALL, *arguments[:1]]).experiments[0]), data).id


def test_a_method_that_does_not_sample_in_that_many_steps_is_compared_at_the_next_that_it_has() -> None:
    (progressive,) = request(["sweep=none", "method=progressive", "method.start=4"]).experiments
    assert [Best(3, at, "fid", 64, "images", 1000).steps(progressive.method) for at in (1, 2, 3)] == [1, 2, 4]


def test_a_run_that_is_killed_between_training_and_choosing_goes_on_to_the_same_bits(
    finished: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = (kept / "proxy.jsonl").read_text().splitlines(keepends=True)
    (kept / "proxy.jsonl").write_text(first + '{"images": 12')  # a torn line
    (kept / "evals.jsonl").unlink()
    begun_again(kept)
    scored, plain = list[float](), proxy.Proxy.score

    def score(self: proxy.Proxy, models: Any) -> float:
        scored.append(plain(self, models))
        return scored[-1]

    monkeypatch.setattr(proxy.Proxy, "score", score)
    executed(kept.parent.parent, BEST)
    assert len(scored) == 2, "what was compared is not compared again"
    for file in ("proxy.jsonl", "evals.jsonl"):
        assert (kept / file).read_bytes() == (finished / file).read_bytes()
    assert read_run(kept).kept == read_run(finished).kept


def test_a_milestone_is_saved_before_the_checkpoint_of_its_step(finished: Path) -> None:
    """What goes on from that checkpoint will not pass its step again."""
    saved = [line["checkpoint"].rsplit("-", 1)[0] for line in read_jsonl(finished / "progress.jsonl") if "checkpoint" in line]
    for step in (5, 10, 15):
        assert saved.index(f"milestone-{step:08d}") < saved.index(f"step-{step:08d}")


def test_a_student_learns_from_the_end_of_its_teachers_training_whatever_that_keeps(finished: Path) -> None:
    end = checkpoint.load(finished / "checkpoints" / read_run(finished).final)["ema"]["0.5"]
    assert same(weights(load_teacher(finished, CPU).net), end)


def test_cleaning_leaves_what_is_kept(kept: Path) -> None:
    assert len(clean(kept.parent.parent)) == 1, "the older of two restart points"
    assert load(kept).checkpoint == read_run(kept).kept["checkpoint"]


def test_a_damaged_milestone_is_passed_over_and_one_that_is_lost_is_told(kept: Path) -> None:
    files = dict(checkpoint.milestones(kept / "checkpoints"))
    files[10].write_bytes(files[10].read_bytes()[:-1] + b"x")
    (kept / "proxy.jsonl").unlink()
    begun_again(kept)
    with pytest.warns(CheckpointWarning, match="is damaged.*this milestone is not compared"):
        executed(kept.parent.parent, BEST)
    found = read_run(kept).kept
    assert found["of"] == 2 and found["images"] == min((640, WHOLE), key=lambda images: compared(kept)[images])
    files[10].unlink()
    assert unchoosable(kept.parent.parent, [job(BEST)]) == [], "it has chosen"
    told = "has 2 of the 3 milestones that it would choose from, and they are not trained again; give out=FOLDER"
    with pytest.raises(ConfigError, match=told):
        execute(job(BEST).config, str(kept), lambda m: False)
    assert [told in line for line in unchoosable(kept.parent.parent, [job(BEST)])] == [True]
    assert unchoosable(kept.parent.parent, [job()]) == []


def test_samples_that_are_no_numbers_are_never_preferred(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept / "proxy.jsonl").unlink()
    begun_again(kept)
    values = iter([float("nan"), 2.0, 2.0])
    monkeypatch.setattr(proxy.Proxy, "score", lambda self, models: next(values))
    executed(kept.parent.parent, BEST)
    assert read_run(kept).kept["images"] == WHOLE, "of equal ones the later"


def test_nothing_held_out_is_told_before_a_run_starts(finished: Path) -> None:
    (experiment,) = request([*SMALL, BEST]).experiments
    data = dataset(experiment)
    with pytest.raises(ConfigError, match=r"evaluation\.checkpoint=best: .* data=digits holds 1 out; leave"):
        protocol_of(planned(experiment), replace(data, heldout=data.heldout[:1]))


def test_a_plan_prices_what_is_compared() -> None:
    """64 samples of each of three in two steps and their features, and those of the 64 that are held out."""
    last, chosen = work.scoring(job().config), work.scoring(job(BEST, "evaluation.best_at=2").config)
    one = last.network / (64 * (1 + 2))
    assert chosen.network - last.network == pytest.approx(64 * 3 * 2 * one)
    assert chosen.features - last.features == pytest.approx(64 * (3 + 1) * work.SMALL_FEATURES)


def test_a_teacher_of_a_preset_that_keeps_no_milestones_is_scored_at_its_end() -> None:
    command = ["sweep=cifar_all_methods", "method=lmd", "seed=0", "backbone=ddpmpp", "teacher.method=edm", "teacher.preset=edm"]
    *_, teacher, student = jobs(request([*command, BEST]).experiments)
    assert [each.config["evaluation"]["checkpoint"] for each in (teacher, student)] == ["last", "best"]
    assert student.config["evaluation"]["best_of"] == 10
