"""Speed is reported as ratios measured in one run, interleaved, so that a noisy machine disturbs both sides alike."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

ROOT = Path(__file__).parents[2]


def interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each round of the two callables, run in turns after one warm-up each."""
    times: tuple[list[float], list[float]] = ([], [])
    first(), second()
    for k in range(rounds):
        for which in ((0, 1), (1, 0))[k % 2]:
            begin = time.perf_counter()
            (first, second)[which]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[which].append(time.perf_counter() - begin)
    return times


class Spent(NamedTuple):
    """Seconds, processor seconds and the most bytes of a command."""

    wall: float
    processor: float
    peak: int


@pytest.fixture
def spent() -> Callable[..., Spent]:
    """spent(words): run `python words` from the root of the repository, and what it took.

    The peak is asked of the running process: what `wait4` tells of it begins with the memory of the process that forked it.
    """

    def run(*words: str) -> Spent:
        begin, peak = time.monotonic(), 0
        child = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
            told = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8"))
            peak = max(peak, 1024 * int(told[1])) if told else peak
            time.sleep(0.02)
        assert ended[1] == 0
        return Spent(time.monotonic() - begin, ended[2].ru_utime + ended[2].ru_stime, peak)

    return run


MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """told(line): for the list at the end, which results/reference/benchmarks.txt keeps."""
    return request.config.stash.setdefault(MEASURED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(MEASURED, []):
        terminalreporter.section("measured")
        terminalreporter.write("\n".join(lines) + "\n")


@pytest.fixture
def ratio(benchmark, told):  # type: ignore[no-untyped-def]
    """ratio(name, subject, baseline, rounds): median of paired ratios, printed and kept in the benchmark's extra_info."""

    def measure(name: str, subject: Callable[[], object], baseline: Callable[[], object], rounds: int = 15) -> float:
        mine, other = interleaved(subject, baseline, rounds)
        paired = [a / b for a, b in zip(mine, other, strict=True)]
        value = statistics.median(paired)
        low, _, high = statistics.quantiles(paired, n=4) if rounds > 2 else (value, value, value)
        benchmark.extra_info.update(ratio=value, quartiles=(low, high), seconds=statistics.median(mine))
        benchmark.pedantic(lambda: None, rounds=1)
        told(f"{name}: {value:.3f} of the baseline (quartiles {low:.3f} to {high:.3f}; "
             f"{statistics.median(mine) * 1e3:.1f} ms against {statistics.median(other) * 1e3:.1f} ms)")
        return value

    return measure
