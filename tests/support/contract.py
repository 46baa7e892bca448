"""Every method of the configuration folder at its defaults, with small networks, a batch and its losses."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from omegaconf import OmegaConf
from oracle import context, teacher_of
from specs import network
from torch import Tensor, nn

from bench.config.compose import CONF, names
from bench.config.registry import make_method
from bench.nets import Backbone
from bench.truth import target
from methods.base import Batch, Loss, Method
from methods.tools.interpolant import Interpolant, Linear
from methods.tools.solvers import solve

METHODS = names("method")
TRUTH = target("gaussian")
SMALL = {"name": "mlp", "width": 16, "depth": 1, "embedding": 8}
NETWORKS = Backbone(network(SMALL), (2,), seed=0)


@lru_cache
def made(name: str, path: Interpolant | None = None) -> Method:
    """The method at the defaults of its YAML file."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "method" / f"{name}.yaml"))
    assert isinstance(config, dict)
    return make_method(config, path or Linear())  # type: ignore[arg-type]


def few(name: str, path: Interpolant | None = None) -> Method:
    """The same in groups of no more than 4, which slices of a small batch do not cut."""
    method = made(name, path)
    return replace(method, **{_grouped(method): 4}) if method.needs.group > 4 else method


def in_few(name: str) -> list[str]:
    """What says so on a command line."""
    return [f"method.{_grouped(made(name))}=4"] if few(name) != made(name) else []


def _grouped(method: Method) -> str:
    """The knob that says how large a group is."""
    return "particles" if hasattr(method, "particles") else "group"


def built(method: Method, shape: tuple[int, ...] = (2,), dtype: torch.dtype = torch.float64) -> dict[str, nn.Module]:
    """Small networks of every role, moved off their zero start so that every gradient is alive."""
    models = method.build(Backbone(network(SMALL), shape, seed=0))
    with torch.no_grad():
        for k, module in enumerate(models.values()):
            for i, p in enumerate(module.parameters()):
                g = torch.Generator().manual_seed(1000 * k + i)
                p.add_(0.2 * torch.randn(p.shape, generator=g))
            module.to(dtype)
    return models


def batch_of(method: Method, x_1: Tensor, teacher: Any) -> Batch:
    """x_1 with what else the method needs beside it, for the whole batch."""
    wanted = method.needs.trajectories
    if wanted is None:
        return Batch(x_1)
    g = torch.Generator().manual_seed(5)
    x_0 = torch.randn(x_1.shape, generator=g, dtype=x_1.dtype)
    states = solve(wanted.solver, lambda x, t: teacher(x, t, None), x_0, wanted.times, wanted.kept)
    return Batch(x_1, states=states)


def losses(
    method: Method, models: dict[str, nn.Module], x_1: Tensor, rows: range | None = None, **more: Any
) -> dict[str, Loss]:
    """The losses of one float64 step, or of some rows of it."""
    at = context(method, len(x_1), rows=rows, teacher=teacher_of(TRUTH), target={"net": models["net"]}, **more)
    batch, part = batch_of(method, x_1, teacher_of(TRUTH)), slice(None) if rows is None else slice(rows.start, rows.stop)
    states = None if batch.states is None else batch.states[part]
    return method.losses(models, Batch(x_1[part], states=states), at)


def reads_data(method: Method) -> bool:
    """Whether some loss of some stage depends on the training samples, not only on how many there are and of which shape."""
    none = torch.full((max(16, method.needs.group), 2), torch.nan, dtype=torch.float64)
    models = built(method)
    taken = [taken for stage in method.stages(2**20) for taken in stage.different.values()]
    found = [loss.per_sample for stage in taken for progress in (0.0, 0.5, 0.95)
             for loss in losses(method, models, none, stage=stage, progress=progress).values()]  # fmt: skip
    return not all(bool(each.isfinite().all()) for each in found)
