"""What a whole sweep would cost at the rates that were measured: planning's own prices, by method and in all."""

from collections.abc import Sequence
from pathlib import Path

from bench.config import Experiment
from bench.planning import jobs, price
from sweeps.plan import Job, Plan, aligned, duration


def costs(experiments: Sequence[Experiment], out: Path, device: str) -> list[str]:
    """A line for each label, teachers once, from the measurements in `out`; device: "cpu" or "cuda"."""
    prices, rows = price.Prices(out, device), dict[str, list[Job]]()
    for job in Plan(jobs(experiments)):
        if job.cost:
            rows.setdefault(job.label, []).append(job)
    head = ["method", "runs", "GPU-hours" if device == "cuda" else "CPU time", "priced"]
    lines = [[label, str(len(own)), _told(_hours(own, prices), device), prices.ways(own)] for label, own in rows.items()]
    whole = sum(_hours(own, prices) for own in rows.values())
    return ["", *aligned([head, *lines, ["in all", str(sum(map(len, rows.values()))), _told(whole, device), ""]])]


def _hours(own: Sequence[Job], prices: price.Prices) -> float:
    return sum(prices.seconds(job) * prices.price(job).gpus for job in own) / 3600


def _told(hours: float, device: str) -> str:
    return f"{hours:,.1f}" if device == "cuda" else duration(3600 * hours)
