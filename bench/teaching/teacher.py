"""What teaches: a finished velocity model, as a frozen function b_t(x) and as weights to start from, or the exact velocity."""

from dataclasses import dataclass

from torch import Tensor, nn

from bench.truth import Truth
from methods.base import TeacherVelocity
from methods.tools import Interpolant, Linear, convert_point, convert_velocity


@dataclass(frozen=True)
class Teacher:
    """b_t(x) = v_{t,t}(x) of a velocity model's network with its averaged weights, plus what it cost.

    forward_rows and backward_rows are those of its training and of whatever taught it. Of one that was trained elsewhere
    nothing is known: images are None and seconds NaN.
    """

    net: nn.Module
    run_id: str
    images: int | None
    seconds: float
    forward_rows: int = 0
    backward_rows: int = 0

    def __post_init__(self) -> None:
        self.net.requires_grad_(False)

    @property
    def velocity(self) -> TeacherVelocity:
        def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
            out: Tensor = self.net(x, t, t, condition=condition)
            return out

        return b


def exact_velocity(truth: Truth, path: Interpolant) -> TeacherVelocity:
    """b_t(x) of a target whose velocity is known, on the clock of `path`."""
    linear = Linear(path.base_scale)

    def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        y, s = convert_point(x.double(), t.double(), path, linear)
        return convert_velocity(truth.velocity(y, s), y, s, linear, path).to(x.dtype)

    return b
