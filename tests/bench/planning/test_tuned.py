"""A tuned sweep: its trials look at the proxy alone, its table shows the winners alone and says how they were found."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from bench import run
from bench.config import ConfigError, Experiment, recorded_experiment, request
from bench.data import Dataset, dataset, hold_back
from bench.nets import factory
from bench.planning import jobs
from bench.planning.price import Prices
from bench.planning.tune import tuned
from bench.scoring.proxy import Proxy
from results.records import proxy_scores
from results.tables import tuned as table
from sweeps.plan.spec import SpecError

SMALL = ["budget.images=2560", "backbone.width=32", "backbone.depth=1", "evaluation.seeds=[0]", "evaluation.steps=[1,4]",
         "evaluation.count=64", "backend.workers=0"]
FEW = ["sweep=digits_tuned", "sweep.name=digits_tuned", "sweep.search.trials=3", "sweep.search.startup=2", *SMALL]


FINITE = ("+sweep.search.space={method.eta: {low: 0.25, high: 0.75, step: 0.5}, "
          "train.lr: {low: 0.002, high: 0.004, step: 0.002, log: false}}")


def made(*arguments: str) -> Any:
    return tuned(request([*FEW, *arguments]), preview=True)


def trial(name: str = "psd_m", params: dict[str, Any] | None = None, **more: Any) -> Any:
    search = made(f"method={name}", "seed=0").search
    (contender,) = search.contenders
    return search.trial_jobs(name, {**contender.default, **(params or {})})


def scored(own: Any) -> tuple[Experiment, Dataset, Proxy]:
    """A trial's experiment, its data and its proxy."""
    found = recorded_experiment(own.config)
    data = dataset(found)
    return found, data, Proxy.of_trial(found, data, torch.device("cpu"))


def test_a_tuned_sweep_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*FEW, "method=psd_m,lmd", "seed=0,1", f"out={tmp_path}"]
    assert run.main(command) == 0
    folder = tmp_path / "sweeps" / "digits_tuned"
    trials = pd.read_csv(folder / "trials.csv")
    assert trials.groupby("method").size().to_dict() == {"lmd": 3, "psd_m": 3}
    assert trials.groupby("method")["chosen"].sum().tolist() == trials.groupby("method")["default"].sum().tolist() == [1, 1]
    frame = pd.read_csv(folder / "leaderboard.csv")
    methods = frame[frame["images_seen"] > 0]
    assert set(methods["method"]) == {"psd_m", "lmd"} and set(methods["seeds"]) == {2}
    assert "over 3 settings" in (folder / "leaderboard.md").read_text()
    assert all(word in (folder / "tuned.md").read_text() for word in ("(untuned)", "**chosen**", "evaluation seeds 1000, 1001"))
    for name in trials["run"]:
        assert not (tmp_path / "runs" / name / "evals.jsonl").exists(), "a trial is never scored by what is reported"
        assert sorted(proxy_scores(tmp_path / "runs" / name)) == [640, 1280, 2560]
    lr = {row["method"]: json.loads(row["setting"])["train.lr"] for row in trials[trials["chosen"]].to_dict("records")}
    shown = [json.loads(p.read_text())["config"] for p in (tmp_path / "runs").glob("*-s[01]-*/run.json")]
    assert {c["label"]: c["train"]["lr"] for c in shown if c["label"] in lr} == lr
    assert {c["train"]["lr"] for c in shown if c["label"] == "flow_matching"} == {0.002}, "teachers are not tuned"
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.json*")}
    assert run.main(command) == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.json*")}, "the same command repeats nothing"


def test_a_trial_that_diverges_is_the_worst_and_another_one_wins(tmp_path: Path) -> None:
    command = [*FEW, "method=psd_m", "seed=0", "train.clip=0", "train.lr=1e12", f"out={tmp_path}",
               "+sweep.search.spaces.psd_m={train.lr: {low: 1e-4, high: 1e12, log: true}}"]
    assert run.main(command) == 1, "the one that wins diverges when it is trained in full: no method has a number"
    trials = pd.read_csv(tmp_path / "sweeps" / "digits_tuned" / "trials.csv")
    assert trials["state"].iloc[0] == "diverged" and trials["proxy"].iloc[0] == float("inf")
    assert trials["chosen"].sum() == 1


def test_a_trial_is_never_a_run_that_is_reported() -> None:
    (own,) = trial()
    found = made("method=psd_m", "seed=0")
    reported = found.methods[0].experiments[0].with_seed(1000)  # which a command line may not ask for
    (final,) = jobs([reported])[1:]
    assert own.config["seed"] == final.config["seed"] == 1000 and own.config["train"] == final.config["train"]
    assert own.id != final.id


def test_a_command_that_is_given_again_otherwise_goes_on_with_its_study_and_one_of_another_score_does_not() -> None:
    def digest(*arguments: str) -> str:
        (contender,) = made("method=psd_m", "seed=0", *arguments).search.contenders
        return str(contender.digest)

    for same in ("out=elsewhere", "backend.threads=2", "budget.micro_batch=16", "train.logs=7"):
        assert digest(same) == digest(), same
    averages = "train.ema=[0.999,0.99]"
    assert digest(averages, "evaluation.ema=0.99") != digest(averages)

    def run(*arguments: str) -> str:
        search = made("method=psd_m", "seed=0", averages, *arguments).search
        return str(search.trial_jobs("psd_m", search.contenders[0].default)[-1].id)

    assert run("evaluation.ema=0.99") != run(), "its scores are those of another average"


def test_all_trials_of_a_method_share_the_teacher_of_the_common_recipe() -> None:
    teachers = {trial("lmd", {"train.lr": lr})[0].id for lr in (0.002, 0.005)}
    assert len(teachers) == 1
    assert trial("lmd")[0].config["validation"] == 0.2, "and it does not see what its students are scored on"
    assert "proxy" not in trial("lmd")[0].config


def test_what_is_held_back_is_a_fixed_part_of_the_training_data_and_trained_on_by_no_trial() -> None:
    (own,) = trial()
    found = recorded_experiment(own.config)
    whole, part = dataset(found.changed({"validation": None})), dataset(found)
    assert part.validation is not None
    assert len(part.validation) == 240 and len(part.train) == 960
    assert part.labels is not None and len(part.labels) == 960
    rows = {bytes(x.numpy().tobytes()) for x in torch.cat([part.train, part.validation])}
    assert rows == {bytes(x.numpy().tobytes()) for x in whole.train}
    assert torch.equal(part.heldout, whole.heldout) and part.hash != whole.hash
    assert torch.equal(hold_back(whole, 0.2).validation, part.validation)  # type: ignore[arg-type]


def test_the_proxy_is_small_for_the_data_themselves_and_large_for_noise_and_nan_where_samples_are() -> None:
    (own,) = trial()
    found, data, proxy = scored(own)
    models = found.method.build(factory(found, data.shape))
    untrained = proxy.score(models)
    proxy._features = lambda samples: proxy.net(data.train[:240], data.levels)  # type: ignore[method-assign,misc]
    assert abs(proxy.score(models)) < 0.05 * untrained
    with torch.no_grad():
        next(models["net"].parameters()).fill_(float("nan"))
    assert proxy.score(models) != proxy.score(models)


def test_no_step_count_decides_the_proxy_alone_because_its_distances_are_large() -> None:
    (own,) = trial()
    _, _, proxy = scored(own)
    proxy._distance = lambda models, steps, seed: {1: 1e4, 4: 1.0}[steps]  # type: ignore[method-assign]
    assert proxy.score({}) == pytest.approx(100)
    proxy._distance = lambda models, steps, seed: float("nan") if steps == 1 else 0.0  # type: ignore[method-assign]
    assert proxy.score({}) != proxy.score({})


def test_the_proxys_protocol_has_a_name_seeds_and_data_of_its_own() -> None:
    (own,) = trial()
    protocol = scored(own)[2].protocol
    assert protocol.id.startswith("digits-proxy-v2-") and protocol.reference.startswith("validation:")
    assert min(protocol.seeds) >= 1000 > max(own.config["evaluation"]["seeds"])


def test_a_method_of_several_stages_is_scored_from_its_last_stage_on_unless_the_file_says_otherwise() -> None:
    rungs = {c.name: c.rungs for c in made("method=progressive,psd_m").search.contenders}
    assert rungs == {"progressive": (2560,), "psd_m": (640, 1280, 2560)}
    (said,) = made("method=progressive", "+sweep.search.prunable_from.progressive=0.4").search.contenders
    assert said.rungs == (1280, 2560)


def test_no_more_trials_are_asked_for_than_there_are_settings_and_the_table_says_so() -> None:
    found = made("method=psd_m,meanflow", "sweep.search.trials=5", FINITE)
    assert {c.name: c.trials for c in found.search.contenders} == {"psd_m": 4, "meanflow": 5}
    assert "psd_m (4 settings, all there are)" in found.outlook(Prices(Path("nowhere"), "cpu"))
    assert "over 4 to 5 settings that differ (all that there are: 4 of psd_m)" in found.about()


def test_with_equal_compute_a_costly_method_has_fewer_trials() -> None:
    trials = {c.name: c.trials for c in made("sweep.search.equal=compute", "sweep.search.trials=12").search.contenders}
    assert trials["flow_matching"] == 12 > trials["meanflow"] >= 1


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("sweep.search.proxy.seeds=[0]", "at least 1000"),
        ("sweep.search.sampler=tpee", "tpe"),
        ("sweep.search.equal=gpu", "compute"),
        ("sweep.search.reduction=1", "at least 2"),
        ("sweep.search.trials=0", "at least 1"),
        ("sweep.search.rungs=[2]", "above 0 and below 1"),
        ("sweep.search.proxy.validation=2", "above 0 and below 1"),
        ("evaluation.seeds=[0,1001]", "evaluation.seeds and sweep.search.proxy.seeds share 1001"),
        ("seed=0,1000", "seed=1000 is sweep.search.train_seed"),
        ("train.lr=1.0", "train.lr=1.0, is outside"),
        ("+sweep.search.space={budget.batch: {low: 1, high: 2}}", "only train"),
        ("+sweep.search.space={method.etaa: {low: 1, high: 2}}", "eta"),
        ("+sweep.search.space={train.lr: {low: 1, hihg: 2}}", "high"),
        ("+sweep.search.space={train.lr: {low: 2, high: 1}}", "below"),
        ("+sweep.search.space={train.lr: 3}", "choices"),
        ("+sweep.search.spaces={psd_m: {method.gap: {low: 1, high: 2}}}", "no such option"),
    ],
)
def test_a_search_that_makes_no_sense_is_one_clear_error(argument: str, told: str) -> None:
    with pytest.raises((ConfigError, SpecError)) as caught:
        made(argument)
    assert told in str(caught.value) and "sweep" in str(caught.value)


def test_the_table_of_trials_names_the_rung_at_which_a_trial_was_pruned() -> None:
    base = {"method": "a", "value": 2.0, "images": None, "rung": None, "rungs": 3, "default": False, "chosen": False,
            "params": {"train.lr": 0.001}, "run": "r", "reason": ""}
    frame = table.frame([{**base, "trial": 0, "state": "done", "default": True, "chosen": True},
                         {**base, "trial": 1, "state": "pruned", "images": 640, "rung": 2},
                         {**base, "trial": 2, "state": "failed", "value": None, "reason": "gone"}])
    assert frame["rung"].tolist() == ["", "2 of 3", ""] and frame["images"].tolist()[1] == 640
    page = table.page(frame, "How.", "x")
    assert "| a | 1 | pruned | 2 of 3 | 2 | train.lr=0.001 |" in page and "failed: gone" in page


@pytest.mark.parametrize("name", ["digits_tuned", "cifar_tuned"])
def test_the_shipped_searches_plan(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([f"sweep={name}", "plan=true", f"out={tmp_path / 'none'}"]) == 0
    assert "A search over" in capsys.readouterr().out and not (tmp_path / "none").exists()
