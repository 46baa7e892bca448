"""How fast trainings are on this device: steps on made-up data, timed, counted, and set against what the device can do.

Nothing that trains to an end, scores, or reads a data set.
"""

from bench.measuring.cases import Case, cases
from bench.measuring.lines import line
from bench.measuring.measure import Measured, measured
from bench.measuring.peaks import Peak, peak_of
from bench.measuring.price import costs
from bench.measuring.table import shares, speeds
from bench.measuring.tour import Asked, Entry, Tour

__all__ = ["Asked", "Case", "Entry", "Measured", "Peak", "Tour", "cases", "costs", "line", "measured", "peak_of", "shares",
           "speeds"]
