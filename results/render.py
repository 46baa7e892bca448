"""The leaderboard for eyes: a Markdown page with one wide table per metric, and a compact text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from results.metric import Metric, metric_info
from results.statistics import Interval, ties_with_best

_ARROW = {"lower": "lower is better", "higher": "higher is better", "": "not a ranking"}


def markdown(frame: pd.DataFrame, title: str = "Leaderboard") -> str:
    """The whole page: one section per metric, in the order of the frame."""
    sections = [_section(part, metric_info(str(name))) for name, part in frame.groupby("metric", sort=False)]
    return "\n\n".join([f"# {title}", *(sections or ["No run has been scored yet."])]) + "\n"


def plain(frame: pd.DataFrame, metric: str | None = None) -> str:
    """One metric (default: the first) as an aligned table for the terminal: mean +- half interval, * best or tied."""
    name = metric or (str(frame["metric"].iloc[0]) if len(frame) else "")
    part = frame[frame["metric"] == name]
    if part.empty:
        return "nothing scored yet"
    info, steps = metric_info(name), _steps(part)
    best = _best(part, info)
    body = [[label, *(_short_cell(r, best) for r in _across(rows, steps)), *_bill(rows)] for label, rows in _methods(part)]
    body += [[label, _short_cell(rows[0], best)] + [""] * (len(steps) + 4) for label, rows in _references(part)]
    head = [info.name, *map(_steps_title, steps), "images", "seconds", "params", "teacher", "status"]
    star = ", * best or tied" if info.better else ""
    caption = f"{info.title}, {_ARROW[info.better]}; mean ±95 % over training seeds"
    caption += f" (references: over sample draws){star}"
    return "\n".join([*_aligned([head, *body]), f"{caption}; protocol {_protocol(part)}, {_seeds(part)}"])


def number(value: float) -> str:
    """Three significant digits, without an exponent where a plain number is readable."""
    return _fixed(value, _decimals(value))


def count(value: float) -> str:
    """A count in three digits and a unit: 950, 10.5k, 55.7M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}" if math.isfinite(value) else "NaN"


def _section(part: pd.DataFrame, metric: Metric) -> str:
    steps, best = _steps(part), _best(part, metric)
    head = ["method", *map(_steps_title, steps)]
    head += ["images", "seconds", "params", "teacher images", "teacher seconds", "NFE", "status"]
    body = [[label, *(_cell(r, best) for r in _across(rows, steps)), *_costs(rows)] for label, rows in _methods(part)]
    body += [[f"*{label}*", _cell(rows[0], best)] + [""] * (len(head) - 2) for label, rows in _references(part)]
    rule = ["---", *["---:"] * (len(head) - 2), "---"]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *(map(_escaped, line) for line in body))]
    title = f"## {metric.name}: {metric.title} ({_ARROW[metric.better]})"
    return "\n".join([title, "", _caption(part, metric), "", *lines])


def _steps_title(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"


def _caption(part: pd.DataFrame, metric: Metric) -> str:
    ranks = "bold = best of its column, and all whose interval overlaps the best one's; " if metric.better else ""
    floors = sorted({number(value) for value in part["floor"].dropna()})
    words = [
        "Mean [95 % Student-t interval over training seeds, for references over sample draws; none below three]; "
        f"{ranks}italic = reference, one value for any number of steps.",
        f"Protocol `{_protocol(part)}`; {_seeds(part)}; {_evaluations(part)}.",
        metric.note,
        f"Floor: {', '.join(floors)}." if floors else "",
    ]
    return " ".join(word for word in words if word)


def _methods(part: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    return _grouped(part[part["sampler"] != "reference"])


def _references(part: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    return _grouped(part[part["sampler"] == "reference"])


def _grouped(part: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """[(label, its rows as dictionaries)] in the order of the frame."""
    return [(str(label), rows.to_dict("records")) for label, rows in part.groupby("method", sort=False)]  # type: ignore[misc]


def _steps(part: pd.DataFrame) -> list[int]:
    return sorted({int(step) for step in part.loc[part["sampler"] != "reference", "steps"]}) or [0]


def _across(rows: Sequence[dict[str, Any]], steps: Sequence[int]) -> list[dict[str, Any] | None]:
    by_steps = {row["steps"]: row for row in rows}
    return [by_steps.get(step) for step in steps]


def _best(part: pd.DataFrame, metric: Metric) -> set[tuple[str, int]]:
    """(method, steps) of the best cell of each step count and of those that tie with it."""
    found: set[tuple[str, int]] = set()
    if metric.better:
        for _, column in part[part["sampler"] != "reference"].groupby("steps"):
            rows = column.to_dict("records")
            entries = [Interval(row["value"], row["low"], row["high"], row["seeds"]) for row in rows]
            flags = ties_with_best(entries, metric.better)
            found |= {(row["method"], row["steps"]) for row, tied in zip(rows, flags, strict=True) if tied}
    return found


def _cell(row: dict[str, Any] | None, best: set[tuple[str, int]]) -> str:
    """`value [low, high]`, bold if best; a word where no value is; empty where the method has no such step count."""
    if row is None or math.isnan(row["value"]):
        return _absent(row)
    decimals = _decimals(row["value"])
    text = _fixed(row["value"], decimals)
    if not math.isnan(row["low"]):
        text += f" [{_fixed(row['low'], decimals)}, {_fixed(row['high'], decimals)}]"
    return f"**{text}**" if (row["method"], row["steps"]) in best else text


def _short_cell(row: dict[str, Any] | None, best: set[tuple[str, int]]) -> str:
    if row is None or math.isnan(row["value"]):
        return _absent(row)
    decimals = _decimals(row["value"])
    half = "" if math.isnan(row["low"]) else f" ±{_fixed(row['high'] - row['value'], decimals)}"
    return _fixed(row["value"], decimals) + half + "*" * ((row["method"], row["steps"]) in best)


def _absent(row: dict[str, Any] | None) -> str:
    """A diverged or undefined score is the result NaN; what has not (yet) been scored is a dash."""
    if row is None:
        return ""
    return "NaN" if row["seeds"] or "diverged" in row["status"] else "–"


def _costs(rows: Sequence[dict[str, Any]]) -> list[str]:
    first = rows[0]
    calls, bill = [row["nfe"] for row in rows], _bill(rows)
    same = calls == [row["steps"] for row in rows] and calls == [row["nfe_rows"] for row in rows]
    nfe = "= steps" if same else ", ".join(_calls(row) for row in rows)
    return [*bill[:4], f"{first['teacher_seconds']:,.0f}", nfe, bill[4]]


def _calls(row: dict[str, Any]) -> str:
    """Network calls, with rows per sample in brackets where one call takes more than one row."""
    return f"{row['nfe']:g}" + (f" ({row['nfe_rows']:g} rows)" if row["nfe_rows"] != row["nfe"] else "")


def _bill(rows: Sequence[dict[str, Any]]) -> list[str]:
    """images, seconds, params, teacher images, status."""
    statuses = list(dict.fromkeys(row["status"] for row in rows))
    first, images = rows[0], count(max(row["images_seen"] for row in rows))
    seconds, params = f"{first['train_seconds']:,.0f}", count(first["params"])
    return [images, seconds, params, count(first["teacher_images"]), "; ".join(statuses)]


def _protocol(part: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(str(name) for name in part["protocol"] if name)) or "none"


def _seeds(part: pd.DataFrame) -> str:
    """The number of finished training seeds behind the methods' values, as one number or a range."""
    return f"{_range(part.loc[part['sampler'] != 'reference', 'seeds'])} training seeds"


def _evaluations(part: pd.DataFrame) -> str:
    scored = part[(part["evaluation_seeds"] > 0) & (part["sampler"] != "reference")]
    return f"{_range(scored['evaluation_seeds'])} evaluation seeds x {_range(scored['count'])} samples"


def _range(values: pd.Series) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _decimals(value: float) -> int:
    """Decimals that show three significant digits; -1 where an exponent is needed."""
    if value == 0 or not math.isfinite(value):
        return 0
    size = math.floor(math.log10(abs(value)))
    return max(0, 2 - size) if -4 <= size < 6 else -1


def _fixed(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "NaN"
    return f"{value:.2e}" if decimals < 0 else f"{value:.{decimals}f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    last = len(widths) - 1
    padded = [
        [cell.ljust(width) if i in (0, last) else cell.rjust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(line, widths, strict=True) for line in lines)
    ]
    return ["  ".join(line).rstrip() for line in padded]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
