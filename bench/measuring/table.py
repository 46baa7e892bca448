"""What was measured as tables for people, and what must be said beneath them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch

from bench.measuring.cases import BASE
from bench.measuring.kinds import KINDS
from bench.measuring.measure import Measured
from bench.measuring.peaks import Peak
from bench.measuring.tour import Entry
from bench.processes import device as devices
from sweeps.plan import aligned

Peaks = Mapping[str, Peak]


def speeds(entries: Sequence[Entry], peaks: Peaks, device: torch.device) -> list[str]:
    """The lines of the table, its heading and its notes."""
    base = next((each.found for each in entries if each.found and each.case.experiment.name == BASE), None)
    others = dict.fromkeys(each.found.other.name for each in entries if each.found and each.found.other)
    columns = _columns(base, peaks, others)
    done = [(each, each.found) for each in entries if each.found]
    lines = list(_heads(entries, device))
    if done:
        cells = [[of(entry, found) for of in columns.values()] for entry, found in done]
        lines += ["", *aligned([list(columns), *cells])]
    return [*lines, "", *_unmeasured(entries), *_notes(entries, peaks, device)]


def _columns(base: Measured | None, peaks: Peaks, others: Iterable[str]) -> dict[str, Callable[[Entry, Measured], str]]:
    """Head -> what it says of a case."""
    columns: dict[str, Callable[[Entry, Measured], str]] = {
        "method": lambda entry, found: entry.case.label,
        "images/s": lambda entry, found: rate(entry.case.batch / found.seconds),
        "step": lambda entry, found: f"{time(found.seconds)} ± {found.spread / found.seconds:.0%}",
        "GFLOP/image": lambda entry, found: f"{found.gflops:.3g}",
        "of peak": lambda entry, found: f"{of_peak(entry, found, peaks):.1%}",
        "memory": lambda entry, found: size(found.memory),
        "× flow matching": lambda entry, found: f"{found.seconds / base.seconds:.2f}" if base else "",
        "slice": lambda entry, found: f"{found.rows:,}" if found.rows < entry.case.batch else "",
    }
    if "bare" in others:
        columns["× bare"] = lambda entry, found: f"{1 / found.other.takes:.3f}" if found.other and found.other.takes else ""
    for name in (other for other in others if other != "bare"):
        columns[name] = lambda entry, found: _other(found)
    return columns


def _other(found: Measured) -> str:
    """What the other way to take the step takes of its time, and its first step besides."""
    if found.other is None or found.other.takes is None:
        return "" if found.other is None else "does not"
    first = f" after {time(found.other.first)}" if found.other.name == "compiled" else ""
    return f"× {found.other.takes:.2f}{first}"


def of_peak(entry: Entry, found: Measured, peaks: Peaks) -> float:
    """The share of the device's peak that a step's own arithmetic comes to."""
    return entry.case.batch * found.gflops / found.seconds / peaks[entry.case.experiment.precision].gflops


def _heads(entries: Sequence[Entry], device: torch.device) -> Iterator[str]:
    """What was measured: a line for each setting."""
    for experiment, shape in {_setting(e): (e.case.experiment, e.case.shape) for e in entries}.values():
        size = " x ".join(map(str, shape))
        yield (f"{experiment.backbone.name} on {experiment.data.name} ({size}), steps of {experiment.budget.batch:,} in "
               f"{experiment.precision}, on {devices.name(device)}")


def _setting(entry: Entry) -> tuple[object, ...]:
    experiment = entry.case.experiment
    return repr(experiment.backbone), experiment.data, experiment.budget.batch, experiment.precision


def _unmeasured(entries: Iterable[Entry]) -> Iterator[str]:
    entries = list(entries)
    yield from (f"failed: {each.case.label}: {each.reason}" for each in entries if not each.found and not each.left)
    why: dict[str, list[str]] = {}
    for each in entries:
        if each.left:
            why.setdefault(each.reason, []).append(each.case.label)
    yield from (f"not measured: {', '.join(labels)}: {reason}; take a larger --minutes or a smaller budget.batch"
                for reason, labels in why.items())


def _notes(entries: Sequence[Entry], peaks: Peaks, device: torch.device) -> Iterator[str]:
    used = dict.fromkeys(each.case.experiment.precision for each in entries if each.found)
    if used:
        yield f"Peak: {'; '.join(peaks[each].said for each in used)}."
        yield ("Memory: the most that was allocated." if device.type == "cuda" else
               "Memory: of all tensors that live at once, weights and moments included.")


def shares(entries: Sequence[Entry]) -> list[str]:
    """Where the time goes, a line for each method; none where nothing was profiled."""
    rows = [[each.case.label, *(f"{each.found.kinds.shares[kind]:.0%}" for kind in KINDS), f"{each.found.kinds.busy:.0%}"]
            for each in entries if each.found and each.found.kinds]
    return ["", *aligned([["method", *KINDS, "busy"], *rows])] if rows else []


def rate(images: float) -> str:
    """12,345; 93.1."""
    return f"{images:,.0f}" if images >= 99.95 else f"{images:.3g}"


def time(seconds: float) -> str:
    """12 ms, 1.2 s."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def size(held: float) -> str:
    """820 MB, 12.3 GB."""
    return f"{held / 1e9:.3g} GB" if held >= 1e9 else f"{held / 1e6:.3g} MB"
