"""The factory that hands every method of a comparison the same networks."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from bench.nets.layers import KERNELS
from bench.nets.mlp import MLP
from bench.nets.plain import PlainMLP
from bench.nets.temporal import Mixing
from bench.nets.unet import UNet
from bench.nets.weight import Weight
from results.records import near

NETS: dict[str, type[nn.Module]] = {"mlp": MLP, "mlp_plain": PlainMLP, "unet": UNet}


class BackboneError(ValueError):
    """A backbone configuration that cannot be built; the message names the key and the way out."""


class Backbone:
    """Makes networks from a plain mapping such as {"name": "mlp", "width": 256}, for samples of one shape.

    The keys besides `name` are the keyword arguments of `MLP` and `UNet`; missing ones take their defaults there.
    Networks are built in float32 on the CPU from the seed alone: two calls give equal networks on every machine, and
    no global generator moves. `parametrise` makes v_{s,t}(x) of every raw network (a teacher's preconditioning, which
    its students share). Raises BackboneError for a key, name or value that means nothing.
    """

    def __init__(
        self, config: Mapping[str, Any], shape: tuple[int, ...], seed: int,
        parametrise: Callable[[nn.Module], nn.Module] = lambda net: net,
    ) -> None:
        self.options = dict(config)
        self.shape, self.seed, self.parametrise = tuple(shape), seed, parametrise
        if "name" not in self.options:
            raise BackboneError(f"backbone.name is missing; known backbones: {', '.join(NETS)}")
        self.name = _known("backbone.name", str(self.options.pop("name")), NETS)
        defaults = _defaults(NETS[self.name])
        for key, value in self.options.items():
            _known(f"backbone={self.name}: key", key, defaults)
            _check(key, value, defaults[key])

    def net(self) -> nn.Module:
        """net(x, s, t, condition=None, dropout=None) -> v_{s,t}(x). See the networks: zero before training (not `PlainMLP`)."""
        with _seeded(self.seed):
            return self.parametrise(self._build("cpu"))

    @property
    def has_operator(self) -> bool:
        """Whether `operator` can be asked for."""
        return issubclass(NETS[self.name], MLP | UNet)

    def weight(self) -> nn.Module:
        """weight(s, t) -> w_{s,t} (B,): zero before training. See `Weight`."""
        with _seeded(self.seed):
            return Weight(time_scale=float(self.options.get("time_scale", 4.0)))

    def operator(self, slots: int, modes: int) -> nn.Module:
        """`net` with a `Mixing` after every block: rows come in groups of `slots`. Equal to `net` before training."""
        with _seeded(self.seed):
            net = self._build("cpu")
        if not isinstance(net, MLP | UNet):
            raise BackboneError(f"backbone={self.name} has no operator: use mlp or unet")
        net.mixing.extend(Mixing(width, slots, modes) for width in net.widths)
        return self.parametrise(net)

    def parameters(self) -> int:
        """The number of parameters of `net`, without its memory or the time of its initialisation."""
        return sum(p.numel() for p in self._build("meta").parameters())

    def _build(self, device: str) -> nn.Module:
        try:
            with torch.device(device):
                return NETS[self.name](self.shape, **self.options)
        except BackboneError:
            raise
        except ValueError as error:
            raise BackboneError(str(error)) from error


def _defaults(net: type[nn.Module]) -> dict[str, Any]:
    keywords = inspect.signature(net).parameters.values()
    return {p.name: p.default for p in keywords if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _known(what: str, value: str, known: Mapping[str, Any]) -> str:
    if value in known:
        return value
    close = near(value, known, 1, 0)
    raise BackboneError(f"{what} {value!r} is unknown; the nearest is {close[0]!r} (known: {', '.join(known)})")


def _check(key: str, value: Any, default: Any) -> None:
    """Raise for a value of the wrong type or range. Keys whose default is None or an int hold counts."""
    if key == "attention_kernel":
        _known("backbone.attention_kernel", str(value), KERNELS)
    elif isinstance(default, tuple):
        least = 1 if key == "multipliers" else 0
        if isinstance(value, str | int) or len(value) < least or not all(_is_count(v, 1) for v in value):
            raise BackboneError(f"backbone.{key} must be a list of positive integers, got {value!r}")
    elif key == "dropout":
        if not _is_number(value) or not 0 <= value < 1:
            raise BackboneError(f"backbone.dropout must be a rate in [0, 1), got {value!r}")
    elif isinstance(default, float):
        if not _is_number(value) or not value > 0:
            raise BackboneError(f"backbone.{key} must be a positive number, got {value!r}")
    elif not (value is None and default is None) and not _is_count(value, 0 if key == "classes" else 1):
        raise BackboneError(f"backbone.{key} must be a positive integer, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A seeded CPU generator inside the block, and the old one again after it; other devices' are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
