"""Two sweeps side by side: what they were asked otherwise, and value beside value with the difference.

    difference = second - first, over the training seeds that both have and on the same noise (statistics/paired.py)

Values of different protocols are never subtracted: such a metric is shown without differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from results.records import Metric, RunRecord, Runs, Setting, metric_info, settings
from results.statistics import Interval, Score, difference, scores
from results.tables import board, count, table

Row = Mapping[str, Any]
LEVEL = 0.05  # of one comparison
ROUNDING = 1e-3  # of the value: what the same run on another machine may differ by, on every seed alike
FINISHED = "finished"  # what was run a second time differs in this alone


@dataclass(frozen=True)
class Side:
    """A sweep: its name, its runs, the order of its labels, the protocols that are kept (None: all)."""

    name: str
    runs: Runs
    order: Sequence[str] = ()
    protocols: Collection[str] | None = None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The methods' rows of its leaderboard."""
        whole = table.leaderboard(self.runs, self.order, self.protocols)
        return whole[whole["sampler"] != "reference"]

    @cached_property
    def rows(self) -> dict[tuple[str, str, int], Row]:
        """(metric, method, steps) -> row."""
        return {(row["metric"], row["method"], row["steps"]): row for _, own in board.grouped(self.frame) for row in own}

    @cached_property
    def scores(self) -> dict[tuple[str, str, int], dict[int, Score]]:
        """(metric, method, steps) -> its finished training seeds."""
        found: dict[tuple[str, str, int], dict[int, Score]] = {}
        for score in scores([run for run in self.runs if run[0].status == "done"], self.protocols):
            if not score.reference:
                found.setdefault((score.metric, score.label, score.steps), {})[score.seed] = score
        return found

    @cached_property
    def records(self) -> list[RunRecord]:
        """Those of its methods."""
        return [record for record, _ in self.runs if record.kind != "reference"]

    @cached_property
    def metrics(self) -> dict[str, list[str]]:
        """Each metric that it was scored on, and the protocols of its rows."""
        found: dict[str, dict[str, None]] = {}
        for (name, *_), row in self.rows.items():
            if row["protocol"] and row["seeds"]:
                found.setdefault(name, {})[row["protocol"]] = None
        return {name: sorted(ids) for name, ids in found.items()}


class Pair(NamedTuple):
    """At one step count: both sides' rows, and the second minus the first; None where that cannot be said."""

    first: Row | None
    second: Row | None
    difference: Interval | None

    @property
    def told(self) -> bool:
        """Zero lies outside an interval over independent trainings, and the difference is more than rounding."""
        less = self.difference
        if self.first is None or less is None or abs(less.value) <= ROUNDING * abs(self.first["value"]):
            return False
        return less.kind == "training" and (less.low > 0 or less.high < 0)


class Section(NamedTuple):
    """A metric: the protocols of both sides, the step counts, and each method that both have with a Pair for each of them."""

    metric: Metric
    protocols: tuple[list[str], list[str]]
    steps: list[int]
    lines: list[tuple[str, list[Pair]]]

    @property
    def comparable(self) -> bool:
        """Both have it under one protocol."""
        return self.protocols[0] == self.protocols[1]


class Fact(NamedTuple):
    """What was run, on both sides."""

    name: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        return self.first != self.second


@dataclass(frozen=True)
class Both:
    """Two sweeps, A and B."""

    first: Side
    second: Side

    @cached_property
    def sections(self) -> list[Section]:
        """Every metric that both have, in the first one's order."""
        shared = [name for name in self.first.metrics if name in self.second.metrics]
        return [_section(name, self.first, self.second) for name in shared]

    @property
    def alone(self) -> str:
        """Which metrics only one of them has, in a sentence; empty if there is none."""
        one, other = self.first.metrics, self.second.metrics
        told = {"A": [name for name in one if name not in other], "B": [name for name in other if name not in one]}
        return " ".join(f"Only {side} has {', '.join(names)}." for side, names in told.items() if names)

    @cached_property
    def facts(self) -> list[Fact]:
        return facts(self.first, self.second)

    @cached_property
    def settings(self) -> tuple[list[Setting], int]:
        return settings(self.first.runs, self.second.runs)

    @property
    def differ(self) -> bool:
        """Anything does: what was run, a setting, or a value."""
        pairs = [pair for section in self.sections for _, own in section.lines for pair in own]
        values = any(pair.difference is not None and pair.difference.value != 0 for pair in pairs)
        return values or bool(self.settings[0]) or any(fact.differs for fact in self.facts if fact.name != FINISHED)


def _section(metric: str, first: Side, second: Side) -> Section:
    protocols = first.metrics[metric], second.metrics[metric]
    both = set(second.frame["method"])
    keys = dict.fromkeys(key for side in (first, second) for key in side.rows if key[0] == metric)
    methods = [name for name in dict.fromkeys(first.frame["method"]) if name in both]
    steps = sorted({key[2] for key in keys if key[1] in methods})

    def pair(method: str, count: int) -> Pair:
        key = metric, method, count
        own, other = (side.scores.get(key, {}) for side in (first, second))
        less = difference(other, own) if protocols[0] == protocols[1] else None
        return Pair(first.rows.get(key), second.rows.get(key), less if less and math.isfinite(less.value) else None)

    return Section(metric_info(metric), protocols, steps, [(name, [pair(name, n) for n in steps]) for name in methods])


def found(section: Section) -> str:
    """What the differences of a metric say, in a sentence; why there are none."""
    mine, theirs = section.protocols
    if not section.comparable:
        return ("No difference is shown, for numbers of two protocols cannot be subtracted: "
                f"A {', '.join(mine)}; B {', '.join(theirs)}.")
    if not section.lines:
        return "No method is in both."
    pairs = [pair for _, pairs in section.lines for pair in pairs if pair.difference]
    if not pairs:
        return "No difference is shown: no method has a training seed in common at the same step count."
    known = [pair for pair in pairs if pair.difference and pair.difference.kind == "training"]
    if not known:
        return "No difference has an interval over independent trainings: that takes three training seeds in common."
    below = sum(pair.told and pair.difference.value < 0 for pair in known if pair.difference)
    above = sum(pair.told for pair in known) - below
    good, bad = (above, below) if section.metric.better == "higher" else (below, above)
    words = ("better", "worse") if section.metric.ranks else ("lower", "higher")
    return (f"B is {words[0]} in {good} and {words[1]} in {bad} of {len(known)} differences (zero lies outside the 95 % "
            f"interval; by chance alone {LEVEL * len(known):.2g} would be).")  # fmt: skip


def facts(first: Side, second: Side) -> list[Fact]:
    """What was run, causes first: protocol, data, network, budget, seeds, methods, code, dates."""
    told: list[tuple[str, Callable[[Side], Iterable[str]]]] = [
        ("protocol", lambda side: dict.fromkeys(row["protocol"] for row in side.rows.values() if row["protocol"])),
        ("data", lambda side: sorted({f"{r.data} {r.data_hash[:8]}".strip() for r in side.records})),
        ("network", lambda side: sorted({r.backbone for r in side.records})),
        ("training images", lambda side: [f"{n:,}" for n in sorted({r.images_budget for r in side.records})]),
        ("training seeds", lambda side: [str(n) for n in sorted({r.seed for r in side.records})]),
        ("samples scored", lambda side: [count(n) for n in sorted({row["count"] for row in side.rows.values()} - {0})]),
        ("code", lambda side: sorted({_versions(r) for r in side.records})),
        ("machine", lambda side: sorted({r.device for r in side.records})),
        (FINISHED, lambda side: _span([r.finished[:10] for r in side.records if r.finished])),
    ]  # fmt: skip
    names = [list(dict.fromkeys(side.frame["method"])) for side in (first, second)]
    alone = [[name for name in own if name not in other] for own, other in (names, names[::-1])]
    methods = Fact("methods", *(f"{len(own)}" + f", only here: {_listed(only)}" * bool(only)
                                for own, only in zip(names, alone, strict=True)))  # fmt: skip
    found = [Fact(name, *(", ".join(tell(side)) or "unknown" for side in (first, second))) for name, tell in told]
    return [*found[:6], methods, *found[6:]]


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join([*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])])


def _versions(record: RunRecord) -> str:
    return ", ".join(f"{name} {version}" for name, version in record.versions.items() if name in ("fewstep", "torch"))


def _span(dates: Sequence[str]) -> list[str]:
    return [" to ".join(sorted({min(dates), max(dates)}))] if dates else []
