"""All cases within a limit of time: each gets its share of what is left, a failure is a line, and who had no time is named."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from bench.measuring.cases import Case
from bench.measuring.measure import Measured, Wanted, measured
from bench.measuring.peaks import Peak, peak_of

RESERVE = 0.9  # of the time: the rest is what an estimate errs by


@dataclass(frozen=True)
class Asked:
    """What a tour is asked for: how long it may take, and what to look at besides speed."""

    minutes: float
    profile: bool = False
    against: str = ""


@dataclass(frozen=True)
class Entry:
    """What came of a case: what was measured, or why nothing was. left: for want of time."""

    case: Case
    found: Measured | None = None
    reason: str = ""
    left: bool = False


@dataclass
class Tour:
    """Iterate over it once. peaks: the device's, by precision."""

    cases: Sequence[Case]
    device: torch.device
    asked: Asked
    clock: Callable[[], float]
    peaks: dict[str, Peak] = field(default_factory=dict)
    _paces: dict[str, float] = field(default_factory=dict)
    _beside: float = 0.0  # seconds that the last case took besides its steps: networks are built, slices chosen

    def __iter__(self) -> Iterator[Entry]:
        until = self.clock() + 60 * self.asked.minutes
        for index, case in enumerate(self.cases):
            left = until - (begin := self.clock())
            share = max(0.0, RESERVE * left / (len(self.cases) - index) - self._beside)
            entry = self._entry(case, left, share)
            self._beside = max(0.0, self.clock() - begin - share) if entry.found else self._beside
            yield entry

    def _entry(self, case: Case, left: float, share: float) -> Entry:
        if left <= 0:
            return Entry(case, reason="the time was up", left=True)
        wanted = Wanted(share, self.asked.profile, self.asked.against, self.clock)
        try:
            one = self._expected(case)
            if wanted.fewest(case) * one > left:
                return Entry(case, reason=f"a step of {case.batch:,} takes some {one:.0f} s here", left=True)
            found = measured(case, self.device, wanted)
        except Exception as error:  # whatever a method raises, the others go on
            return Entry(case, reason=f"{type(error).__name__}: {' '.join(str(error).split())}".split(". ")[0][:200])
        self._paces[case.experiment.precision] = found.seconds / (case.batch * case.gflops)
        return Entry(case, found)

    def _expected(self, case: Case) -> float:
        """The seconds of a step, at the pace of the last one, or at the device's peak, which none undercuts."""
        precision = case.experiment.precision
        if precision not in self.peaks:
            self.peaks[precision] = peak_of(self.device, precision)
        return case.batch * case.gflops * self._paces.get(precision, 1 / self.peaks[precision].gflops)
