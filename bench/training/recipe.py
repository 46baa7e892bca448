"""What a matched comparison shares: budget, optimizer, schedule, averages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from bench.config import Budget, Train
from bench.data import Augment
from bench.training.ema import Averages, Rule
from bench.training.schedule import factor

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "radam": torch.optim.RAdam,
}


@dataclass(frozen=True)
class Recipe:
    """What a matched comparison shares. images: budget; batch: global batch; micro_batch: slice per pass, or None.

    lr is the peak rate; schedule and warm-up (a share, or in images) run within each stage; clip bounds the global gradient
    norm (0 is off); ema and what is named after it: see `bench.training.ema`; augment: see `bench.data.Augment`;
    label_drop: the share of samples whose class a conditional network is not told;
    checkpoints and milestones (EMA only) are written that many times, evenly over the run.
    """

    images: int
    batch: int
    micro_batch: int | None = None
    optimizer: str = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "cosine"
    decay_after: int | None = None
    warmup: float = 0.0
    warmup_images: int | None = None
    clip: float = 1.0
    ema: tuple[float, ...] = (0.999,)
    ema_rule: str = "decay"
    ema_rise: bool = True
    ema_every: int = 1
    augment: str = "none"
    augment_share: float = 0.12
    label_drop: float = 0.0
    dropout: bool = True
    compile: bool = False
    channels_last: bool = False
    checkpoints: int = 10
    milestones: int = 0
    logs: int = 100

    @classmethod
    def of(cls, budget: Budget, train: Train, rows: int | None = None) -> Self:
        """The recipe of an experiment, whose passes have so many rows (None: the batch)."""
        return cls(budget.images, budget.batch, rows, **train.model_dump(exclude={"precision", "log"}))

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.images // self.batch

    @property
    def augmentation(self) -> Augment | None:
        """What is done to training images and told to the network; None where nothing is."""
        return None if self.augment == "none" else Augment(self.augment, self.augment_share)

    def rate(self, share: float, images: int) -> float:
        """The learning rate where that share of a stage of so many images is done."""
        warmup = self.warmup if self.warmup_images is None else self.warmup_images / images
        return self.lr * factor(self.schedule, warmup, share, self.decay_after and self.decay_after / images)

    def averages(self, module: nn.Module) -> Averages:
        """The averages of a network."""
        rule = Rule(self.ema_rule, self.ema_rise, self.ema_every, self.batch)
        return Averages(module, self.ema, rule)

    def optimizer_of(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """A new optimizer of the parameters, at the peak rate."""
        options: dict[str, Any] = {"lr": self.lr, "betas": self.betas, "weight_decay": self.weight_decay}
        if self.optimizer in ("adam", "adamw"):
            options["fused"] = all(p.device.type != "meta" for p in parameters)
        return OPTIMIZERS[self.optimizer](parameters, **options)
