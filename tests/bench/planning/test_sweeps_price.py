"""Claims about the price of a sweep and the micro-batch of a run that had no memory."""

import pytest

from bench import run
from bench.config import ConfigError, recorded_experiment, request
from bench.config.records import smaller
from bench.planning import price
from bench.planning.jobs import chain, jobs
from bench.planning.price import SUSTAINED, Prices
from results.records.record import RunRecord
from results.records.store import write_run


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
    config = job("method=psd_m", "budget.batch=12").config
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


def test_a_run_is_priced_as_earlier_ones_of_its_method_backbone_and_data_in_proportion_to_its_images(tmp_path):
    for seed, seconds in enumerate((90.0, 100.0, 500.0)):
        earlier(tmp_path, job("method=lsd", f"seed={seed}", "budget.images=12800"), seconds)
    earlier(tmp_path, job("method=lsd", "seed=7", "budget.images=12800"), 9e9, status="failed")
    earlier(tmp_path, job("method=lsd", "seed=8", "budget.images=12800"), 9e9, device="NVIDIA H200", gpus=1)
    prices = Prices(tmp_path, "cpu")
    wanted = job("method=lsd", "seed=4", "budget.images=25600")
    assert prices.seconds(wanted) == pytest.approx(2 * 100.0 + 5.0)
    other = job("method=meanflow", "budget.images=25600")
    rate = 105.0 / job("method=lsd", "budget.images=12800").cost
    assert prices.seconds(other) == pytest.approx(rate * other.cost)
    unlike = job("method=lsd", "backbone.width=64")
    assert prices.seconds(unlike) == pytest.approx(unlike.cost / SUSTAINED["cpu"])
    assert prices.source([wanted, other, unlike]) == ", ".join(f"1 run {way}" for way in (price.ALIKE, price.RATE, price.GUESS))


def test_gpu_hours_are_measured_where_gpus_have_run(tmp_path):
    wanted = job("method=lsd")
    assert Prices(tmp_path, "cuda").gpu_hours(wanted) == pytest.approx(wanted.cost / SUSTAINED["cuda"] / 3600)
    earlier(tmp_path, wanted, 3595.0, device="4 x NVIDIA H200", gpus=4)
    assert Prices(tmp_path, "cuda").gpu_hours(wanted) == pytest.approx(4.0)
    assert Prices(tmp_path, "cpu").gpu_hours(wanted) == pytest.approx(wanted.cost / SUSTAINED["cuda"] / 3600)


def test_a_cluster_s_jobs_have_the_device_that_they_ask_for():
    for asked, device in (("backend.gpus=1", "cuda"), ("backend.device=cuda", "cuda"), ("backend.gpus=0", "cpu")):
        settings = request(["sweep=none", "method=lsd", "backend=slurm", asked]).experiments[0]
        assert price.device(settings) == device


def test_the_plan_and_the_limit_take_the_measured_price(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run.sys, "stdin", Stdin(False))
    monkeypatch.setattr(price, "device", lambda config: "cuda")
    command = [f"out={tmp_path}", "sweep=none", "method=lsd", "seed=1"]
    earlier(tmp_path, job("method=lsd", "seed=0"), 36_000.0, device="NVIDIA H200", gpus=1)
    assert run.main([*command, "plan=true"]) == 0
    assert "10 h 00 min on one worker" in (told := capsys.readouterr().out) and f"Cost: 1 run {price.ALIKE}. About 10.0" in told
    assert run.main([*command, "backend.max_gpu_hours=9"]) == 2
    assert "about 10.0 GPU-hours" in capsys.readouterr().err
