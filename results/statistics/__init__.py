"""The numbers that are claimed: scores, intervals, ranks, comparisons, bills. Nothing that is drawn or printed."""

from results.statistics.intervals import Interval, estimate, mean
from results.statistics.provenance import Source, Trace, trace
from results.statistics.ranks import ranks
from results.statistics.scores import Score, primary_metric, scores

__all__ = ["Interval", "Score", "Source", "Trace", "estimate", "mean", "primary_metric", "ranks", "scores", "trace",]
  # fmt: skip
  # fmt: skip
