"""One training measured: its steps timed, their arithmetic and memory counted, in slices that fit the device."""

import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import torch

from bench import fitting
from bench.compiling import NotCompiled
from bench.fitting import Live, live, slices
from bench.measuring.bare import by_hand
from bench.measuring.cases import Case
from bench.measuring.kinds import Kinds, profiled
from bench.measuring.subject import IMAGES, Subject, subject
from bench.nets import Arithmetic
from bench.processes import device as devices
from bench.processes import memory

Clock = Callable[[], float]
FEWEST, MOST = 2, 100  # timed steps of a stage
TRIED = 3  # steps besides: one that is counted, and two that warm up
PROFILED = 5
SETTINGS = {"compiled": "compile", "channels_last": "channels_last"}
LARGE = 100.0  # GFLOP of a step: below, a step holds about a gigabyte at the most, and is not counted on paper first


@dataclass(frozen=True)
class Measured:
    """What a step of a case takes.

    rows: of a pass. seconds, spread: a step's median and half the distance of its quartiles; stages are weighed by their
    images. gflops: of one image as it was computed. memory: bytes at the most, weights and moments included. other: another
    way to take the step. kinds: where its time goes.
    """

    rows: int
    seconds: float
    spread: float
    gflops: float
    memory: int
    steps: int
    other: "Other | None" = None
    kinds: Kinds | None = None


@dataclass(frozen=True)
class Other:
    """Another way to take a step: "bare" (by hand), "compiled" or "channels_last". takes: its time over the step's, the median
    of steps taken in turns; None: that way does not work here. first: the seconds of its first step, compilation included."""

    name: str
    takes: float | None
    first: float


@dataclass(frozen=True)
class Wanted:
    """What is asked of each case besides its time, and for how long."""

    seconds: float
    profile: bool = False
    against: str = ""
    clock: Clock = time.perf_counter

    @property
    def part(self) -> float:
        """The seconds of each thing that is asked."""
        return self.seconds / (1 + self.profile + bool(self.against))

    def fewest(self, case: Case) -> int:
        """The steps that it takes at the least."""
        stages = case.experiment.method.stages(case.experiment.budget.images)
        around = sum(stage.cycle for stage in (stages if len(stages) < 2 else (stages[0], stages[-1])))
        return around * (FEWEST + TRIED) + self.profile + bool(self.against) * 2 * (1 + FEWEST)


def measured(case: Case, device: torch.device, wanted: Wanted) -> Measured:
    """The case in the slices that it would have here, halved until they fit. Raises what its training raises, and
    torch.OutOfMemoryError where not even one group of samples fits."""
    group, rows = case.experiment.method.needs.group, _rows(case, device)
    with devices.computing(case.experiment.precision):
        while True:
            try:
                return _measured(case, device, rows, wanted)
            except torch.OutOfMemoryError:
                if rows <= group:
                    raise
                rows = max(group, rows // 2 // group * group)
            if device.type == "cuda":  # here: the exception held on to what the step had made
                torch.cuda.empty_cache()


def _rows(case: Case, device: torch.device) -> int:
    """Of a pass, as a run on a GPU chooses them, and on a CPU so that the machine is not out of memory."""
    card = case.experiment.backend.gpu_memory
    small = device.type == "cpu" and case.batch * case.gflops < LARGE
    room = 1e9 * card if card else math.inf if small else memory.free(device)
    return min(case.batch, fitting.rows(case.experiment, case.shape, IMAGES, room))


def _measured(case: Case, device: torch.device, rows: int, wanted: Wanted) -> Measured:
    before = _apart(case, device, rows)
    made = subject(case.experiment, case.shape, device, rows)
    seconds = spread = gflops = 0.0
    peak = steps = 0
    with made.counted():
        stages = made.stages
        for index, share in stages:
            made.begin(index)
            flops, counted = before[index] if before else _counted(made, device)
            memory.restart(device)
            around = timed(made.around, device, wanted.part / len(stages), wanted.clock)
            times = [took / made.cycle for took in around]
            peak = max(peak, memory.peak(device) if device.type == "cuda" else counted)
            middle, half = quartiles(times)
            seconds, spread, gflops = seconds + share * middle, spread + share * half, gflops + share * flops / case.batch
            steps += len(times) * made.cycle
        other = _against(case, made, device, rows, wanted) if wanted.against else None
        count = int(min(PROFILED, max(1, wanted.part // max(seconds, 1e-9))))
        kinds = profiled(made.step, device, count) if wanted.profile else None
    return Measured(rows, seconds, spread, gflops, peak, steps, other, kinds)


def _apart(case: Case, device: torch.device, rows: int) -> dict[int, tuple[float, int]]:
    """Stage -> `_counted`, of a training that is compiled: as the same one without a compiler, which would not compile what is
    watched. Nothing of one that is not."""
    if not case.experiment.train.compile:
        return {}
    made, found = subject(case.experiment.changed({"train.compile": False}), case.shape, device, rows), {}
    for index, _ in made.stages:
        made.begin(index)
        found[index] = _counted(made, device)
    return found


def _counted(made: Subject, device: torch.device) -> tuple[float, int]:
    """GFLOP of a step, and the bytes that it holds at once with all that stays: of a CPU, whose allocator keeps no account.

    They are the first steps, as many as come before the losses repeat, so they warm up as well.
    """
    trainer = made.trainer
    batches = trainer.step.batches
    with ExitStack() as modes:
        seen = modes.enter_context(Live([live.ROWS])) if device.type == "cpu" else None
        arithmetic = modes.enter_context(Arithmetic())
        for _ in range(made.cycle):
            trainer.step.gradients(trainer.progress)
            trainer.progress.step += 1
    trainer.progress.step = trainer.progress.start
    peak = round(seen.peaks[live.ROWS]) if seen else 0
    data = [batches.train] if batches.paths is None else [batches.train, batches.paths]
    return arithmetic.flops / 1e9 / made.cycle, peak + slices.state(trainer) + live.held(*data)


def timed(step: Callable[[], object], device: torch.device, seconds: float, clock: Clock = time.perf_counter) -> list[float]:
    """The seconds of each of FEWEST to MOST steps that end within `seconds`, after those that warm up.

    On CUDA the device's own clock between the ends of steps: nothing waits in between, as nothing does in a training.
    """
    begin = clock()
    step()
    _wait(device)
    again = clock()
    step()  # the first may have compiled
    _wait(device)
    now = clock()
    count = int(min(MOST, max(FEWEST, (seconds - (now - begin)) // max(now - again, 1e-9))))
    return list(_on_cuda(step, count) if device.type == "cuda" else _by_clock(step, count, begin + seconds, clock))


def _by_clock(step: Callable[[], object], count: int, until: float, clock: Clock) -> Iterator[float]:
    now = clock()
    for done in range(count):
        if done >= FEWEST and now >= until:
            return
        step()
        yield (then := clock()) - now
        now = then


def _on_cuda(step: Callable[[], object], count: int) -> Iterator[float]:
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]  # type: ignore[no-untyped-call]
    ends[0].record()
    for end in ends[1:]:
        step()
        end.record()
    ends[-1].synchronize()
    yield from (a.elapsed_time(b) / 1000 for a, b in pairwise(ends))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def quartiles(times: Sequence[float]) -> tuple[float, float]:
    """(median, half the distance of the quartiles)."""
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else [times[0]] * 3
    return middle, (high - low) / 2


def _against(case: Case, made: Subject, device: torch.device, rows: int, wanted: Wanted) -> Other:
    """The other way's step in turns with the subject's, so that a busy machine slows down both; at the first stage."""
    made.begin(0)
    changed = {} if wanted.against == "bare" else {f"train.{SETTINGS[wanted.against]}": True}
    beside = subject(case.experiment.changed(changed), case.shape, device, rows)
    beside.begin(0)
    other: Callable[[], None] = by_hand(beside) if wanted.against == "bare" else beside.step
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", NotCompiled)
        first = _seconds(other, device, wanted.clock)
    if any(each.category is NotCompiled for each in told):
        return Other(wanted.against, None, first)
    _seconds(made.step, device, wanted.clock)
    ratios, begin = list[float](), wanted.clock()
    while len(ratios) < FEWEST or (len(ratios) < MOST and wanted.clock() - begin < wanted.part):
        turn = [made.step, other][:: 1 if len(ratios) % 2 else -1]
        times = {each is other: _seconds(each, device, wanted.clock) for each in turn}
        ratios.append(times[True] / max(times[False], 1e-9))
    return Other(wanted.against, statistics.median(ratios), first)


def _seconds(step: Callable[[], None], device: torch.device, clock: Clock) -> float:
    _wait(device)
    start = clock()
    step()
    _wait(device)
    return clock() - start
