"""From networks to numbers: sampling, scores under a protocol, reference rows, finished models. Nothing that trains."""

from bench.scoring.model import Model, load, load_teacher
from bench.scoring.proxy import Proxy
from bench.scoring.score import files
from bench.scoring.score_images import ImageScorer, Scores

__all__ = ["ImageScorer", "Model", "Proxy", "Scores", "files", "load", "load_teacher"]
