"""Networks without numbers: what planning asks of one (its arithmetic, its parameters) its shapes alone answer.

Arithmetic is PyTorch's count of one forward pass, of convolutions and matrix products: a multiplication with its addition is
2 FLOPs, as in the rates that a card's maker states. What is elementwise is not in it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

Net = TypeVar("Net", bound=nn.Module)
SMALL = 5_000_000
"""Parameters up to which a network is run for real to be counted, in less time than shapes alone take to get going."""
FILLING = {"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_"}


class Unfilled(TorchFunctionMode):
    """Weights are shapes alone and are not drawn. PyTorch's own "meta" device would load its compiler to draw them, for
    seconds; what is small and computed (a layer's frequencies) is computed."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in FILLING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs | {"device": "meta"} if func is torch.empty else kwargs))


def built(make: Callable[[], Net], device: str) -> Net:
    """The network that `make` makes on the CPU; on "meta" without its numbers."""
    if device != "meta":
        return make()
    with Unfilled():
        return make().to("meta")


class Arithmetic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch's
    """`flops`: of the convolutions and matrix products inside the block, by the formulas of PyTorch's own counter, which
    itself would load the compiler."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        from torch.utils.flop_counter import flop_registry  # here: it takes a moment, and few commands plan

        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.flops += formula(*args, **kwargs, out_val=out)
        return out


def forward_gflops(net: nn.Module, shape: tuple[int, ...]) -> float:
    """GFLOP of one sample's way through a network, on "meta" or for real."""
    device = next(net.parameters()).device
    x, t = torch.zeros(1, *shape, device=device), torch.zeros(1, device=device)
    with torch.no_grad(), Arithmetic() as counted:
        net(x, t, t)
    return float(counted.flops) / 1e9
