"""The precision of a network's products: bfloat16 where a network is lowered, and float32 where it matters.

A lowered network casts what its convolutions and linear layers take, and hands their bfloat16 on. Its time embedding and
modulations, its norms, softmax and spectral mixing run in float32, and so does all that happens outside of it: losses,
gradients of parameters, optimizer and averages. The casts stand in the layers, not in autocast: they are the same on every
device and in every mode of differentiation.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.layers.affine import Conv2d, Linear

ISLANDS = ("time", "scaling", "modulation")  # children of a network that stay in float32


def lowered(net: nn.Module) -> nn.Module:
    """The network, with products in bfloat16."""
    for layer in _outside(net):
        layer.lowered = True
    return net


def at_least_float32(x: Tensor) -> Tensor:
    """x, in float32 if it is of less."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _outside(net: nn.Module) -> Iterator[Linear | Conv2d]:
    for name, child in net.named_children():
        if isinstance(child, Linear | Conv2d) and name not in ISLANDS:
            yield child
        elif name not in ISLANDS:
            yield from _outside(child)
