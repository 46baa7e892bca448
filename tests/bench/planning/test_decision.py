"""Claims about what a plan tells the person who must decide on it: for GPUs where no CPU would come to an end, teachers once,
whose rates they are, what does not fit a GPU's memory, and what is smaller."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from fake_perf import perf
from PIL import Image

from bench import run
from bench.config import Request, request
from bench.config.compose import CONF
from bench.fitting import GB, Fit
from bench.planning import Campaign, backends, decision, jobs, memory, methods
from bench.planning.decision import LIFETIME, PATIENCE, Decision
from bench.planning.memory import Need
from bench.planning.price import GUESS, Prices
from sweeps.engine import SweepError
from sweeps.plan import Job, Plan

SWEEPS = sorted(str(path.relative_to(CONF / "sweep").with_suffix("")) for path in (CONF / "sweep").rglob("*.yaml"))
WHOLE = Need(Fit(256, 10 * GB), 256, None)
STUDENTS = ["sweep=none", "method=lmd,emd,psd_m", "seed=0,1", "data=cifar10", "backbone=unet_medium", "budget.images=2560000",
            "train.precision=bf16"]  # fmt: skip


def planned(*arguments: str) -> list[Job]:
    return list(Plan(jobs(request(arguments).experiments)))


@cache
def asked(sweep: str) -> Request:
    return request([f"sweep={sweep}"])


@cache
def gpu_hours(sweep: str) -> float:
    return sum(map(Prices(Path("nowhere"), "cuda").gpu_hours, Plan(jobs(asked(sweep).experiments))))


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps whose memory is not counted, which takes seconds."""
    monkeypatch.setattr(methods, "needs", lambda firsts: dict.fromkeys(firsts, WHOLE))


def told(found: Sequence[Job], workers: int = 2, *smaller: str) -> str:
    return "\n".join(Decision(found, Prices(Path("nowhere"), "cpu"), workers, smaller).lines())


def test_a_plan_that_no_cpu_can_do_is_told_for_a_gpu_in_hours_with_what_is_smaller(
    uncounted: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main([f"out={tmp_path}", "sweep=cifar_all_methods", "plan=true"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"\nCost: about [\d,]+ GPU-hours \([\d,]+ GPU-hours to [\d,]+ GPU-hours\); ", text)
    assert "\nOn CPUs, " in text and ": not in a lifetime. Smaller: sweep=cifar_overnight, sweep=cifar_hour" in text
    assert re.search(r"\ncost to do: \d+ months on one GPU\n", text) and "\n1 GPU, estimated wall time: " in text
    costs = re.sub(r"estimated wall time: .*", "", text)  # whose upper end may be years, on one GPU
    assert "year" not in costs and "worker" not in text.split("\nOn CPUs")[0]
    rates = ("237 TFLOP/s in bf16", "120 TFLOP/s in tf32", "18 TFLOP/s in float32")
    assert all(rate in text.split("\nRates: ")[1] for rate in rates) and f"144 runs {GUESS}" in text


@pytest.mark.parametrize(("days", "said"), [(8, "about 8 d 00 h"), (500, "about 16 months"), (20_000, "not in a lifetime")])
def test_a_time_beyond_patience_is_told_until_it_is_beyond_a_life(
    days: float, said: str, monkeypatch: pytest.MonkeyPatch, uncounted: None
) -> None:
    monkeypatch.setattr(Prices, "seconds", lambda self, job: 2 * 86400.0 * days if job.cost else 0.0)
    assert f"On CPUs, 2 workers: {said}." in told(planned("sweep=none", "method=ect"))


def test_what_a_cpu_can_do_is_priced_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planned("sweep=none", "method=lmd,ect", "seed=0,1")
    text = told(found)
    assert text.startswith(f"Cost: 6 runs {GUESS}. On GPUs ") and "On CPUs" not in text and "\n" not in text
    assert told([job for job in found if not job.cost]) == "Cost: nothing is left to train."
    few = Decision(found, Prices(Path("nowhere"), "cpu"), 1)
    assert not few.elsewhere and few.prices is few.here
    monkeypatch.setattr(decision, "PATIENCE", few.seconds * 0.75)
    assert Decision(found, few.here, 1).elsewhere and not Decision(found, few.here, 2).elsewhere, "its workers count"
    assert PATIENCE < LIFETIME


def test_what_keeps_this_machine_for_more_than_an_hour_is_told_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backends, "execute", lambda *arguments: (_ for _ in ()).throw(SweepError("it begins")))
    words, hour = [f"out={tmp_path}", "sweep=none", "method=psd_m", "seed=0,1", "backend.workers=1"], 3600.0
    for seconds, said in ((0.4 * hour, ""), (0.6 * hour, f"this will take about 1 h 12 min with 1 worker, 2 runs {GUESS}")):
        monkeypatch.setattr(Prices, "seconds", lambda self, job, seconds=seconds: seconds if job.cost else 0.0)
        assert run.main(words) == 2
        told = capsys.readouterr().err
        assert told.endswith("error: it begins\n")
        (line,) = [line for line in told.splitlines() if line.startswith("this will take")] or [""]
        assert line.startswith(said) and ("plan=true shows it" in line) == bool(said)
    assert run.main([f"out={tmp_path}", "sweep=digits_tuned", "method=psd_m", "seed=0", "backend.workers=1"]) == 2
    assert "\nthis will take at least 1 h 12 min with 1 worker, 2 runs" in capsys.readouterr().err, "a trial and its run"


def test_teachers_are_in_the_price_once_and_told_apart(uncounted: None) -> None:
    found, prices = planned(*STUDENTS), Prices(Path("nowhere"), "cuda")
    teachers = [job for job in found if not job.listed and job.cost]
    assert len(teachers) == 2
    hours = sum(map(prices.gpu_hours, teachers))
    text = told(found)
    assert f"{round(60 * hours)} GPU-minutes of it are the teachers' (2 runs of flow_matching)" in text
    assert "trained once for 4 students" in text
    assert f"about {sum(map(prices.gpu_hours, found)):.1f} GPU-hours" in text
    shares = methods.shares(found, prices)
    assert sum(shares.values()) == pytest.approx(hours)
    by_label = {line.split()[0]: line.split() for line in text.splitlines() if line.endswith("MB")}
    assert by_label["flow_matching"][:3] == ["flow_matching", "(teacher)", "2"] and by_label["psd_m"][3] == "-"
    assert float(by_label["lmd"][3]) == float(by_label["emd"][3]) == pytest.approx(hours / 2, rel=0.05)


def test_a_teacher_that_is_trained_already_has_no_share(uncounted: None) -> None:
    left = [job for job in planned(*STUDENTS) if job.listed]
    assert set(methods.shares(left, Prices(Path("nowhere"), "cuda")).values()) == {0}
    assert "teachers" not in told(left)


def test_the_table_says_whose_rate_it_is(tmp_path: Path, uncounted: None) -> None:
    found = planned(*STUDENTS)
    lsd = next(job for job in found if job.label == "lmd")
    perf(tmp_path, lsd, 61_000.0)
    decided = Decision(found, Prices(tmp_path, "cpu"), 2)
    text = "\n".join(decided.lines())
    rates = {line.split()[0]: line.split()[4:6] for line in text.splitlines() if line.endswith("MB")}
    assert rates["lmd"][1] == "measured" and float(rates["lmd"][0]) == pytest.approx(61, rel=0.2)
    assert rates["emd"][1] == "earlier", "those of this backbone"
    assert "2 runs at rates measured by bench.perf on NVIDIA H100, 2026-01-02" in text


def test_an_assumed_rate_is_said_to_be_assumed_by_method(uncounted: None) -> None:
    rows = [line for line in told(planned(*STUDENTS)).splitlines() if line.endswith("MB")]
    assert len(rows) == 4 and all("  237 assumed  " in row for row in rows)


@pytest.mark.parametrize(("name", "most"), [("cifar_overnight", 12.0), ("cifar_hour", 1.0)])
def test_the_smaller_sweeps_are_a_night_and_an_hour_of_one_gpu(name: str, most: float) -> None:
    assert most / 2 < gpu_hours(name) <= most


@pytest.mark.parametrize("sweep", [name for name in SWEEPS if name != "none"])
def test_every_sweep_is_composed_planned_and_priced_and_names_only_smaller_ones(sweep: str, tmp_path: Path) -> None:
    if sweep == "pictures_smoke":  # of the user's own
        for number in range(20):
            Image.new("RGB", (24, 20), (12 * number, 0, 0)).save(tmp_path / f"{number}.png")
    wanted = request([f"sweep={sweep}", *([f"data.path={tmp_path}"] if sweep == "pictures_smoke" else [])])
    campaign = Campaign.of(wanted, preview=True)
    prices = Prices(Path("nowhere"), "cuda")
    hours = [prices.gpu_hours(job) for job in campaign.plan if job.cost]
    assert len(hours) >= len(wanted.experiments) or wanted.sweep.search
    assert all(each > 0 for each in hours)
    chain = [sum(hours), *map(gpu_hours, wanted.sweep.smaller)]
    assert chain == sorted(chain, reverse=True)


ABLATIONS = [name for name in SWEEPS if name.startswith("ablation/cifar_")]


def test_the_ablations_of_cifar_have_the_night_s_setting_and_take_a_few_hours_of_a_gpu() -> None:
    night = asked("cifar_overnight").experiments[0]
    done = {job.id for job in Plan(jobs(asked("cifar_overnight").experiments)) if job.listed}
    assert len(ABLATIONS) == 10
    for name in ABLATIONS:
        for each in asked(name).experiments:
            changed = {"lr": each.train.lr}  # of one of them an axis
            assert (each.data, each.backbone, each.budget, each.evaluation) == (
                night.data, night.backbone, night.budget, night.evaluation)  # fmt: skip
            assert each.train == night.train.model_copy(update=changed)
        assert gpu_hours(name) < 5
        assert done & {job.id for job in jobs(asked(name).experiments)}, "what the night has trained is not trained again"
        text = (CONF / "sweep" / f"{name}.yaml").read_text()
        assert re.search(r"^# .*arXiv", text, re.MULTILINE | re.DOTALL), "the claim, and whose it is"


# Memory.


def test_slices_are_grouped_and_what_does_not_fit_is_named() -> None:
    found = {
        "a": Need(Fit(256, 7 * GB), 256, None), "b": Need(Fit(128, 6 * GB), 256, None), "c": Need(Fit(128, 6 * GB), 256, None),
        "d": Need(Fit(32, 6 * GB), 256, None), "e": Need(Fit(0, 9 * GB), 256, None), "f": Need(Fit(0, 99 * GB), 256, 256),
        "g": Need(None, 256, None),
    }  # fmt: skip
    first, *rest = memory.words(found, planned("sweep=none", "method=ect", "backend.gpu_memory=8")[-1])
    assert first == "Memory: counted for a GPU of 8 GB, as backend.gpu_memory says; 1 of 7 take their whole batch at once."
    assert rest == [
        "  in passes of 128 rows of the 256, with the same results: b, c",
        "  in passes of 32 rows of the 256, with the same results: d",
        "  does not fit: e: the fewest rows a pass hold 9.0 GB where 5.9 GB are free; choose "
        "backbone.checkpoint=blocks or a larger GPU",
        "  does not fit: f: 256 rows a pass hold 99.0 GB where 5.9 GB are free; choose budget.micro_batch=auto",
    ]


SMALL = ["sweep=none", "data=cifar10", "backbone=unet_small", "backbone.channels=8", "budget.batch=64"]


@pytest.mark.parametrize(("card", "asked"), [(1.7, "auto"), (1.85, "auto"), (80.0, "auto"), (1.85, "64"), (80.0, "64")])
def test_the_rows_of_a_pass_are_counted_for_the_card_that_is_asked_for(card: float, asked: str) -> None:
    (job,) = [each for each in planned(*SMALL, "method=ect", f"backend.gpu_memory={card}", f"budget.micro_batch={asked}")
              if each.cost]  # fmt: skip
    (need,) = memory.needs({"ect": job}).values()
    assert need.fit is not None and need.batch == 64 and need.asked == (None if asked == "auto" else 64)
    whole, part = need.fit.rows == 64, 0 < need.fit.rows < 64
    assert whole == (card == 80) and part == (card == 1.85 and asked == "auto")
    line, *rest = memory.words({"ect": need}, job)
    assert ("all take" in line) == whole
    assert "".join(rest).startswith("" if whole else "  in passes of" if part else "  does not fit: ect: ")


def test_without_a_gpu_and_a_wish_it_is_an_h100_s_and_said_to_be_assumed() -> None:
    first = memory.words({"a": WHOLE}, planned("sweep=none", "method=ect")[-1])
    assert first == ["Memory: counted for a GPU of 80 GB, that of an H100, which is assumed (backend.gpu_memory=N for another)"
                     "; all take their whole batch at once."]


def test_the_gpu_that_is_here_is_the_one_that_is_counted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * GB, 40 * GB))
    (job,) = planned("sweep=none", "method=ect")[-1:]
    assert "GPU of 40 GB, that of the NVIDIA A100 here" in memory.words({"a": WHOLE}, job)[0]
    (job,) = planned("sweep=none", "method=ect", "backend=slurm", "backend.gpus=1")[-1:]
    assert "80 GB, that of an H100" in memory.words({"a": WHOLE}, job)[0], "a cluster's GPU is another"


def test_a_column_can_be_added_to_the_table_by_method(tmp_path: Path, uncounted: None) -> None:
    found, prices = planned("sweep=none", "method=lsd,psd_m", "seed=0,1"), Prices(tmp_path, "cuda")
    lines = methods.by_method(found[:-1], prices, [*methods.COLUMNS[:2], methods.Column("more", lambda row: row.label.upper())])
    assert [line.split() for line in lines[3:5]] == [["lsd", "2", "LSD"], ["psd_m", "1", "PSD_M"]]
    one = methods.by_method([job for job in found if job.label == "lsd"], prices)
    assert len(one) == 3 and one[1].startswith("Memory: "), "one row says nothing more"
