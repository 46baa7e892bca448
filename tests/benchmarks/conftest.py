"""Speed is reported as ratios measured in one run, interleaved, so that a noisy machine disturbs both sides alike."""

import statistics
import time
from collections.abc import Callable

import pytest
import torch


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
