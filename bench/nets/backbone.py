"""The factory that hands every method of a comparison the same networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from bench.config import ConfigError, Experiment, Network
from bench.nets.mlp import MLP
from bench.nets.plain import PlainMLP
from bench.nets.precision import Lowerable
from bench.nets.temporal import Mixing
from bench.nets.unet import UNet
from bench.nets.weight import Weight

NETS: dict[str, type[Lowerable]] = {"mlp": MLP, "mlp_plain": PlainMLP, "unet": UNet}


class Backbone:
    """Makes the networks that an experiment names, for samples of one shape.

    The options besides `name` and `gflops` are the keyword arguments of the network's class. Networks are built in float32
    on the CPU from the seed alone: two calls give equal networks on every machine, and no global generator moves.
    `parametrise` makes v_{s,t}(x) of every raw network (a teacher's preconditioning, which its students share); with `lowered`
    they run in bfloat16 (bench/nets/precision.py). Raises
    ConfigError where the network cannot be built for the shape.
    """

    def __init__(
        self, network: Network, shape: tuple[int, ...], seed: int,
        parametrise: Callable[[nn.Module], nn.Module] = lambda net: net, lowered: bool = False,
    ) -> None:
        self.options = network.model_dump(exclude={"name", "gflops"}, exclude_unset=True)
        self.name, self.shape, self.seed, self.parametrise = network.name, tuple(shape), seed, parametrise
        self.lowered = lowered

    def net(self) -> nn.Module:
        """net(x, s, t, condition=None, dropout=None) -> v_{s,t}(x). See the networks: zero before training (not `PlainMLP`)."""
        with _seeded(self.seed):
            return self.parametrise(self._build("cpu"))

    def weight(self) -> nn.Module:
        """weight(s, t) -> w_{s,t} (B,): zero before training. See `Weight`."""
        with _seeded(self.seed):
            return Weight(time_scale=float(self.options.get("time_scale", 4.0)))

    def operator(self, slots: int, modes: int) -> nn.Module:
        """`net` with a `Mixing` after every block: rows come in groups of `slots`. Equal to `net` before training."""
        with _seeded(self.seed):
            net = self._build("cpu")
        if not isinstance(net, MLP | UNet):
            raise ConfigError(f"backbone={self.name} has no operator: use mlp or unet")
        net.mixing.extend(Mixing(width, slots, modes) for width in net.widths)
        return self.parametrise(net)

    def parameters(self) -> int:
        """The number of parameters of `net`, without its memory or the time of its initialisation."""
        return sum(p.numel() for p in self._build("meta").parameters())

    def _build(self, device: str) -> Lowerable:
        try:
            with torch.device(device):
                net = NETS[self.name](self.shape, **self.options)
        except ValueError as error:
            raise ConfigError(*str(error).split("\n")) from error
        net.lowered = self.lowered
        return net


def factory(experiment: Experiment, shape: tuple[int, ...]) -> Backbone:
    """The networks of an experiment. Their initial weights depend on the training seed only, so all methods start alike; a
    student's are made like its teacher's, so that they can start from its weights."""
    by, lowered = experiment.made_by, experiment.precision == "bf16"
    if by is None:
        return Backbone(experiment.backbone, shape, experiment.seed, lowered=lowered)
    return Backbone(experiment.backbone, shape, experiment.seed, by.parametrise, lowered)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A seeded CPU generator inside the block, and the old one again after it; other devices' are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
