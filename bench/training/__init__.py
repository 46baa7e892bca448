"""How a method is trained: the loop, its recipe, averages, checkpoints, teachers. Nothing that scores."""

from bench.training.batches import held
from bench.training.checkpoint import CheckpointWarning, reached
from bench.training.checkpoint import final as final_checkpoint
from bench.training.contract import CHECKS, OF_LOSSES, Broken, Subject, stir
from bench.training.recipe import Recipe
from bench.training.rng import generator
from bench.training.train import Outcome, Trainer

__all__ = [
    "CHECKS", "OF_LOSSES", "Broken", "CheckpointWarning", "Outcome", "Recipe", "Subject", "Trainer", "final_checkpoint",
    "generator", "held", "reached", "stir",
]  # fmt: skip
