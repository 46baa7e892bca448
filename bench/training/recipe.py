"""What a matched comparison shares: budget, optimizer, schedule, averages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.config.errors import ConfigError, nearest
from bench.training.schedule import DECAYS

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "radam": torch.optim.RAdam,
}


@dataclass(frozen=True)
class Recipe:
    """What a matched comparison shares. images: budget; batch: global batch; micro_batch: slice per pass, or None.

    lr is the peak rate; schedule and warm-up (a share) run within each stage; clip bounds the global gradient norm (0
    is off); checkpoints and milestones (EMA only) are written that many times, evenly over the run.
    """

    images: int
    batch: int
    micro_batch: int | None = None
    optimizer: str = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    clip: float = 1.0
    ema: tuple[float, ...] = (0.999,)
    dropout: bool = True
    checkpoints: int = 10
    milestones: int = 0
    logs: int = 100

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise nearest("train.optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in DECAYS:
            raise nearest("train.schedule", self.schedule, DECAYS)
        if self.batch < 1 or self.images < self.batch:
            raise ConfigError(f"budget.images={self.images} must hold at least one batch (budget.batch={self.batch})")
        if self.micro_batch is not None and not 1 <= self.micro_batch <= self.batch:
            raise ConfigError(f"budget.micro_batch={self.micro_batch} must lie between 1 and budget.batch={self.batch}")
        if not self.ema:
            raise ConfigError("train.ema needs at least one decay, for example [0.999]")

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.images // self.batch

    def optimizer_of(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """A new optimizer of the parameters, at the peak rate."""
        options: dict[str, Any] = {"lr": self.lr, "betas": self.betas, "weight_decay": self.weight_decay}
        if self.optimizer in ("adam", "adamw"):
            options["fused"] = True
        return OPTIMIZERS[self.optimizer](parameters, **options)
