"""The factory that hands every method of a comparison the same networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from bench.config import ConfigError, Experiment, Network
from bench.layers import Mixing, Modulated, Scaling, Weight, lowered
from bench.nets.adm import ADM
from bench.nets.critic import Critic
from bench.nets.dit import DiT
from bench.nets.edm2 import EDM2
from bench.nets.mlp import MLP
from bench.nets.outline import SMALL, built, forward_gflops
from bench.nets.plain import PlainMLP
from bench.nets.song import SongUNet, ncsnpp
from bench.nets.unet import UNet

NETS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLP, "mlp_plain": PlainMLP, "unet": UNet, "ddpmpp": SongUNet, "ncsnpp": ncsnpp, "adm": ADM, "edm2": EDM2, "dit": DiT,
}  # fmt: skip


class Backbone:
    """Makes the networks that an experiment names, for samples of one shape.

    The options besides `name` are the keyword arguments of the network's class. Networks are built in float32
    on the CPU from the seed alone: two calls give equal networks on every machine, and no global generator moves.
    `parametrise` makes v_{s,t}(x) of every raw network (a teacher's preconditioning, which its students share); with `lowered`
    they run in bfloat16 (bench/layers/precision.py). Raises
    ConfigError where the network cannot be built for the shape. On the device "meta" they have shapes and no numbers.
    """

    def __init__(
        self, network: Network, shape: tuple[int, ...], seed: int,
        parametrise: Callable[[nn.Module], nn.Module] = lambda net: net, lowered: bool = False, device: str = "cpu",
    ) -> None:
        self.options = network.model_dump(exclude={"name"}, exclude_unset=True)
        self.name, self.shape, self.seed, self.parametrise = network.name, tuple(shape), seed, parametrise
        self.lowered, self.device, self.time_scale = lowered, device, float(getattr(network, "time_scale", 4.0))

    def net(self) -> nn.Module:
        """net(x, s, t, condition=None, dropout=None) -> v_{s,t}(x). See the networks: zero before training (not `PlainMLP`)."""
        with _seeded(self.seed):
            return self.parametrise(self._build(self.device))

    def weight(self) -> nn.Module:
        """weight(s, t) -> w_{s,t} (B,): zero before training. See `Weight`."""
        with _seeded(self.seed):
            return built(lambda: Weight(time_scale=self.time_scale), self.device)

    def decoupled(self) -> nn.Module:
        """`net` whose first part is told s alone and whose last part t alone (`Modulated`): the way down and the bottom of a
        U-Net, two thirds of the blocks of an MLP or a DiT. Equal to `net` at s = t, with the same weights."""
        with _seeded(self.seed):
            net = self._build(self.device)
        if not isinstance(net, Modulated):
            able = ", ".join(name for name in NETS if name != "mlp_plain")
            raise ConfigError(f"backbone={self.name} has no parts that could be told a time each: use one of {able}")
        net.decoupled = True
        return self.parametrise(net)

    def scaled(self) -> nn.Module:
        """`net` that is told a scale of guidance behind the class (bench/layers/labels.py). Equal to `net` before training, and
        at the scale 1 always, with the same weights."""
        with _seeded(self.seed):
            net = self._build(self.device)
            if not isinstance(net, Modulated):
                able = ", ".join(name for name in NETS if name != "mlp_plain")
                raise ConfigError(f"backbone={self.name} has no input for a scale of guidance: use one of {able}")
            width: int = net.modulation.weight.shape[1]  # type: ignore[index,assignment]  # a linear layer in all of them
            net.scaling.append(built(partial(Scaling, width), self.device))
        return self.parametrise(net)

    def critic(self) -> nn.Module:
        """critic(x, s, t, condition=None, dropout=None) -> logits (B, places): zero before training. See `Critic`."""
        told = {key: self.options[key] for key in ("classes", "augment") if key in self.options}
        with _seeded(self.seed):
            net = built(lambda: Critic(self.shape, time_scale=self.time_scale, **told), self.device)
        return lowered(net) if self.lowered else net

    def operator(self, slots: int, modes: int) -> nn.Module:
        """`net` with a `Mixing` after every block: rows come in groups of `slots`. Equal to `net` before training."""
        with _seeded(self.seed):
            net = self._build(self.device)
        if (mixing := getattr(net, "mixing", None)) is None:
            able = ", ".join(name for name in NETS if name != "mlp_plain")
            raise ConfigError(f"backbone={self.name} has no operator: use one of {able}")
        widths: list[int] = net.widths  # type: ignore[assignment]  # whoever mixes has them
        mixing.extend(built(partial(Mixing, width, slots, modes), self.device) for width in widths)
        return self.parametrise(net)

    def parameters(self) -> int:
        """The number of parameters of `net`, without its memory or the time of its initialisation."""
        return sum(p.numel() for p in self._build("meta").parameters())

    def gflops(self) -> float:
        """The arithmetic of one forward pass of one sample, by `forward_gflops`: a kernel, and what is computed again in a
        backward pass, change nothing in it."""
        plain = {"attention_kernel": "exact", "checkpoint": "none"}
        options = {**self.options, **{key: value for key, value in plain.items() if key in self.options}}
        net = self._build("meta", options)
        if sum(p.numel() for p in net.parameters()) <= SMALL:
            with _seeded(self.seed):
                net = self._build("cpu", options)
        return forward_gflops(net, self.shape)

    def _build(self, device: str, options: dict[str, Any] | None = None) -> nn.Module:
        try:
            net = built(lambda: NETS[self.name](self.shape, **(self.options if options is None else options)), device)
        except ValueError as error:
            raise ConfigError(*str(error).split("\n")) from error
        return lowered(net) if self.lowered else net


def factory(experiment: Experiment, shape: tuple[int, ...], device: str = "cpu") -> Backbone:
    """The networks of an experiment. Their initial weights depend on the training seed only, so all methods start alike; a
    student's are made like its teacher's, so that they can start from its weights."""
    by, lowered = experiment.made_by, experiment.precision == "bf16"
    if by is None:
        return Backbone(experiment.backbone, shape, experiment.seed, lowered=lowered, device=device)
    return Backbone(experiment.backbone, shape, experiment.seed, by.parametrise, lowered, device)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A seeded CPU generator inside the block, and the old one again after it; other devices' are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
