"""Which runs, checkpoints and evaluation seeds stand behind each number of a leaderboard.

One pass over the rows, by the rules of scores.py: of each run the last checkpoint (within a budget, if there is
one), of a repeated row the later one. A table cell is found again by its label, metric, step count, sampler and EMA, never
by its place in the table.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from results.records import Runs, distinct_labels
from results.statistics.intervals import mean

Key = tuple[str, str, int, str, str]  # label, metric, steps, sampler, ema


@dataclass(slots=True)
class Source:
    """What one training seed gives to a cell: run (its index), checkpoint, and one value per evaluation seed."""

    run: int
    seed: int
    checkpoint: str
    images_seen: int
    count: int
    values: dict[int, float] = field(default_factory=dict)

    def value(self) -> float:
        """The mean over evaluation seeds: what enters the cell's mean."""
        return mean(list(self.values.values()))


@dataclass(frozen=True)
class Trace:
    """Answers where a cell comes from. `labels` names each run's line of the table (references: none)."""

    labels: Mapping[str, str]
    sources: Mapping[Key, Mapping[str, list[Source]]]

    @cached_property
    def _own(self) -> set[str]:
        return set(self.labels.values())

    def base(self, method: str) -> str:
        """The runs' own label behind a line that shows a variant of it ("lsd (ema 0.99)" -> "lsd")."""
        if method in self._own:
            return method
        return max((stem for stem in self._own if method.startswith(f"{stem} (")), key=len, default=method)

    def of(self, cell: Mapping[str, Any]) -> list[Source]:
        """The sources of one row of the leaderboard, in order of their runs; none where nothing was scored.

        A table drawn at a budget tells its checkpoints by their images; else each run's last one is meant. Two time grids may
        share sampler and EMA: the one whose mean is the cell's value is meant.
        """
        place = cell["metric"], cell["steps"], cell["sampler"], cell["ema"]
        grids = self.sources.get((cell["method"], *place)) or self.sources.get((self.base(cell["method"]), *place), {})
        found = [_checkpoints(sources, cell["images_seen"]) for sources in grids.values()]
        return next((each for each in found[1:] if _explains(each, cell["value"])), found[0]) if found else []


def trace(runs: Runs, protocols: Collection[str]) -> Trace:
    """Read all rows of these protocol ids once."""
    labels = distinct_labels([record for record, _ in runs if record.kind != "reference"])
    found: dict[Key, dict[tuple[int, int, str, int], Source]] = defaultdict(dict)
    for index, (record, rows) in enumerate(runs):
        label = labels.get(record.run_id)
        for row in rows:
            if row.protocol not in protocols:
                continue
            parts = found[label or row.label, row.metric, row.steps, row.sampler, row.ema]
            part = (index, record.seed if label else row.seed, row.extra.get("grid") or "", row.images_seen)
            source = parts.get(part)
            if source is None:
                source = parts[part] = Source(index, part[1], row.checkpoint, row.images_seen, row.count)
            source.values[row.evaluation_seed] = row.value
    return Trace(labels, {key: _by_grid(parts) for key, parts in found.items()})


def _by_grid(parts: Mapping[tuple[int, int, str, int], Source]) -> dict[str, list[Source]]:
    grids: dict[str, list[Source]] = defaultdict(list)
    for (_, _, grid, _), source in sorted(parts.items()):
        grids[grid].append(source)
    return grids


def _checkpoints(sources: Sequence[Source], images: float) -> list[Source]:
    """One source per run and seed, from checkpoints in rising order: the one at `images`, else the last."""
    kept: dict[tuple[int, int], Source] = {}
    for source in sources:
        place = source.run, source.seed
        if place not in kept or kept[place].images_seen != images:
            kept[place] = source
    return list(kept.values())


def _explains(found: Sequence[Source], value: float) -> bool:
    return math.isclose(mean([source.value() for source in found]), value, rel_tol=1e-9)
