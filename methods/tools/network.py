"""A network as the mathematics sees it: a function of (x, s, t), with its condition and its dropout given beforehand."""

from collections.abc import Callable

from torch import Tensor, nn

Mask = Callable[[str, tuple[int, ...]], Tensor]  # keyed dropout: uniform over int64, a pure function of the name


def conditioned(
    net: nn.Module, condition: Tensor | None = None, dropout: Mask | None = None
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The network as a function (x, s, t) -> v_{s,t}(x) of what the mathematics varies."""

    def v(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        out: Tensor = net(x, s, t, condition=condition, dropout=dropout)
        return out

    return v
