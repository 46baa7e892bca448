"""What is random or decided in a step, made before it and handed in: the step proper then reads tensors only.

Which draws a loss asks for is found out by asking once (`Recording`); from then on they are made first (`made`), and the loss
is given them (`Given`).
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from bench.nets import masks
from methods.base import Draws
from methods.tools import Mask

Asked = tuple[str, Hashable, tuple[int, ...]]  # kind, purpose or share, shape


class Keyed(Draws, Protocol):
    """Draws whose dropout masks are hashed from a key."""

    def key(self, purpose: str) -> Tensor | None:
        """Of this step's masks; None where dropout is off."""
        ...

    def indices(self) -> Tensor:
        """`rows` on the device."""
        ...


@dataclass
class Recording:
    """The draws of `draws`, and in `asked` what they were asked for."""

    draws: Keyed
    asked: set[Asked] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rows, self.device = self.draws.rows, self.draws.device

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        self.asked.add(("uniform", purpose, shape))
        return self.draws.uniform(purpose, *shape)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        self.asked.add(("normal", purpose, shape))
        return self.draws.normal(purpose, *shape)

    def common(self, purpose: str) -> float:
        self.asked.add(("common", purpose, ()))
        return self.draws.common(purpose)

    def split(self, share: float) -> tuple[Tensor, Tensor]:
        self.asked.add(("split", share, ()))
        return self.draws.split(share)

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Mask | None:
        self.asked |= {("key", purpose, ()), ("indices", (), ())}
        return self.draws.dropout(purpose, positions)


def made(draws: Keyed, asked: Iterable[Asked]) -> dict[Asked, Any]:
    """What was asked for, of another step."""
    return {(kind, of, shape): getattr(draws, kind)(*(() if of == () else (of,)), *shape) for kind, of, shape in asked}


@dataclass
class Given:
    """Draws that were `made` before. Raises KeyError for one that was not."""

    rows: range
    device: torch.device
    made: Mapping[Asked, Any]

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        found: Tensor = self.made["uniform", purpose, shape]
        return found

    def normal(self, purpose: str, *shape: int) -> Tensor:
        found: Tensor = self.made["normal", purpose, shape]
        return found

    def common(self, purpose: str) -> float:
        found: float = self.made["common", purpose, ()]
        return found

    def split(self, share: float) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.made["split", share, ()]
        return found

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Mask | None:
        if (step := self.made["key", purpose, ()]) is None:
            return None
        rows = self.made["indices", (), ()]
        return masks(step, rows if positions is None else rows[positions])
