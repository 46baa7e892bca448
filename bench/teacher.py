"""A finished velocity model as teacher: the frozen function b_t(x), and the network that students start from."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Teacher:
    """b_t(x) = v_{t,t}(x) of a velocity model's network with its averaged weights, plus what it cost."""

    net: nn.Module
    run_id: str
    images: int
    seconds: float

    def __post_init__(self) -> None:
        self.net.requires_grad_(False)

    @property
    def velocity(self) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
        def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
            out: Tensor = self.net(x, t, t, condition=condition)
            return out

        return b
