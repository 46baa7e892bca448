"""What runs will take: as long as earlier ones of their kind in the outputs folder, else an estimate from their arithmetic."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.config import Experiment, Slurm, records
from bench.processes import device as devices
from results.records import RecordError, StoreError, read_run
from sweeps.plan import Job, count

# A guess for a machine on which nothing of the kind has run yet: what one worker sustains, in GFLOP/s.
SUSTAINED = {"cpu": 40.0, "cuda": 30_000.0}
ALIKE, RATE, GUESS = "as earlier ones of the same method, backbone and data", "at the rate of this backbone", "by a rough guess"


class Seen(NamedTuple):
    """What one finished run took: seconds per image of its training, seconds of its evaluation, and its GPUs."""

    per_image: float
    evaluation: float
    gpus: int


class Prices:
    """The prices of jobs on one kind of device ("cpu" or "cuda"), from the finished runs below `out` that ran on it."""

    def __init__(self, out: Path, device: str) -> None:
        self.device = device
        self._alike: dict[str, list[Seen]] = {}
        self._rates: dict[str, list[float]] = {}
        for folder in sorted((out / "runs").glob("*-*")):
            try:
                record = read_run(folder)
            except (StoreError, RecordError):
                continue
            on = "cpu" if "cpu x " in record.device else "cuda"
            if record.status != "done" or record.kind != "method" or record.images_seen < 1 or on != device:
                continue
            seen = Seen((record.train_seconds + record.trajectory_seconds) / record.images_seen, record.evaluation_seconds,
                        max(1, record.gpus))
            self._alike.setdefault(records.kind(record.config), []).append(seen)
            if cost := records.cost(record.config):
                whole = seen.per_image * record.images_seen + seen.evaluation
                self._rates.setdefault(records.network(record.config), []).append(whole / cost)

    def seconds(self, job: Job) -> float:
        """How long the job takes one worker."""
        return self._price(job)[0]

    def gpu_hours(self, job: Job) -> float:
        """The job's GPU-hours; on a CPU those of GPUs that sustain `SUSTAINED`."""
        if self.device == "cpu":
            return job.cost / SUSTAINED["cuda"] / 3600
        seconds, _, gpus = self._price(job)
        return seconds * gpus / 3600

    def source(self, jobs: Iterable[Job]) -> str:
        """Where the prices of these jobs come from, in words."""
        found = Counter(self._price(job)[1] for job in jobs if job.cost)
        return ", ".join(f"{count(found[way], 'run')} {way}" for way in (ALIKE, RATE, GUESS) if found[way]) or "nothing to do"

    def _price(self, job: Job) -> tuple[float, str, float]:
        """Seconds, where they come from, GPUs."""
        if job.cost and (alike := self._alike.get(records.kind(job.config))):
            training = median(each.per_image for each in alike) * records.images(job.config)
            return training + median(each.evaluation for each in alike), ALIKE, median(each.gpus for each in alike)
        if rates := self._rates.get(records.network(job.config)):
            return job.cost * median(rates), RATE, 1
        return job.cost / SUSTAINED[self.device], GUESS, 1


def device(experiment: Experiment) -> str:
    """The kind of device that an experiment will have, "cpu" or "cuda": a cluster's jobs have what they ask for."""
    backend = experiment.backend
    if isinstance(backend, Slurm):
        return "cuda" if backend.gpus or backend.device.startswith("cuda") else "cpu"
    return devices.of(backend.device).type
