"""How a method is trained: the loop, its recipe, averages, checkpoints, teachers. Nothing that scores."""

from bench.training.dist import Ranks
from bench.training.recipe import Recipe
from bench.training.rng import generator
from bench.training.teacher import Teacher
from bench.training.teaching import Teaching
from bench.training.train import Outcome, Trainer

__all__ = ["Outcome", "Ranks", "Recipe", "Teacher", "Teaching", "Trainer", "generator"]
