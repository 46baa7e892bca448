"""The numbers that are claimed: scores, intervals, ranks, comparisons, bills. Nothing that is drawn or printed."""

from results.statistics.intervals import FEWEST, Interval, estimate, mean
from results.statistics.paired import difference
from results.statistics.provenance import Source, Trace, trace
from results.statistics.ranks import Entry, standings
from results.statistics.scores import Score, independent, primary_metric, scores

__all__ = [
    "FEWEST", "Entry", "Interval", "Score", "Source", "Trace", "difference", "estimate", "independent", "mean",
    "primary_metric", "scores", "standings", "trace",
]  # fmt: skip
