"""A plan's price by method, where it is one for GPUs: a row for each label, whatever its seeds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.planning import disk
from bench.planning.memory import Need, gigabytes, needs, rows, words
from bench.planning.price import ALIKE, DEVICE, GUESS, MEASURED, RATE, Prices
from sweeps.plan import Job, aligned

FROM = {MEASURED: "measured", ALIKE: "earlier runs", RATE: "earlier runs", DEVICE: "earlier runs", GUESS: "assumed"}


class Row(NamedTuple):
    """The runs of one label that are left to do, what they are priced by, the GPU-hours of their teachers, each divided among
    all that learn from it, and the slice of their batch."""

    label: str
    jobs: list[Job]
    prices: Prices
    taught: float
    need: Need


class Column(NamedTuple):
    """Its head, and what it says of a row."""

    head: str
    of: Callable[[Row], str]


def _hours(hours: float) -> str:
    """1,234.5, 12.3, 0.12; - for none."""
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.2g}" if hours else "-"


def _rate(row: Row) -> str:
    price = row.prices.on_gpus.price(row.jobs[0])
    return f"{price.gflops / 1000:.3g} {FROM[price.way]}"


COLUMNS = [
    Column("method", lambda row: row.label),
    Column("runs", lambda row: str(len(row.jobs))),
    Column("GPU-hours", lambda row: _hours(sum(map(row.prices.gpu_hours, row.jobs)))),
    Column("teacher's share", lambda row: _hours(row.taught)),
    Column("TFLOP/s", _rate),
    Column("memory", lambda row: gigabytes(row.need)),
    Column("rows a pass", lambda row: rows(row.need)),
    Column("disk a run", lambda row: disk.gigabytes(disk.checkpoints(row.jobs[:1]))),
]


def by_method(jobs: Sequence[Job], prices: Prices, columns: Sequence[Column] = COLUMNS) -> list[str]:
    """Lines of that table, none for a single method, and what its methods need of a GPU's memory."""
    named: dict[str, list[Job]] = {}
    for job in jobs:
        if job.cost:
            named.setdefault(job.label if job.listed else f"{job.label} (teacher)", []).append(job)
    if not named:
        return []
    taught, needed = shares(jobs, prices), needs({name: own[0] for name, own in named.items()})
    found = [Row(name, own, prices, sum(taught.get(job.id, 0.0) for job in own), needed[name]) for name, own in named.items()]
    table = aligned([[each.head for each in columns], *([each.of(row) for each in columns] for row in found)])
    return ["", *([*table, ""] if len(found) > 1 else []), *words(needed, found[0].jobs[0]), ""]


def shares(jobs: Sequence[Job], prices: Prices) -> Mapping[str, float]:
    """Id -> GPU-hours of those of its teachers that are still to be trained, each divided among its students here."""
    own, students = {job.id: job for job in jobs}, Counter(parent for job in jobs for parent in job.parents)
    return {job.id: sum(prices.gpu_hours(own[p]) / students[p] for p in job.parents if p in own) for job in jobs}
