"""What a training tells of itself: its log, loss, clock, bill and record. Nothing that trains."""

from bench.accounts.bill import Bill
from bench.accounts.curves import Curves
from bench.accounts.log import Log
from bench.accounts.meter import LossMeter
from bench.accounts.progress import Progress, due, stage_ends
from bench.accounts.stopwatch import Stopwatch
from bench.accounts.trace import Moved

__all__ = ["Bill", "Curves", "Log", "LossMeter", "Moved", "Progress", "Stopwatch", "due", "stage_ends"]
