"""The reconcile loop and what it knows: rules, journal, leases, requests. No way of executing anything; that comes
through the seam."""

from sweeps.engine.book import Book, Entry, Line, sound
from sweeps.engine.failures import classify
from sweeps.engine.files import read_record
from sweeps.engine.lease import LENGTH, Lease
from sweeps.engine.loop import GRACE, Outcome, reconcile
from sweeps.engine.requests import RequestError, command, find_sweep, newest, planned
from sweeps.engine.rules import Record, Rules
from sweeps.engine.seam import (
    Attempt,
    Detached,
    Ended,
    Event,
    Execute,
    Grown,
    Growth,
    Held,
    Info,
    Kind,
    Progress,
    Refused,
    Report,
    Reported,
    Seen,
    Source,
    Started,
    Stopping,
    SweepError,
    Where,
)
from sweeps.engine.tracker import Smaller

__all__ = [
    "GRACE", "LENGTH", "Attempt", "Book", "Detached", "Ended", "Entry", "Event", "Execute", "Grown", "Growth", "Held", "Info",
    "Kind", "Lease", "Line", "Outcome", "Progress", "Record", "Refused", "Report", "Reported", "RequestError", "Rules", "Seen",
    "Smaller", "Source", "Started", "Stopping", "SweepError", "Where", "classify", "command", "find_sweep", "newest", "planned",
    "read_record", "reconcile", "sound",
]  # fmt: skip
