"""A plan's price by method, where it is one for GPUs: a row for each label, whatever its seeds."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.fitting import Fit
from bench.planning import disk, memory
from bench.planning.price import Prices
from sweeps.plan import Job, aligned

FOR_GPUS = 1.0
"""GPU-hours from which on a plan made on a CPU is one for GPUs: below, its own table of CPU time says enough."""


class Row(NamedTuple):
    """The runs of one label that are left to do, what they are priced by, and the slice of their batch."""

    label: str
    jobs: list[Job]
    prices: Prices
    fit: Fit | None = None


class Column(NamedTuple):
    """Its head, and what it says of a row."""

    head: str
    of: Callable[[Row], str]


COLUMNS = [
    Column("method", lambda row: row.label),
    Column("runs", lambda row: str(len(row.jobs))),
    Column("GPU-hours", lambda row: f"{sum(map(row.prices.gpu_hours, row.jobs)):,.1f}"),
    Column("memory", lambda row: memory.gigabytes(row.fit)),
    Column("rows a pass", lambda row: memory.rows(row.fit)),
    Column("disk a run", lambda row: disk.gigabytes(disk.checkpoints(row.jobs[:1]))),
    Column("price", lambda row: row.prices.on_gpus.ways(row.jobs)),
]


def by_method(jobs: Sequence[Job], prices: Prices, columns: Sequence[Column] = COLUMNS) -> list[str]:
    """Lines of that table; none where it would say nothing that the table of the runs does not."""
    rows: dict[str, Row] = {}
    for job in jobs:
        if job.cost:
            rows.setdefault(job.label, Row(job.label, [], prices)).jobs.append(job)
    for_gpus = prices is prices.on_gpus or sum(map(prices.gpu_hours, jobs)) >= FOR_GPUS
    if len(rows) < 2 or not for_gpus:
        return []
    firsts = [row.jobs[0] for row in rows.values()]
    fits = memory.fits(firsts)
    cells = [[each.of(row._replace(fit=fits[row.label])) for each in columns] for row in rows.values()]
    return ["", *aligned([[each.head for each in columns], *cells]), "", memory.words(firsts), ""]
