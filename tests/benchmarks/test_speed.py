"""`python -m pytest tests/benchmarks -o addopts= --benchmark-only`: what the harness and the methods cost, as ratios."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import data
from bench.config import compose as config
from bench.config import request
from bench.metrics.frechet import frechet_distance
from bench.nets import counting, factory
from bench.processes import device
from bench.teaching.teacher import Teacher
from bench.training import Recipe
from bench.training.rng import StepDraws
from bench.training.train import Trainer
from methods.base import Batch, Context

SMALL = ["sweep=none", "backbone=unet_small", "budget.batch=64", "train.logs=1", "train.checkpoints=0"]
METHODS = config.names("method")


def trainer(method: str, steps: int, *more: str) -> Trainer:
    knobs = ["method.start=4"] if method == "progressive" else []
    wanted = request([*SMALL, f"method={method}", f"budget.images={64 * steps}", *knobs, *more]).experiments[0]
    at, dataset, made = device.of(wanted.backend.device), data.dataset(wanted), wanted.method
    models = made.build(factory(wanted, dataset.shape))
    for module in models.values():
        module.to(at)
    teacher = Teacher(factory(wanted, dataset.shape).net().to(at), "", 0, 0.0)
    solved = made.needs.trajectories
    paths = None if solved is None else torch.randn((256, 1 + len(solved.kept), *dataset.shape))
    recipe = Recipe.of(wanted.budget, wanted.train)
    return Trainer(made, models, dataset, recipe, 0, at, None, teacher.velocity, {"net": teacher.net},
                   trajectories=paths)


def loop(method: str, steps: int) -> Any:
    return lambda: trainer(method, steps).run()


def test_the_loop_over_a_bare_step(ratio: Any) -> None:
    """Goal: at most 1.03 of loss + backward + optimizer step, on the small U-Net (EMA, clipping, draws, the bill included)."""
    subject = trainer("flow_matching", 10_000)
    subject.begin_stage(0)
    bare = trainer("flow_matching", 10_000)
    net, method = bare.models["net"], bare.method
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    x_1 = bare.data.decode(bare.step.batches.train[:64])
    draws = StepDraws(0, 0, range(64), 64, bare.device)
    fixed = Context(draws, 0.0, bare.progress.stages[0])
    draws.uniform("t"), draws.normal("x_0", *x_1.shape[1:])

    def bare_step() -> None:
        optimizer.zero_grad()
        method.losses(bare.models, Batch(x_1), fixed)["net"].per_sample.mean().backward()
        optimizer.step()

    with counting(subject.models["net"], into=subject.step.count):
        ratio("training loop / bare step", lambda: subject.step(subject.progress), bare_step, rounds=101)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "flow_matching"])
def test_a_methods_step_over_flow_matchings(method: str, ratio: Any) -> None:
    subjects = []
    for name in (method, "flow_matching"):
        one = trainer(name, 10_000)
        one.begin_stage(0)
        subjects.append(one)
    ratio(f"{method} step / flow matching step", *(lambda t=t: t.step(t.progress) for t in subjects), rounds=15)


PEAK = """
import sys, torch
sys.path[:0] = {path!r}
from test_speed import trainer
torch.set_num_threads(1)
made = trainer({method!r}, 10_000, "budget.batch=512")
made.begin_stage(0)
if made.device.type == "cuda":
    torch.cuda.reset_peak_memory_stats(); base = torch.cuda.memory_allocated()
    made.step(made.progress); made.step(made.progress)
    print(torch.cuda.max_memory_allocated() - base)
else:
    status = lambda key: next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(key))
    open("/proc/self/clear_refs", "w").write("5")  # the high-water mark starts again from here
    base = status("VmRSS")
    made.step(made.progress); made.step(made.progress)
    print(1024 * (status("VmHWM") - base))
"""


def peak(method: str) -> int:
    """Bytes that two training steps add to the peak, in a process of its own."""
    here = Path(__file__).parent
    code = PEAK.format(path=[str(here), str(here.parent.parent)], method=method)
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=here.parent.parent)
    return int(out.stdout.split()[-1])


def test_peak_memory_over_flow_matchings(benchmark: Any, told: Callable[[str], None]) -> None:
    """Goal: methods with a detached JVP (MeanFlow) at most 1.6 of flow matching."""
    base = peak("flow_matching")
    ratios = {m: peak(m) / base for m in METHODS}
    benchmark.extra_info.update(ratios)
    benchmark.pedantic(lambda: None, rounds=1)
    told(f"peak memory of a step / flow matching's: {', '.join(f'{m} {r:.2f}' for m, r in ratios.items())}")


def test_the_frechet_distance_over_clean_fids(ratio: Any) -> None:
    """Goal: at most 0.3 of clean-fid's, 2,048 features, 5,000 samples, statistics to distance."""
    fid = pytest.importorskip("cleanfid.fid")
    linalg = pytest.importorskip("scipy.linalg")
    if "disp" not in inspect.signature(linalg.sqrtm).parameters:
        pytest.skip("clean-fid's distance needs scipy.linalg.sqrtm(disp=), which this SciPy has removed")
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(5000, 2048)) @ np.diag(rng.uniform(0.1, 1, 2048)) + m for m in (0.0, 0.05)]
    stats = [(f.mean(0), np.cov(f, rowvar=False)) for f in features]
    mine, theirs = frechet_distance(*stats[0], *stats[1]), fid.frechet_distance(*stats[0], *stats[1])
    assert mine == pytest.approx(theirs, rel=1e-6)
    ratio("Fréchet distance / clean-fid's", lambda: frechet_distance(*stats[0], *stats[1]),
          lambda: fid.frechet_distance(*stats[0], *stats[1]), rounds=2)


