"""The objects behind one plain config: data, method, backbone, recipe, protocol, device."""

import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench import data
from bench.config.errors import ConfigError, nearest
from bench.config.registry import make_interpolant, make_method
from bench.nets import Backbone, BackboneError
from bench.training import dist
from bench.training.recipe import Recipe
from bench.truth import TARGETS
from methods.base import Method
from methods.tools import Solver

Config = Mapping[str, Any]


def use_plugins(folder: str | None) -> None:
    """Make the modules of the user's method folder importable."""
    if folder is not None and str(Path(folder).resolve()) not in sys.path:
        sys.path.append(str(Path(folder).resolve()))  # at the end: no file of the user's shadows a package


def method(config: Config) -> Method:
    """The method of a config, its names checked."""
    use_plugins(config.get("plugins"))
    return make_method(config["method"], make_interpolant(config["interpolant"]))


def dataset(config: Config) -> data.Dataset:
    """The data of a config; an exact target's truth stands on the interpolant's own noise.

    config["validation"]: the share of the training data that a trial of a search holds back.
    """
    options = dict(config["data"])
    if options["name"] in TARGETS:
        options["base_scale"] = float(config["interpolant"]["base_scale"])
    loaded = data.load(options)
    return data.hold_back(loaded, float(config["validation"])) if config.get("validation") else loaded


def recipe(config: Config) -> Recipe:
    """The training recipe of a config."""
    train = dict(config["train"])
    for key in ("betas", "ema"):
        train[key] = _numbers(f"train.{key}", train[key])
    for key in ("lr", "weight_decay", "warmup", "clip"):
        train[key] = _number(f"train.{key}", train[key])
    for key in ("images", "batch"):
        _number(f"budget.{key}", config["budget"][key])
    return Recipe(images=int(config["budget"]["images"]), batch=int(config["budget"]["batch"]),
                  micro_batch=config["budget"]["micro_batch"], **train)


def check(config: Config) -> None:
    """Raise ConfigError where a config cannot run, as far as that is known without data, network or device."""
    made, settings = method(config), recipe(config)
    factory = network_factory(config, (1, 8, 8))
    if made.needs.trajectories is not None and not factory.has_operator:
        raise ConfigError(f"backbone={factory.name} has no blocks for the neural operator of {config['label']} to mix between: "
                          "use mlp or unet")
    device(config)
    _check_evaluation(config, settings)
    if config["backbone"].get("classes"):
        raise ConfigError("backbone.classes: class-conditional models are not evaluated yet; leave it 0")
    if len(made.stages(settings.images)) > 1 and float(config["evaluation"]["ema"] or settings.ema[0]) != settings.ema[0]:
        raise ConfigError(
            f"evaluation.ema: {config['label']} hands its first average ({settings.ema[0]}) from stage to stage and must "
            "be evaluated with it; put the wanted decay first in train.ema"
        )
    group, processes = made.needs.group, config["backend"].get("processes", 1)
    if isinstance(processes, bool) or not isinstance(processes, int) or processes < 1:
        raise ConfigError(f"backend.processes={processes!r} must be a whole number of at least 1")
    dist.Ranks(0, processes).share(settings.batch, group)
    for key, size in (("budget.batch", settings.batch), ("budget.micro_batch", settings.micro_batch)):
        if size is not None and size % group:
            raise ConfigError(f"{key}={size} must be a multiple of {group}, the particles that {config['label']} groups")
    stages = list(made.stages(settings.images))
    if min(stage.images for stage in stages) < settings.batch:
        raise ConfigError(
            f"budget.images={settings.images} leaves no step for one of the {len(stages)} stages of {config['label']}; "
            "raise it or lower the number of stages"
        )


def _check_evaluation(config: Config, settings: Recipe) -> None:
    evaluation = config["evaluation"]
    for solver in evaluation["solvers"]:
        if solver not in [s.value for s in Solver]:
            raise nearest("evaluation.solvers", solver, (s.value for s in Solver))
    for key in ("steps", "seeds"):
        if not all(n == int(n) for n in _numbers(f"evaluation.{key}", evaluation[key])):
            raise ConfigError(f"evaluation.{key}={evaluation[key]} must be whole numbers")
    for key in ("chunk", "batch"):
        if _number(f"evaluation.{key}", evaluation[key]) < 1:
            raise ConfigError(f"evaluation.{key}={evaluation[key]} must be at least 1")
    if evaluation["ema"] is not None and float(evaluation["ema"]) not in settings.ema:
        raise nearest("evaluation.ema", evaluation["ema"], settings.ema)


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{key}={value!r} must be a number")
    return value


def _numbers(key: str, values: Any) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise ConfigError(f"{key}={values!r} must be a list of numbers, for example {key}=[{values}]")
    return tuple(_number(key, value) for value in values)


def backbone(config: Config, dataset: data.Dataset) -> Backbone:
    """The network factory; its initial weights depend on the training seed only, so all methods start alike."""
    return network_factory(config, dataset.shape)


def network_factory(config: Config, shape: tuple[int, ...]) -> Backbone:
    """The same for samples of a known shape. Raises ConfigError for a key or value that means nothing."""
    options = {k: v for k, v in config["backbone"].items() if k != "gflops"}
    try:
        return Backbone(options, shape, int(config["seed"]), _parametrisation(config))
    except BackboneError as error:
        raise ConfigError(str(error)) from error


def _parametrisation(config: Config) -> Callable[[nn.Module], nn.Module]:
    """A student's networks are made like its teacher's, so that they can start from its weights."""
    teacher = config.get("teacher", {}).get("made_by")
    return method({**config, "method": teacher}).parametrise if teacher else lambda net: net


def device(config: Config) -> torch.device:
    """backend.device: "cpu", "cuda", "cuda:1"; "auto" and "cuda" take the worker's GPU, "auto" the CPU where there is none."""
    name = str(config["backend"]["device"])
    if name not in ("auto", "cuda"):
        try:
            return torch.device(name)
        except RuntimeError as error:
            raise nearest("backend.device", name, ("auto", "cpu", "cuda", "cuda:0")) from error
    if torch.cuda.is_available():
        return torch.device("cuda", dist.local_index() % torch.cuda.device_count())
    if name == "cuda":
        raise ConfigError("backend.device=cuda: PyTorch sees no GPU here; use auto or cpu")
    return torch.device("cpu")


def versions() -> dict[str, str]:
    """What a number may depend on besides the config."""
    names = ("fewstep", "torch", "numpy", "scipy", "pandas")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "source tree"
    return found | {"python": sys.version.split()[0]}
