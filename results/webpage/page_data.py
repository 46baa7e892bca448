"""What the page shows, as plain JSON data: each fact once, and cells that point to them by index.

A sweep of 2,000 runs has tens of thousands of cells whose protocols, seeds and runs repeat; tables of distinct values keep
the page at a few megabytes. Numbers carry six digits. NaN is null, an infinity the string "Infinity" or "-Infinity".
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from results.pictures import families, plots
from results.records import RunRecord, Runs, metric_info
from results.statistics import Source, Trace, trace
from results.tables import captions, marks, wide, words
from results.webpage.page_configs import Configs

REFERENCE = "reference"
MARKS = ("", "tied", "best")  # of a cell, by index
# What a method's training cost: title, unit, and the columns of the leaderboard that add up to it.
Column = tuple[str, str, tuple[str, ...]]
BILL: tuple[Column, ...] = (
    ("images", "count", ("images_seen",)),
    ("teacher images", "count", ("teacher_images",)),
    ("compute", "count", ("compute",)),
    ("teacher compute", "count", ("teacher_compute",)),
    ("shared teacher compute", "count", ("teacher_compute_share",)),
    ("time", "seconds", ("train_seconds",)),
    ("teacher time", "seconds", ("teacher_seconds",)),
    ("GPU-hours", "hours", ("gpu_hours",)),
    ("params", "count", ("params",)),
    ("peak memory", "bytes", ("peak_memory",)),
)
# The names of `costs.FACTS`, where they are others.
AS_FACT = {"time": "seconds", "teacher time": "teacher seconds", "teacher compute": "teacher compute (share)",
           "shared teacher compute": "teacher compute (share)", "peak memory": "memory"}
COSTS = (
    ("compute with the teacher's, in forward rows", "count", ("total_compute",)),
    ("training time with the teacher's", "seconds", ("train_seconds", "teacher_seconds")),
    ("training images with the teacher's", "count", ("images_seen", "teacher_images")),
    ("GPU-hours without the teacher's", "hours", ("gpu_hours",)),
)
NOISE = ("training_sd", "sampling_sd", "detectable", "rank_low", "rank_high")  # of one cell, where the leaderboard has them
HIDDEN = ("config", "schema", "kind", "final", "rows")  # fields of a record that are not shown: each value names its checkpoint


class Table:
    """Distinct values in order of appearance; `add` gives the index of a value."""

    def __init__(self) -> None:
        self._index: dict[Hashable, int] = {}

    def add(self, value: Hashable) -> int:
        return self._index.setdefault(value, len(self._index))

    @property
    def values(self) -> list[Any]:
        return list(self._index)


def payload(
    frame: pd.DataFrame, runs: Runs, title: str, note: str = "", published: pd.DataFrame | None = None,
    remarks: Sequence[str] = (), columns: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The data of the page: a pure function of the leaderboard and its runs, serialisable with json.

    `columns`: the costs to choose from, of `costs.FACTS` in this order (None: all that were counted).
    """
    runs = list({record.run_id: (record, rows) for record, rows in runs}.values())
    records = [record for record, _ in runs]
    cells = _records(frame)
    found = trace(runs, {cell["protocol"] for cell in cells})
    methods, statuses, hows, sources, groups = Table(), Table(), Table(), Table(), Table()
    by_metric: dict[str, list[Any]] = defaultdict(list)
    noise, rules = [name for name in NOISE if name in frame], [name for name in wide.COMPATIBLE if name in frame]
    parts = {str(name): part for name, part in frame.groupby("metric", sort=False)}
    gaussian = {name: marks.gaussian_fit(part[part["sampler"] == REFERENCE]) for name, part in parts.items()}
    configs, nets = Configs(records), _nets(runs)
    for cell in cells:
        behind = found.of(cell)
        group = tuple(sources.add(_source(source)) for source in behind)
        how = (cell["protocol"], cell["sampler"], cell["ema"], cell["count"], number(cell["floor"]), cell.get("interval", ""))
        by_metric[cell["metric"]].append([
            methods.add(cell["method"]), cell["steps"], number(cell["nfe"]), number(cell["nfe_rows"]), number(cell["value"]),
            number(cell["low"]), number(cell["high"]), cell["seeds"], MARKS.index(cell["mark"]), statuses.add(cell["status"]),
            hows.add(how), groups.add(group), [number(source.value()) for source in behind],
            [number(cell[name]) for name in noise], [number(cell[name]) for name in rules],
            int(bool(marks.of_value(cell, gaussian[cell["metric"]], metric_info(cell["metric"])))),
        ])  # fmt: skip
    first = {cell["method"]: cell for cell in reversed(cells)}
    lines = [first[name] for name in methods.values]
    leagues = {str(line["league"]) for line in lines if line.get("league", "plain") != "plain"}
    draws = max((line.get("evaluation_seeds", 0) for line in lines if line["sampler"] != REFERENCE), default=0)
    return {
        "title": title,
        "note": note,
        "remarks": list(remarks),
        "facts": _facts(records),
        "methods": methods.values,
        "references": [int(line["sampler"] == REFERENCE) for line in lines],
        "slots": _slots(frame, methods.values),
        "families": _families([line["method"] for line in lines if line["sampler"] != REFERENCE]),
        "leagues": ["" if line.get("league", "plain") == "plain" else line["league"] for line in lines],
        "league_titles": {name: captions.league_title(name) for name in leagues},
        "league_notes": {name: captions.league_note(name) for name in leagues},
        "mark_words": ["", marks.TIED_WORDS, marks.BEST_WORDS],
        "rules": [wide.COMPATIBLE[name].format(seeds=draws) for name in rules],
        "runs_of": _runs_of(methods.values, records, found),
        "metrics": [_metric(name, parts[name], nets) | {"cells": rows} for name, rows in by_metric.items()],
        "noise": noise,
        "statuses": statuses.values,
        "hows": hows.values,
        "sources": sources.values,
        "groups": groups.values,
        "bill": _sums(_chosen(columns), lines),
        "costs": _sums(COSTS, lines),
        "runs": _columns([_described(*each) for each in zip(records, configs.hashes, strict=True)]),
        "configs": configs.parts(),
        "published": _published(published),
    }


def number(value: float) -> float | int | str | None:
    """A JSON number of six significant digits; NaN is None, an infinity a word that both languages read back."""
    if isinstance(value, int):
        return value
    if math.isfinite(value):
        short = float(f"{value:.6g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries of plain Python values (five times faster than the frame's own conversion)."""
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*(frame[name].tolist() for name in names), strict=True)]


def _nets(runs: Runs) -> dict[str, str]:
    """Protocol id -> the feature net whose features it is taken on, where a record says so; points have none."""
    told = ((dict(record.config).get("protocol"), rows) for record, rows in runs)  # its whole protocol, no key of a command
    return {row.protocol: str(protocol["features"]).partition(":")[0] for protocol, rows in told
            if isinstance(protocol, Mapping) and protocol.get("features", "none") != "none" for row in rows}  # fmt: skip


def _metric(name: str, part: pd.DataFrame, nets: Mapping[str, str]) -> dict[str, Any]:
    """`headline`: what was found, in words; `features`: of which nets."""
    info, references = metric_info(name), part["sampler"] == REFERENCE
    return {"name": name, "title": info.title, "better": info.better, "ranks": info.ranks, "note": info.note,
            "headline": words.headline(part, name), "features": sorted({nets[id_] for id_ in part["protocol"] if id_ in nets}),
            "marks": captions.notes(part[~references], part[references], info)}  # fmt: skip


def _source(source: Source) -> Hashable:
    return source.run, source.seed, source.checkpoint, source.images_seen, source.count, tuple(source.values)


def _runs_of(methods: Sequence[str], records: Sequence[RunRecord], found: Trace) -> list[list[int]]:
    """Indices of the runs behind each line of the table, scored or not; none for references."""
    own: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        if label := found.labels.get(record.run_id):
            own[label].append(index)
    return [own.get(name) or own.get(found.base(name), []) for name in methods]


def _families(labels: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """[(family, what else it is called, its methods)] where there are so many methods that the pictures part them too."""
    found = families.together(labels) if len(labels) > plots.TOGETHER else []
    return [(family, families.KNOWN.get(family, ""), own) for family, own in found] if len(found) > 1 else []


def _slots(frame: pd.DataFrame, methods: Sequence[str]) -> list[int | None]:
    """By which each method has its colour in the pictures, which are of the first metric; None where it has none there."""
    own = frame[(frame["metric"] == frame["metric"].iloc[0]) & (frame["sampler"] != REFERENCE)] if len(frame) else frame
    found = plots.slots(own, metric_info(str(own["metric"].iloc[0])).better) if len(own) else {}
    return [found.get(name) for name in methods]


def _chosen(columns: Sequence[str] | None) -> list[Column]:
    """The columns of the bill that these facts name, in their order; all without any."""
    if columns is None:
        return list(BILL)
    return [each for fact in columns for each in BILL if AS_FACT.get(each[0], each[0]) == fact]


def _sums(columns: Sequence[Column], lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each method the sum of its columns; what the leaderboard lacks or nobody paid is left out."""
    shown = []
    for title, unit, names in columns:
        paid = [sum(line.get(name, 0) for name in names) for line in lines]
        if any(value > 0 for value in paid):
            shown.append({"title": title, "unit": unit, "values": [number(value) for value in paid]})
    return shown


def _facts(records: Sequence[RunRecord]) -> list[str]:
    """What was compared, in a few words each: data, backbone, budget, seeds, how the runs ended."""
    own = [record for record in records if record.kind != "reference"]
    if not own:
        return []
    budgets, statuses = sorted({r.images_budget for r in own}), [record.status for record in own]
    words = [", ".join(sorted({record.data for record in own})), ", ".join(sorted({record.backbone for record in own}))]
    words.append(" to ".join(f"{budget:,}" for budget in sorted({budgets[0], budgets[-1]})) + " images")
    words.append(_counted(len({record.seed for record in own}), "training seed"))
    ended = ", ".join(f"{statuses.count(name)} {name}" for name in dict.fromkeys(statuses) if name != "done")
    return [word for word in [*words, _counted(len(own), "run") + (f" ({ended})" if ended else "")] if word]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _described(record: RunRecord, config_hash: str) -> dict[str, Any]:
    """A run's fields as flat values; the configuration as a hash, dictionaries as text."""
    fields = {name: value for name, value in record.to_dict().items() if name not in HIDDEN}
    fields["config_hash"] = config_hash
    for name, value in fields.items():
        if isinstance(value, Mapping):
            fields[name] = ", ".join(f"{key} {value[key]}" for key in value)
        elif isinstance(value, float):
            fields[name] = number(value)
    return fields


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{field: [distinct values, index per row]}; the index is left out where one value serves all, or each has its own."""
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        values = Table()
        index = [values.add(row[name]) for row in rows]
        columns[name] = [values.values] if len(values.values) in (1, len(rows)) else [values.values, index]
    return {"count": len(rows), "fields": columns}


def _published(table: pd.DataFrame | None) -> dict[str, Any] | None:
    if table is None or table.empty:
        return None
    rows = [[_plain(value) for value in row] for row in table.itertuples(index=False)]
    return {"columns": [str(name) for name in table.columns], "rows": rows}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
