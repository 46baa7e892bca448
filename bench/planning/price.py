"""What runs will take: start-up, training and evaluation, by a fit to the finished runs in the outputs folder.

Training is start-up + work x rate, evaluation likewise; work is arithmetic (images x cost of the method x network, counted
at the size of the data; samples x steps and the feature network). The rate is learnt in logarithms from the nearest runs there
are: of the same method, backbone and data, of the same backbone and data, of the same device, and a guess for such a device;
and from what `python -m bench.perf` measured, which is as sharp as a long run. Each has a width, all are weighed by it, and a
short run weighs little, because it mostly shows start-up. Runs of another precision say nothing: their rate is another.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.config import Experiment, Slurm, records
from bench.planning import rates, work
from bench.planning.rates import assumed, sustained
from bench.processes import device as devices
from results.records import RecordError, RunRecord, StoreError, read_run
from sweeps.plan import Job, count

MEASURED, ALIKE, RATE, DEVICE, GUESS = (
    "at rates measured by bench.perf", "as earlier ones of the same method, backbone and data", "at the rate of this backbone",
    "at the rate of other runs on this kind of device", "by a rough guess",
)  # fmt: skip
WIDTH = {MEASURED: 0.3, ALIKE: 0.3, RATE: 0.45, DEVICE: 0.8, GUESS: 1.1}
"""Standard deviations of the logarithm of a rate, as runs of one kind differ among each other."""
OTHER_WORK = 1.6  # times as wide for an evaluation, which is a small share and depends on what else the machine does
START, SCORING_START = 4.0, 1.5
"""Seconds of a training, and of an evaluation, before it runs at its rate."""
WIDE = 1.645  # standard deviations to either side: nine of ten


class Price(NamedTuple):
    """Seconds on one worker, the standard deviation of their logarithm, whose rate it is (and in words), GPUs, and the rate of
    the training in GFLOP/s."""

    seconds: float
    width: float
    way: str
    gpus: float
    said: str = ""
    gflops: float = 0.0

    @property
    def range(self) -> tuple[float, float]:
        """Nine of ten are in it."""
        factor = math.exp(WIDE * self.width)
        return self.seconds / factor, self.seconds * factor


class Seen(NamedTuple):
    """A finished run, or a measurement: logarithms of seconds per GFLOP of training and evaluation, and how much start-up
    blurs each. on: where and when it was measured."""

    alike: str
    network: str
    precision: str
    training: tuple[float, float] | None
    scoring: tuple[float, float] | None
    gpus: int
    on: str = ""


class Prices:
    """The prices of jobs on one kind of device ("cpu" or "cuda"), from the finished runs below `out` that ran on it. begun:
    job id -> the share of its training that is behind it, which costs nothing more."""

    def __init__(self, out: Path, device: str, begun: Mapping[str, float] | None = None) -> None:
        self.out, self.device, self.begun = out, device, begun or {}
        self._seen = [*_runs(out, device), *_measured(out, device)]
        self._known: dict[tuple[str, str, str, float], Price] = {}

    @cached_property
    def on_gpus(self) -> "Prices":
        """Those that the same jobs have on GPUs."""
        return self if self.device == "cuda" else Prices(self.out, "cuda", self.begun)

    def seconds(self, job: Job) -> float:
        """How long the job takes one worker."""
        return self.price(job).seconds

    def gpu_hours(self, job: Job) -> float:
        """The job's GPU-hours; planned on a CPU, those that it would take on GPUs."""
        price = self.on_gpus.price(job)
        return price.seconds * price.gpus / 3600

    def source(self, jobs: Iterable[Job]) -> str:
        """Where the prices of these jobs come from, in words."""
        priced = [(self.price(job), records.precision(job.config)) for job in jobs if job.cost]
        found = Counter((price.way, price.said) for price, _ in priced)
        said = (f"{count(found[each], 'run')} {each[1]}" for way in WIDTH for each in sorted(found) if each[0] == way)
        guessed = {precision for price, precision in priced if price.way == GUESS}
        return (", ".join(said) or "nothing to do") + (assumed(self.device, guessed) if guessed else "")

    def ways(self, jobs: Iterable[Job]) -> str:
        """The same without numbers."""
        return ", ".join(sorted({self.price(job).said for job in jobs if job.cost}))

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
        alike, network, precision = records.kind(config), records.network(config), records.precision(config)
        training, scored = work.training(config) * (1 - self.begun.get(job.id, 0.0)), work.scoring(config)
        key = (alike, network, precision, training + sum(scored))
        if key not in self._known:
            seen = [each for each in self._seen if each.precision == precision]
            self._known[key] = self._price(seen, alike, network, precision, training, scored)
        return self._known[key]

    def _price(self, seen: Sequence[Seen], alike: str, network: str, precision: str, training: float,
               scored: work.Scored) -> Price:
        guess = math.log(sustained(self.device, precision))
        rate, width, way = _learnt(seen, alike, network, lambda each: each.training, 1.0, -guess)
        # Features are computed in float32, whatever the networks' precision is.
        slow = scored.network / sustained(self.device, precision) + scored.features / sustained(self.device, "float32")
        whole = sum(scored)
        other, wider, _ = _learnt(seen, alike, network, lambda each: each.scoring, OTHER_WORK,
                                  math.log(slow / whole) if whole else -guess)
        train, evaluation = START + training * math.exp(rate), SCORING_START + whole * math.exp(other)
        gpus = median([each.gpus for each in seen if each.alike == alike and not each.on] or [1])
        on = next((each.on for each in seen if each.on and each.alike == alike), "")
        said = f"{way} on {on}" if way == MEASURED else way
        width = (train * width + evaluation * wider) / (train + evaluation)
        return Price(train + evaluation, width, way, gpus, said, math.exp(-rate))


def _runs(out: Path, device: str) -> Iterator[Seen]:
    for folder in sorted((out / "runs").glob("*-*")):
        try:
            seen = _of_run(read_run(folder), device)
        except (StoreError, RecordError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            continue  # damaged, or changed by hand: nothing is learnt from it
        if seen is not None:
            yield seen


def _of_run(record: RunRecord, device: str) -> Seen | None:
    on = "cpu" if "cpu x " in record.device else "cuda"
    if record.status != "done" or record.kind != "method" or record.images_seen < 1 or on != device:
        return None
    config, took = record.config, record.train_seconds + record.trajectory_seconds
    return Seen(
        records.kind(config), records.network(config), record.precision, _rate(took, START, work.training(config)),
        _rate(record.evaluation_seconds, SCORING_START, sum(work.scoring(config))), max(1, record.gpus),
    )


def _measured(out: Path, device: str) -> Iterator[Seen]:
    for each in rates.measured(out, device):
        yield Seen(each.alike, each.network, each.precision, (each.rate, 0.0), None, 1, f"{each.device}, {each.day}")


def _learnt(seen: Iterable[Seen], alike: str, network: str, of: Callable[[Seen], tuple[float, float] | None], times: float,
            guess: float) -> tuple[float, float, str]:
    """The logarithm of seconds per GFLOP, its standard deviation, and the nearest runs that it comes from."""
    near: dict[str, list[tuple[float, float]]] = {MEASURED: [], ALIKE: [], RATE: [], DEVICE: []}
    for each in seen:
        if (found := of(each)) is not None:
            same = MEASURED if each.on else ALIKE
            near[same if each.alike == alike else RATE if each.network == network else DEVICE].append(found)
    estimates = []
    for way, found_there in near.items():
        if found_there:
            middle, spread = _middle(found_there)
            blur = min(blur for _, blur in found_there)
            estimates.append((middle, math.hypot(times * WIDTH[way], spread, blur), way))
    estimates.append((guess, times * WIDTH[GUESS], GUESS))
    sharpest, _, way = min(estimates, key=lambda each: each[1])
    # What disagrees with the sharpest counts for the less: a guess far off does not move a measurement.
    weights = [1 / (width**2 + (value - sharpest) ** 2) for value, width, _ in estimates]
    mean = sum(w * value for w, (value, _, _) in zip(weights, estimates, strict=True)) / sum(weights)
    return mean, sum(weights) ** -0.5, way


def _rate(seconds: float, start: float, work: float) -> tuple[float, float] | None:
    """The logarithm of the seconds per GFLOP beyond start-up, and how much start-up blurs it; None without a measurement."""
    if not (0 < seconds < math.inf and 0 < work < math.inf):
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
