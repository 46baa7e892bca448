"""What runs will take: start-up, training and evaluation, by a fit to the finished runs in the outputs folder.

Training is start-up + work x rate, evaluation likewise; work is arithmetic (images x cost of the method x network, scaled to
the size of the images; samples x steps and the feature network). The rate is learnt in logarithms from the nearest runs there
are: of the same method, backbone and data, of the same backbone and data, of the same device, and a guess for such a device.
Each has a width, all are weighed by it, and a short run weighs little, because it mostly shows start-up.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.config import Experiment, Slurm, records
from bench.processes import device as devices
from results.records import RecordError, StoreError, read_run
from sweeps.plan import Job, count

SUSTAINED = {"cpu": 40.0, "cuda": 30_000.0}
"""A guess for a machine on which nothing has run yet: what one worker sustains, in GFLOP/s."""
ALIKE, RATE, DEVICE, GUESS = ("as earlier ones of the same method, backbone and data", "at the rate of this backbone",
                              "at the rate of other runs on this kind of device", "by a rough guess")
WIDTH = {ALIKE: 0.3, RATE: 0.45, DEVICE: 0.8, GUESS: 1.1}
"""Standard deviations of the logarithm of a rate, as runs of one kind differ among each other."""
OTHER_WORK = 1.6  # times as wide for an evaluation, which is a small share and depends on what else the machine does
START, SCORING_START = 4.0, 1.5
"""Seconds of a training, and of an evaluation, before it runs at its rate."""
WIDE = 1.645  # standard deviations to either side: nine of ten


class Price(NamedTuple):
    """Seconds on one worker, the standard deviation of their logarithm, whose rate it is, GPUs."""

    seconds: float
    width: float
    way: str
    gpus: float

    @property
    def range(self) -> tuple[float, float]:
        """Nine of ten are in it."""
        factor = math.exp(WIDE * self.width)
        return self.seconds / factor, self.seconds * factor


class Seen(NamedTuple):
    """A finished run: logarithms of seconds per GFLOP of training and evaluation, and how much start-up blurs each."""

    alike: str
    network: str
    training: tuple[float, float] | None
    scoring: tuple[float, float] | None
    gpus: int


class Prices:
    """The prices of jobs on one kind of device ("cpu" or "cuda"), from the finished runs below `out` that ran on it."""

    def __init__(self, out: Path, device: str) -> None:
        self.device = device
        self._seen: list[Seen] = []
        self._known: dict[tuple[str, str, float], Price] = {}
        for folder in sorted((out / "runs").glob("*-*")):
            try:
                record = read_run(folder)
            except (StoreError, RecordError):
                continue
            on = "cpu" if "cpu x " in record.device else "cuda"
            if record.status != "done" or record.kind != "method" or record.images_seen < 1 or on != device:
                continue
            config, took = record.config, record.train_seconds + record.trajectory_seconds
            self._seen.append(Seen(
                records.kind(config), records.network(config), _rate(took, START, records.work(config)),
                _rate(record.evaluation_seconds, SCORING_START, records.scoring_work(config)), max(1, record.gpus),
            ))

    def seconds(self, job: Job) -> float:
        """How long the job takes one worker."""
        return self.price(job).seconds

    def gpu_hours(self, job: Job) -> float:
        """The job's GPU-hours; on a CPU those of GPUs that sustain `SUSTAINED`."""
        if self.device == "cpu":
            return job.cost / SUSTAINED["cuda"] / 3600
        price = self.price(job)
        return price.seconds * price.gpus / 3600

    def source(self, jobs: Iterable[Job]) -> str:
        """Where the prices of these jobs come from, in words."""
        found = Counter(self.price(job).way for job in jobs if job.cost)
        return ", ".join(f"{count(found[way], 'run')} {way}" for way in WIDTH if found[way]) or "nothing to do"

    def factor(self, jobs: Iterable[Job]) -> float:
        """By how much the time of these jobs together may be shorter or longer, nine of ten times: what one run's price
        errs by, the others' do too."""
        priced = [self.price(job) for job in jobs if job.cost]
        whole = sum(each.seconds for each in priced)
        return math.exp(WIDE * sum(each.width * each.seconds for each in priced) / whole) if whole else 1.0

    def price(self, job: Job) -> Price:
        """Of one job; of reference rows nothing is known, and nothing is said."""
        if not job.cost:
            return Price(0.0, 0.0, GUESS, 1)
        config = job.config
        alike, network = records.kind(config), records.network(config)
        work, scoring = records.work(config), records.scoring_work(config)
        key = (alike, network, work + scoring)
        if key not in self._known:
            rate, width, way = self._rate(alike, network, lambda seen: seen.training, 1.0)
            other, wider, _ = self._rate(alike, network, lambda seen: seen.scoring, OTHER_WORK)
            training, evaluation = START + work * math.exp(rate), SCORING_START + scoring * math.exp(other)
            whole = training + evaluation
            gpus = median([s.gpus for s in self._seen if s.alike == alike] or [1])
            self._known[key] = Price(whole, (training * width + evaluation * wider) / whole, way, gpus)
        return self._known[key]

    def _rate(self, alike: str, network: str, of: Callable[[Seen], tuple[float, float] | None],
              times: float) -> tuple[float, float, str]:
        """The logarithm of seconds per GFLOP, its standard deviation, and the nearest runs that it comes from."""
        near: dict[str, list[tuple[float, float]]] = {ALIKE: [], RATE: [], DEVICE: []}
        for seen in self._seen:
            if (found := of(seen)) is not None:
                near[ALIKE if seen.alike == alike else RATE if seen.network == network else DEVICE].append(found)
        estimates = []
        for way, each in near.items():
            if each:
                middle, spread = _middle(each)
                estimates.append((middle, math.hypot(times * WIDTH[way], spread, min(blur for _, blur in each)), way))
        estimates.append((-math.log(SUSTAINED[self.device]), times * WIDTH[GUESS], GUESS))
        sharpest, _, way = min(estimates, key=lambda each: each[1])
        # What disagrees with the sharpest counts for the less: a guess far off does not move a measurement.
        weights = [1 / (width**2 + (value - sharpest) ** 2) for value, width, _ in estimates]
        mean = sum(w * value for w, (value, _, _) in zip(weights, estimates, strict=True)) / sum(weights)
        return mean, sum(weights) ** -0.5, way


def _rate(seconds: float, start: float, work: float) -> tuple[float, float] | None:
    """The logarithm of the seconds per GFLOP beyond start-up, and how much start-up blurs it; None without a measurement."""
    if seconds <= 0 or work <= 0:
        return None
    return math.log(seconds**2 / (seconds + start) / work), start / seconds


def _middle(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The median of those that start-up blurs least, and how far they scatter about it, as a standard deviation.

    One run that something else slowed down counts for nothing; many do for the width.
    """
    least = min(blur for _, blur in found)
    sharp = [value for value, blur in found if blur <= 3 * least + 0.1]
    return (middle := median(sharp)), 1.48 * median(abs(value - middle) for value in sharp)


def device(experiment: Experiment) -> str:
    """The kind of device that an experiment will have, "cpu" or "cuda": a cluster's jobs have what they ask for."""
    backend = experiment.backend
    if isinstance(backend, Slurm):
        return "cuda" if backend.gpus or backend.device.startswith("cuda") else "cpu"
    return devices.of(backend.device).type
