"""Claims about the price of a sweep and the micro-batch of a run that had no memory."""

import json
import re

import numpy as np
import pytest
from fake_perf import perf
from places import ROOT

from bench import run
from bench.config import ConfigError, recorded_experiment, request
from bench.config.records import smaller
from bench.planning import price, work
from bench.planning.jobs import chain, jobs
from bench.planning.price import Prices
from bench.planning.rates import sustained
from results.records import StoreWarning, archive
from results.records.record import RunRecord
from results.records.store import write_run
from sweeps.plan import Job


class Stdin:
    def __init__(self, tty):
        self.tty = tty

    def isatty(self):
        return self.tty


def test_a_sweep_beyond_the_price_is_refused_where_nobody_can_answer(monkeypatch):
    monkeypatch.setattr(run.sys, "stdin", Stdin(False))
    run._agree(10.0, 10.0)
    with pytest.raises(ConfigError, match=r"about 10\.5 GPU-hours.*go on with backend\.max_gpu_hours=11"):
        run._agree(10.5, 10)


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("yes", True), ("", False), ("n", False)])
def test_a_person_is_asked(monkeypatch, answer, agreed):
    monkeypatch.setattr(run.sys, "stdin", Stdin(True))
    monkeypatch.setattr("builtins.input", lambda text: answer)
    if agreed:
        run._agree(11, 10)
    else:
        with pytest.raises(ConfigError, match="nothing was started"):
            run._agree(11, 10)


def test_the_command_refuses_and_starts_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run.sys, "stdin", Stdin(False))
    assert run.main([f"out={tmp_path}", "sweep=none", "method=lsd", "backend.max_gpu_hours=0"]) == 2
    assert "backend.max_gpu_hours=1" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_micro_batch_is_halved_down_to_one_row_and_the_run_stays_the_same_run():
    config = job("method=psd_m", "budget.batch=12", "budget.micro_batch=12").config
    assert [smaller(config, n)["budget"]["micro_batch"] for n in (1, 2, 3)] == [6, 3, 1] and smaller(config, 4) is None
    assert chain(recorded_experiment(smaller(config, 2)))[-1].id == job("method=psd_m", "budget.batch=12").id
    assert smaller({"kind": "reference"}, 1) is None


def job(*arguments):
    (found,) = [each for each in jobs(request(["sweep=none", *arguments]).experiments) if each.listed]
    return found


def earlier(out, job, seconds, **fields):
    config = job.config
    record = {"run_id": job.id, "label": job.label, "method": config["method"]["name"], "data": "digits", "backbone": "mlp",
              "seed": config["seed"], "config": config, "status": "done", "images_seen": config["budget"]["images"],
              "train_seconds": seconds, "evaluation_seconds": 5.0, "device": "cpu x 1"}
    write_run(out / "runs" / job.id, RunRecord(**(record | fields)))


@pytest.mark.parametrize("changed", [
    {"config": {}}, {"config": {"evaluation": "x"}}, {"config": {"evaluation": {"steps": "x"}}}, {"train_seconds": "x"},
    {"train_seconds": 1e400},
])  # fmt: skip
def test_from_a_record_that_was_changed_by_hand_nothing_is_learnt(tmp_path, changed):
    asked = job("method=lsd")
    earlier(tmp_path, asked, 100.0)
    file = tmp_path / "runs" / asked.id / "run.json"
    whole = {key: value for key, value in json.loads(file.read_text()).items() if key != "sum"}
    config = changed.get("config") and {**whole["config"], **changed["config"]}
    file.write_text(json.dumps(whole | changed | ({} if config is None else {"config": config})))
    nothing = Prices(tmp_path / "none", "cpu").price(asked)
    assert Prices(tmp_path, "cpu").price(asked).seconds == pytest.approx(nothing.seconds, rel=0.01)


def test_a_run_is_priced_as_earlier_ones_of_its_method_backbone_and_data_in_proportion_to_its_images(tmp_path):
    for seed, seconds in enumerate((90.0, 100.0, 500.0)):
        earlier(tmp_path, job("method=lsd", f"seed={seed}", "budget.images=12800"), seconds)
    earlier(tmp_path, job("method=lsd", "seed=7", "budget.images=12800"), 9e9, status="failed")
    earlier(tmp_path, job("method=lsd", "seed=8", "budget.images=12800"), 9e9, device="NVIDIA H200", gpus=1)
    prices = Prices(tmp_path, "cpu")
    wanted = job("method=lsd", "seed=4", "budget.images=25600")
    assert prices.seconds(wanted) == pytest.approx(2 * 100.0 + 5.0, rel=0.15), "the median, in proportion"
    other = job("method=meanflow", "budget.images=25600")
    rate = 105.0 / job("method=lsd", "budget.images=12800").cost
    assert prices.seconds(other) == pytest.approx(rate * other.cost, rel=0.5)
    unlike = job("method=lsd", "backbone.width=64")
    assert prices.price(wanted).width < prices.price(other).width < prices.price(unlike).width
    ways = (price.ALIKE, price.RATE, price.DEVICE)
    assert prices.source([wanted, other, unlike]) == ", ".join(f"1 run {way}" for way in ways)
    assert Prices(tmp_path / "none", "cpu").source([wanted]) == f"1 run {price.GUESS}"


def test_one_short_run_shows_start_up_and_does_not_make_the_others_dear(tmp_path):
    wanted = job("method=lsd", "budget.images=160000")
    guess = Prices(tmp_path, "cpu").price(wanted)
    earlier(tmp_path, job("method=lsd", "seed=1", "budget.images=2560"), 4.0, evaluation_seconds=1.5)
    found = Prices(tmp_path, "cpu").price(wanted)
    assert guess.seconds / 2 < found.seconds < 3 * guess.seconds < 4.0 * 160_000 / 2560
    assert found.width > 0.3, "and it does not pass for certain"


REFERENCE = ("digits_quickstart", "digits_all_methods", "mixture_all_methods", "cifar_smoke",
             "checkerboard_self_distillation_cpu")


def measured(name):
    """The runs of a reference table, as (record, job, seconds)."""
    runs, _ = archive.read(ROOT / "results" / "reference" / name / "records.jsonl.gz")
    found = [record for record, _ in runs if record.kind == "method"]
    return [(r, Job(r.run_id, r.label, r.config, cost=r.config["cost"]),
             r.train_seconds + r.trajectory_seconds + r.evaluation_seconds) for r in found]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_sweeps_are_priced_within_a_factor_of_five_by_guess_and_of_two_after_one_run(name, tmp_path):
    runs = measured(name)
    took = sum(seconds for _, _, seconds in runs)
    jobs_ = [own for _, own, _ in runs]
    # The digits' runs met other work that grew to ten times theirs and went again: one run's rate was not the others'.
    cases = ((5.0, []), (2.0, runs[:1]))[: 1 if name == "digits_all_methods" else 2]
    for most, recorded in cases:
        for record, _, _ in recorded:
            write_run(tmp_path / "runs" / record.run_id, record)
        prices = Prices(tmp_path, "cpu")
        found, factor = sum(map(prices.seconds, jobs_)), prices.factor(jobs_)
        assert took / most < found < took * most
        assert found / factor < took < found * factor, "the range that is told holds"


@pytest.mark.parametrize("name", ["digits_quickstart", "cifar_smoke", "checkerboard_self_distillation_cpu"])
def test_each_run_of_a_reference_sweep_lies_mostly_within_what_the_others_say_of_it(name, tmp_path):
    runs, inside = measured(name), 0
    for number, (_, own, seconds) in enumerate(runs):
        out = tmp_path / str(number)
        for record, other, _ in runs:
            if other.id != own.id:
                write_run(out / "runs" / record.run_id, record)
        low, high = Prices(out, "cpu").price(own).range
        inside += low <= seconds <= high
    assert inside >= 0.7 * len(runs)


@pytest.mark.parametrize("asked", ["data=cifar10 backbone=unet_small", "data=digits backbone=mlp", "data=mixture backbone=mlp"])
def test_evaluation_is_priced_by_its_rows(asked, tmp_path):
    prices = Prices(tmp_path, "cpu")
    few, many = (prices.seconds(job("method=lsd", *asked.split(), f"evaluation.steps={steps}")) for steps in ("[1]", "[1,64]"))
    assert many > few


@pytest.mark.parametrize(("asked", "samples"), [((), 10), (("evaluation.count=25",), 25)])
def test_an_evaluation_on_own_data_is_priced_by_the_samples_that_it_takes(asked, samples, tmp_path):
    """As many as are held out, and not as many as a large set has."""
    np.save(tmp_path / "own.npy", np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1), dtype=np.uint8))
    own = ("method=lsd", "data=arrays", f"data.path={tmp_path}/own.npy", "evaluation.steps=[4]", "evaluation.seeds=[0]")
    planned = job(*own, *asked)
    one = work.scoring(planned.config | {"samples": 1})
    assert work.scoring(planned.config) == tuple(pytest.approx(samples * each) for each in one)
    done = planned.config | {"samples": 7, "protocol": {"count": 3}}
    assert work.scoring(done) == tuple(pytest.approx(3 * each) for each in one), "what a run was scored with is on its record"


def test_every_scale_of_guidance_is_an_evaluation_and_a_guided_step_has_two_rows(tmp_path, capsys):
    told = ("method=flow_matching", "conditional=true", "evaluation.steps=[4]", "evaluation.count=100")

    def scored(*more):
        return work.scoring(job(*told, *more).config)

    plain, one = scored(), scored("evaluation.guidance=[2]")
    assert one == (pytest.approx(2 * plain.network), plain.features)
    assert scored("evaluation.guidance=[1,2,3]") == (pytest.approx(5 * plain.network), pytest.approx(3 * plain.features))
    half = scored("evaluation.guidance=[2]", "evaluation.guidance_interval=[0.25,0.75]")
    assert half == (pytest.approx(1.5 * plain.network), plain.features)
    inside = [work.scoring(job("method=lsd", "method.scale=[1,3]", *told[1:], f"evaluation.guidance=[{w}]").config)
              for w in (1, 2)]
    assert inside[0] == inside[1], "a scale that the network is told takes no second row"
    older = {**job(*told).config, "evaluation": {"steps": [4], "seeds": [0, 1, 2], "count": 100}}
    assert work.scoring(older) == plain, "a record that says nothing of guidance has none"

    hours = []
    for scales in ("[1]", "[1,2,3]"):
        asked = ["evaluation.count=30000000", "evaluation.steps=[64]", f"evaluation.guidance={scales}", f"out={tmp_path}"]
        assert run.main(["sweep=none", *told[:2], *asked, "plan=true"]) == 0
        (found,) = re.findall(r"cost to do: (\d+) d (\d+) h", capsys.readouterr().out)
        hours.append(24 * int(found[0]) + int(found[1]))
    assert hours[1] == pytest.approx(5 * hours[0], rel=0.1)


def test_gpu_hours_are_measured_where_gpus_have_run(tmp_path):
    wanted = job("method=lsd")
    guess = wanted.cost / sustained("cuda", "float32") / 3600
    assert Prices(tmp_path, "cuda").gpu_hours(wanted) == pytest.approx(guess, abs=0.01)
    assert Prices(tmp_path, "cpu").gpu_hours(wanted) == Prices(tmp_path, "cuda").gpu_hours(wanted)
    earlier(tmp_path, wanted, 3595.0, device="4 x NVIDIA H200", gpus=4)
    assert Prices(tmp_path, "cuda").gpu_hours(wanted) == pytest.approx(4.0, rel=0.2)
    assert Prices(tmp_path, "cpu").gpu_hours(wanted) == pytest.approx(4.0, rel=0.2)


def test_an_assumed_rate_is_the_precision_s_own_and_is_told(tmp_path):
    prices = Prices(tmp_path, "cuda")
    jobs_ = [job("method=lsd", f"train.precision={name}", "budget.images=2000000000") for name in ("bf16", "tf32", "float32")]
    seconds = [prices.seconds(each) - price.START - price.SCORING_START for each in jobs_]
    assert seconds[1] / seconds[0] == pytest.approx(790 / 400, rel=0.05)
    assert seconds[2] / seconds[0] == pytest.approx(790 / 60, rel=0.05)
    assert prices.source(jobs_[:1]) == (
        "1 run by a rough guess, which assumes 237 TFLOP/s in bf16: 30% of what an H100 reaches in dense products")
    assert "237 TFLOP/s in bf16 and 120 TFLOP/s in tf32 and 18 TFLOP/s in float32" in prices.source(jobs_)
    assert prices.price(jobs_[0]).gflops == pytest.approx(237_000)


def test_a_run_in_one_precision_says_nothing_of_another(tmp_path):
    fast = job("method=lsd", "train.precision=bf16")
    guess = Prices(tmp_path, "cuda").price(fast)
    earlier(tmp_path, job("method=lsd"), 36_000.0, device="NVIDIA H200", gpus=1)
    assert Prices(tmp_path, "cuda").price(fast) == guess
    assert Prices(tmp_path, "cuda").price(job("method=lsd", "seed=3")).way == price.ALIKE


def test_a_measured_rate_prices_like_a_long_run_of_the_same_kind(tmp_path):
    wanted = job("method=lsd", "budget.images=20000000")
    perf(tmp_path, wanted, 100.0, time="2025-12-31T00:00:00")
    perf(tmp_path, wanted, 2000.0)
    perf(tmp_path, wanted, 1.0, compiled=True, time="2027-01-01T00:00:00")
    perf(tmp_path, wanted, 1.0, kind="cpu", device="cpu x 1", time="2027-01-01T00:00:00")
    with open(tmp_path / "perf.jsonl", "a", encoding="utf-8") as file:
        file.write('{"kind": "cuda", "time": "2028-01-01", "device": "half a li\n{"kind": "cuda", "time": "2028"}\n')
    with pytest.warns(StoreWarning):
        prices = Prices(tmp_path, "cuda")
    assert prices.seconds(wanted) == pytest.approx(wanted.cost / 2000, rel=0.3), "the newest that is whole and like it"
    assert prices.source([wanted]) == f"1 run {price.MEASURED} on NVIDIA H100, 2026-01-02"
    assert prices.price(job("method=meanflow")).way == price.RATE
    assert prices.price(job("method=lsd", "train.precision=bf16")).way == price.GUESS
    long = tmp_path / "long"
    earlier(long, job("method=lsd", "seed=9", "budget.images=20000000"), wanted.cost / 2000, device="NVIDIA H100", gpus=1)
    assert prices.price(wanted).width == pytest.approx(Prices(long, "cuda").price(wanted).width, rel=0.1)


def test_of_two_models_of_gpus_the_one_measured_last_counts(tmp_path):
    lsd, meanflow = job("method=lsd"), job("method=meanflow")
    perf(tmp_path, lsd, 100.0, device="NVIDIA A100", time="2026-01-01")
    perf(tmp_path, meanflow, 2000.0, device="NVIDIA H200", time="2026-01-02")
    prices = Prices(tmp_path, "cuda")
    assert "NVIDIA H200, 2026-01-02" in prices.source([meanflow]) and prices.price(lsd).way == price.RATE


def test_the_hand_typed_arithmetic_of_an_older_record_is_counted_again(tmp_path):
    new = job("method=lsd")
    old = Job(new.id, new.label, {**new.config, "backbone": {**new.config["backbone"], "gflops": 7.0}}, cost=new.cost)
    rows = 256_000 * 3 * 2.0
    old.config["cost"] = 7.0 * rows
    assert work.training(old.config) == pytest.approx(new.cost, rel=0.2)
    assert work.scoring(old.config) == work.scoring(new.config)
    earlier(tmp_path, old, 100.0)
    assert Prices(tmp_path, "cpu").price(new).way == price.ALIKE


def test_a_cluster_s_jobs_have_the_device_that_they_ask_for():
    for asked, device in (("backend.gpus=1", "cuda"), ("backend.device=cuda", "cuda"), ("backend.gpus=0", "cpu")):
        settings = request(["sweep=none", "method=lsd", "backend=slurm", asked]).experiments[0]
        assert price.device(settings) == device


@pytest.mark.parametrize(("asked", "said"), [
    ([], "all at once that need not wait, estimated"), (["backend.jobs=3"], "3 workers, estimated"),
    (["backend.parallel=2"], "2 workers, estimated"), (["backend.jobs=1", "backend.parallel=2"], "1 worker, estimated"),
])  # fmt: skip
def test_a_cluster_without_a_limit_runs_all_at_once(tmp_path, monkeypatch, capsys, asked, said):
    command = [f"out={tmp_path}", "sweep=digits_quickstart", "backend=slurm", "backend.gpus=1", *asked]
    assert run.main([*command, "plan=true"]) == 0
    told = next(line for line in capsys.readouterr().out.splitlines() if "estimated wall time" in line)
    assert told.startswith(said) and told.endswith("; backend.jobs=N caps them") == (not asked)


@pytest.mark.parametrize(("asked", "workers"), [([], None), (["backend.jobs=3"], 3), (["backend.parallel=2"], 2)])
def test_nor_does_its_bar_name_a_number_of_workers(tmp_path, monkeypatch, asked, workers):
    class Shown(Exception):
        pass

    def display(plan, states, workers, **more):
        raise Shown(workers)

    monkeypatch.setattr("sweeps.display.Display", display)
    with pytest.raises(Shown) as shown:
        run.main([f"out={tmp_path}", "sweep=none", "data=mixture", "backend=slurm", "backend.gpus=1", *asked])
    assert shown.value.args == (workers,)


def test_the_plan_and_the_limit_take_the_measured_price(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run.sys, "stdin", Stdin(False))
    monkeypatch.setattr(price, "device", lambda config: "cuda")
    command = [f"out={tmp_path}", "sweep=none", "method=lsd", "seed=1"]
    earlier(tmp_path, job("method=lsd", "seed=0"), 36_000.0, device="NVIDIA H200", gpus=1)
    assert run.main([*command, "plan=true"]) == 0
    told = capsys.readouterr().out
    assert f"Rates: 1 run {price.ALIKE}." in told and "On CPUs" not in told
    (hours,) = re.findall(r"Cost: about ([\d.]+) GPU-hours", told)
    assert 8 < float(hours) < 12 and re.search(r"estimated wall time: \d+ h .* \(\d+ h \d+ min to \d+ h \d+ min\)", told)
    assert run.main([*command, "backend.max_gpu_hours=7"]) == 2
    assert f"about {hours} GPU-hours" in capsys.readouterr().err
