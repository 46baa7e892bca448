"""Teachers that were trained elsewhere: a file's weights on our network, with its preconditioning on our clock.

    a state dict of ours     as `Model.export` writes it, or a checkpoint of a run (its first average); made by teacher.method
    EDM's, EDM2's pickles    network snapshots (bench/teaching/foreign.py); made by edm, told ln(sigma) / 4 as they were

A file is known by the hash of its bytes, wherever it lies. It is looked at before anything starts, and again where it teaches.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.config import ConfigError, Experiment, with_method
from bench.data import file_hash
from bench.layers import Down
from bench.nets import factory
from bench.teaching.foreign import KNOWN, Foreign, foreign
from bench.teaching.pickled import loaded, unpickled
from bench.teaching.teacher import Teacher

KEY = "teacher.import"
ZIP = b"PK\x03\x04"  # how what `torch.save` writes begins
OLD = 0x1950A86A20F9469CFC6C  # how it began before
Weights = dict[str, tuple[str, Tensor]]


@dataclass(frozen=True)
class Imported:
    """file: where it lies now. name: stands for its content in records. made_by: the method that parametrises its network."""

    file: str
    name: str
    made_by: dict[str, Any]

    @property
    def identity(self) -> tuple[str, ...]:
        """What its students' identities hold of it."""
        return self.name, json.dumps(self.made_by, sort_keys=True)


def found(experiment: Experiment, shape: tuple[int, ...]) -> Imported:
    """What teacher.import names, for data of that shape. Raises ConfigError where it cannot teach this experiment."""
    held = _held(str(experiment.teacher.file))
    made = _made(experiment, held)
    _merged(experiment, shape, held, factory(made, shape, "meta").net())
    file = Path(str(experiment.teacher.file)).expanduser().resolve()
    return Imported(str(file), _name(experiment), dict(made.value("method")))


def load(experiment: Experiment, shape: tuple[int, ...], device: torch.device) -> Teacher:
    """The teacher of a run that was planned with it. Raises ConfigError, also for a file that has changed since."""
    if (name := _name(experiment)) != experiment.teacher.imported:
        raise ConfigError(f"{KEY}={experiment.teacher.file} has changed since the run was planned "
                          f"({experiment.teacher.imported}, now {name}); restore it, or give the command again")
    held = _held(str(experiment.teacher.file))
    net = factory(_made(experiment, held), shape).net()
    net.load_state_dict(_merged(experiment, shape, held, net))
    return Teacher(net.to(device).eval(), name, None, nan)


def _name(experiment: Experiment) -> str:
    return f"import-{file_hash(KEY, str(experiment.teacher.file))[:12]}"


def _held(path: str) -> Foreign | Weights:
    content = file_hash(KEY, path)
    try:
        return _read(Path(path).expanduser(), content)
    except ConfigError as error:
        raise ConfigError(f"{KEY}={path} {error}") from error


@lru_cache(maxsize=2)
def _read(path: Path, content: str) -> Foreign | Weights:
    with open(path, "rb") as file:
        zipped = file.read(len(ZIP)) == ZIP
    if zipped:
        return _ours(loaded(path))
    found = unpickled(path)
    if isinstance(found, int) and found == OLD:
        raise ConfigError("was saved in torch.save's layout of before 2020; if you trust it, load it and save its state_dict() "
                          "again")
    return foreign(found)


def _ours(state: Any) -> Weights:
    """A state dict, or the first average of a checkpoint."""
    if isinstance(state, Mapping) and {"models", "ema"} <= state.keys():
        state = {**state["models"]["net"], **next(iter(state["ema"].values()), {})}
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        keys = ", ".join(map(str, list(state)[:4])) if isinstance(state, Mapping) else type(state).__name__
        raise ConfigError(f"has an unknown layout ({keys}); {KNOWN}")
    return {name: (name, value) for name, value in state.items()}


def _made(experiment: Experiment, held: Foreign | Weights) -> Experiment:
    """The experiment whose networks are made as the file's is."""
    if not isinstance(held, Foreign):
        other = with_method(experiment, experiment.teacher.method)
    else:
        other = with_method(experiment, "edm").changed({"method.noise_times": True, "method.sigma_data": held.sigma_data})
    return dataclasses.replace(other, made_by=other.method, backbone=experiment.backbone, seed=experiment.seed)


def _merged(experiment: Experiment, shape: tuple[int, ...], held: Foreign | Weights, net: nn.Module) -> dict[str, Tensor]:
    """The state of `net` with the file's weights. Raises ConfigError naming the first thing that does not fit."""
    path, backbone, options = experiment.teacher.file, experiment.backbone, experiment.value("backbone")
    wanted, fresh, weights = net.state_dict(), set[str](), held if isinstance(held, dict) else {}
    if isinstance(held, Foreign):
        if held.shape != shape:
            raise ConfigError(f"{KEY}={path} makes images {held.shape}, and samples of data={experiment.data.name} are {shape}")
        asked = {"name": held.network, **held.options}
        if any(options.get(key) != value for key, value in asked.items()):
            set_to = " ".join(f"backbone.{key}={str(value).lower()}" for key, value in held.options.items())
            raise ConfigError(f"{KEY}={path} holds the network of backbone={held.network} {set_to}".rstrip()
                              + f", and this is backbone={backbone.name}")
        weights = {f"net.{name}": pair for name, pair in held.weights.items()}
        fresh = {f"net.{name}" for name in held.fresh}
    _fitting(f"{KEY}={path}", f"backbone={backbone.name}", weights, wanted, fresh)
    if isinstance(held, Foreign):
        _alike(f"{KEY}={path}", held, net)
    return {**wanted, **{name: value for name, (_, value) in weights.items()}}


def _fitting(file: str, network: str, weights: Weights, wanted: Mapping[str, Tensor], fresh: set[str]) -> None:
    otherwise = "set the backbone as that network was made, and teacher.method as what trained a state dict of ours"
    for name, (theirs, value) in weights.items():
        if name not in wanted:
            raise ConfigError(f"{file}: its {theirs}, {_size(value)}, has no place in {network}: {otherwise}")
        if wanted[name].shape != value.shape:
            raise ConfigError(f"{file}: its {theirs} is {_size(value)}, and {name} of {network} is {_size(wanted[name])}: "
                              "set the backbone as that network was made, and data as it was trained on")
    for name, value in wanted.items():
        if name not in weights and name not in fresh:
            raise ConfigError(f"{file} has no weights for {name} of {network}, {_size(value)}: {otherwise}")


def _alike(file: str, held: Foreign, net: nn.Module) -> None:
    """What the weights' shapes do not tell."""
    for name, heads in held.heads.items():
        own = net.get_submodule(f"net.{name}").heads
        if own != heads:
            raise ConfigError(f"{file}: its attention has {heads} heads, and ours at {name} has {own}")
    down = next((module for module in net.modules() if isinstance(module, Down)), None)
    if held.taps and down is not None and (taps := down.kernel.shape[-1]) != held.taps:
        raise ConfigError(f"{file}: its filters have {held.taps} taps, and those of backbone.resampling have {taps}: set it to "
                          f"{'box' if held.taps == 2 else 'binomial'}")


def _size(value: Tensor) -> str:
    return str(tuple(value.shape))
