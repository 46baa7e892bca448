"""Wide tables for eyes, from the tidy leaderboard: one for each metric and league, as plain cells that any format can draw.

The first metric has every column, with what each method cost; the others have values and marks only. `compact` is the first
one for a first look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from results.records import PRESET, Metric, metric_info, near
from results.tables import marks
from results.tables.numbers import billed, count, decimals, fixed, number, seconds, steps_title

ARROW = {"lower": "lower is better", "higher": "higher is better", "": "not a ranking"}
LEAGUES = {
    "extra networks": "a league of its own: further networks are trained beside the one that is sampled from",
    "perceptual": "a league of its own: a perceptual loss shares features with the metric, or a GAN is used",
}
SETTING = "a paper's whole setting: its budget, network and recipe are its own, and no other row had them"
COMPATIBLE = {
    "min_of_evaluation_seeds": "min of {seeds} evaluation seeds",
    "best_checkpoint": "best checkpoint per step count",
}
ITALIC = "reference, one value for any number of steps"
ACCURACY, ACCURATE = "label_accuracy", "label accuracy, %"
FACTS = ("images", "seconds", "params", "teacher images", "teacher seconds", "compute", "teacher compute (share)", "GPU-hours",
         "memory", "NFE", "status")
"""What stands beside a method's values."""
COMPACT = ("images", "seconds")
"""Those that a compact table shows."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One cell's text and emphasis."""

    text: str
    bold: bool = False
    italic: bool = False


@dataclass(frozen=True)
class Wide:
    """One table: title, caption (code in backticks), column heads and lines."""

    title: str
    caption: str
    head: list[str]
    body: list[list[Cell]]
    notes: str = ""
    """What stands under a table whose caption is one sentence."""


def tables(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[Wide]:
    """One table per metric and league in the order of the frame, then the compatibility columns where the frame has them.

    `columns`: the facts that stand beside the values (names of FACTS); None: all.
    """
    found: list[Wide] = []
    for place, (name, part) in enumerate(frame.groupby("metric", sort=False)):
        references = part[part["sampler"] == "reference"]
        shown = () if place else FACTS if columns is None else columns
        for league, own in part[part["sampler"] != "reference"].groupby("league", sort=False):
            beside = accuracies(frame) if place == 0 else {}
            found.append(_table(own, references, metric_info(str(name)), str(league), place == 0, shown, beside))
        if len(references) == len(part):
            found.append(_table(part[:0], references, metric_info(str(name)), "plain", place == 0, shown))
    first = frame[frame["metric"] == frame["metric"].iloc[0]] if len(frame) else frame
    return found + [_compatible(first, column) for column in COMPATIBLE if column in frame]


def compact(frame: pd.DataFrame) -> Wide:
    """The first metric's first league: means, a part of the bill, and a caption of two sentences."""
    own, references, metric, league = _first(frame)
    caption = (
        f"{metric.title}, {ARROW[metric.better]}; mean of {seeds(own)}, protocol `{protocol(own, references)}`. "
        f"{f'Bold = {_marked(own)}; ' * bool(_marked(own))}italic = {ITALIC}."
    )
    table = _table(own, references, metric, league, False, COMPACT)
    caption = " ".join([caption, *notes(own, references, metric, intervals=False)])
    return replace(table, caption=caption)


def brief(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> Wide:
    """`compact` for a column of a paper: a caption of one sentence, the other marks in notes under the table."""
    own, references, metric, league = _first(frame)
    table = _table(own, references, metric, league, False, COMPACT if columns is None else columns)
    marked = f"; bold: {_marked(own).replace(f'{marks.TIED} =', f'{marks.TIED}:')}" * bool(_marked(own))
    caption = f"{metric.title}, {ARROW[metric.better]}, as the mean of {seeds(own)}{marked}."
    under = [f"Italic: {ITALIC}." * bool(len(references)), *notes(own, references, metric, intervals=False),
             f"League: {league_note(league)}." * (league != "plain"), f"Protocol `{protocol(own, references)}`."]  # fmt: skip
    return replace(table, title=metric.name, caption=caption, notes=" ".join(filter(None, under)))


def first(frame: pd.DataFrame) -> pd.DataFrame:
    """The methods' rows of which `compact` and `brief` are made."""
    return _first(frame)[0]


def _first(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, Metric, str]:
    """The leading metric's methods of its first league, and references; the metric; the league."""
    part = frame[frame["metric"] == frame["metric"].iloc[0]]
    references, own = part[part["sampler"] == "reference"], part[part["sampler"] != "reference"]
    league = str(own["league"].iloc[0]) if len(own) else "plain"
    return own[own["league"] == league], references, metric_info(str(part["metric"].iloc[0])), league


def facts(texts: Sequence[str]) -> list[str]:
    """The columns that these names mean, in their order. Raises ValueError naming the nearest of an unknown one."""
    wanted = [name.lower().replace("_", " ") for name in texts if name != "none"]
    short = {name.partition(" (")[0].lower(): name for name in FACTS}
    for name in (name for name in wanted if name not in short):
        close = near(name, short, 1, 0)[0]
        raise ValueError(f"--columns: there is no {name!r}; nearest: {close!r}, all: {', '.join(short)}, none")
    return [short[name] for name in dict.fromkeys(wanted)]


def grouped(part: pd.DataFrame) -> list[tuple[str, list[Row]]]:
    """[(label, its rows as dictionaries)] in the order of the frame."""
    groups: dict[str, list[Row]] = {}
    for row in part.to_dict("records"):
        groups.setdefault(str(row["method"]), []).append({str(column): value for column, value in row.items()})
    return list(groups.items())


def accuracies(frame: pd.DataFrame) -> dict[str, str]:
    """How often samples of each label are taken for the class asked for, in percent at each step count; of conditional runs.

    It stands beside the distance: what is best for one is not for the other.
    """
    part = frame[frame["metric"] == ACCURACY]
    return {label: ", ".join("–" if math.isnan(row["value"]) else f"{100 * row['value']:.1f}" for row in rows)
            for label, rows in grouped(part)}


def step_counts(part: pd.DataFrame) -> list[int]:
    """The step counts that methods have; [0] where there is none."""
    return sorted({int(step) for step in part.loc[part["sampler"] != "reference", "steps"]}) or [0]


def numberless(frame: pd.DataFrame) -> str:
    """One line that says how the methods ended, if none of them has a number anywhere; else empty."""
    own = frame[frame["sampler"] != "reference"]
    if own.empty or own["value"].notna().any():
        return ""
    ends = [(label, status(rows)) for label, rows in grouped(own)]
    said = [f"{', '.join(label for label, own in ends if own == end)} {end}" for end in dict.fromkeys(end for _, end in ends)]
    return f"no method has a number: {'; '.join(said)}"


def across(rows: Sequence[Row], steps: Sequence[int]) -> list[Row | None]:
    """A method's row at each step count, None where it has none."""
    by_steps = {row["steps"]: row for row in rows}
    return [by_steps.get(step) for step in steps]


def named(label: str, rows: Sequence[Row]) -> str:
    """The label, with its league where methods of several stand in one table."""
    return label if rows[0]["league"] == "plain" else f"{label} ({rows[0]['league']})"


def league_title(league: str) -> str:
    """What stands above the table of a league of its own."""
    if league.startswith(PRESET):
        return f"the setting of {league.removeprefix(PRESET).strip()}"
    return f"{league} losses" if league == "perceptual" else league


def league_note(league: str) -> str:
    """Why it is one."""
    return SETTING if league.startswith(PRESET) else LEAGUES.get(league, league)


def absent(row: Row | None) -> str:
    """A diverged or undefined score is the result NaN; what has not (yet) been scored is a dash."""
    if row is None:
        return ""
    return "NaN" if row["seeds"] or "diverged" in row["status"] else "–"


def _table(part: pd.DataFrame, references: pd.DataFrame, metric: Metric, league: str, full: bool,
           shown: Sequence[str] = (), accuracy: Mapping[str, str] = MappingProxyType({})) -> Wide:
    """full: with intervals. shown: the facts beside the values, of a compact table its costs. accuracy: see `accuracies`."""
    steps, methods = step_counts(part), grouped(part)
    columns = sorted((each for each in _facts(part) if each[0] in shown), key=lambda each: shown.index(each[0]))
    told = [ACCURATE] if accuracy else []
    head = ["method", *map(steps_title, steps), *told, *(name for name, _ in columns)]
    body = []
    gaussian = marks.gaussian_fit(references)
    for label, rows in methods:
        line = [Cell(label if "status" in head else _with_status(label, rows))]
        line += [_cell(row, full, gaussian, metric) for row in across(rows, steps)]
        line += [Cell(accuracy.get(label, "")) for _ in told]
        body.append([*line, *(Cell(write(rows)) for _, write in columns)])
    if full and part["detectable"].notna().any():
        seen = [part.loc[part["steps"] == step, "detectable"].dropna() for step in steps]
        line = [Cell(number(float(values.median())) if len(values) else "", italic=True) for values in seen]
        body.append(_padded([Cell("smallest difference detectable", italic=True), *line], head))
    for label, rows in grouped(references):
        line = [Cell(label, italic=True), _cell(rows[0], full, gaussian, metric)]
        line += [Cell("")] * (len(steps) - 1) + [Cell(accuracy.get(label, "")) for _ in told]
        body.append(_padded(line, head))
    title = f"{metric.name}: {metric.title} ({ARROW[metric.better]})"
    if league != "plain":
        title += f"; {league_title(league)}"
    return Wide(title, _caption(part, references, metric, league, full, head), head, body)


def _compatible(part: pd.DataFrame, column: str) -> Wide:
    own = part[part["sampler"] != "reference"]
    steps, metric = step_counts(own), metric_info(str(own["metric"].iloc[0]) if len(own) else "")
    body = [
        [Cell(named(label, rows)), *(Cell("" if row is None else number(row[column])) for row in across(rows, steps))]
        for label, rows in grouped(own)
    ]
    seeds = int(own["evaluation_seeds"].max()) if len(own) else 0
    rule = COMPATIBLE[column].format(seeds=seeds)
    caption = "For comparison with papers that report it so: chosen by the metric itself, hence too good. Not ranked."
    return Wide(f"{metric.name}, compatibility: {rule}", caption, ["method", *map(steps_title, steps)], body)


def _padded(line: list[Cell], head: Sequence[str]) -> list[Cell]:
    return line + [Cell("")] * (len(head) - len(line))


def _cell(row: Row | None, full: bool, gaussian: float, metric: Metric) -> Cell:
    """`value [low, high]` and its marks; a word where no value is; empty where the method has no such step count."""
    if row is None or math.isnan(row["value"]):
        return Cell(absent(row))
    places = decimals(row["value"])
    text = fixed(row["value"], places)
    if full and not math.isnan(row["low"]):
        text += f" [{fixed(row['low'], places)}, {fixed(row['high'], places)}]" + marks.of_interval(row)
    text += marks.of_value(row, gaussian, metric) + f" {marks.TIED}" * (row["mark"] == "tied")
    return Cell(text, bold=row["mark"] == "best")


def _facts(part: pd.DataFrame) -> list[tuple[str, Any]]:
    """(head, a method's rows -> text) of FACTS; what no run of the table has counted gets no column."""
    columns: list[tuple[str, Any]] = [
        ("images", lambda r: count(r["images_seen"])),
        ("seconds", lambda r: seconds(r["train_seconds"])),
        ("params", lambda r: count(r["params"])),
        ("teacher images", lambda r: billed(count, r["teacher_images"])),
        ("teacher seconds", lambda r: billed(seconds, r["teacher_seconds"])),
    ]
    if (part["compute"] > 0).any():
        columns.append(("compute", lambda r: count(r["compute"])))
        columns.append(("teacher compute (share)", _teacher))
    if (part["gpu_hours"] > 0).any():
        columns.append(("GPU-hours", lambda r: number(r["gpu_hours"])))
    if (part["peak_memory"] > 0).any():
        columns.append(("memory", lambda r: f"{count(r['peak_memory'])}B"))
    bill: list[tuple[str, Any]] = [(name, lambda rows, write=write: write(rows[0])) for name, write in columns]
    return [*bill, ("NFE", _nfe), ("status", status)]


def _teacher(row: Row) -> str:
    full, share = row["teacher_compute"], row["teacher_compute_share"]
    if math.isnan(row["teacher_images"]):
        return billed(count, math.nan)
    return count(full) if full == share or math.isnan(full) else f"{count(full)} ({count(share)})"


def _nfe(rows: Sequence[Row]) -> str:
    same = all(row["nfe"] == row["steps"] == row["nfe_rows"] for row in rows)
    return "= steps" if same else ", ".join(calls(row) for row in rows)


def calls(row: Mapping[Any, Any]) -> str:
    """Network calls, with rows per sample in brackets where one call takes more than one row."""
    return f"{row['nfe']:g}" + (f" ({row['nfe_rows']:g} rows)" if row["nfe_rows"] != row["nfe"] else "")


def status(rows: Sequence[Row]) -> str:
    """How a method's runs ended, of all its step counts."""
    return "; ".join(dict.fromkeys(row["status"] for row in rows))


def _with_status(label: str, rows: Sequence[Row]) -> str:
    """A label for a table without a column of statuses."""
    return label if status(rows) == "done" else f"{label} ({status(rows)})"


def _caption(part: pd.DataFrame, references: pd.DataFrame, metric: Metric, league: str, full: bool, head: Sequence[str]) -> str:
    floors = sorted({number(v) for v in [*part["floor"].dropna(), *references["floor"].dropna()]})
    words = [
        "Mean [95 % Student-t interval over training seeds, for references over sample draws; none below three]; " * full,
        f"bold = {_marked(part)} ({marks.TEST}); " * bool(_marked(part) and full),
        f"italic = {ITALIC}." if full else "Means; intervals stand in leaderboard.csv.",
        "Two training seeds give no interval worth the name." if full and (part["seeds"] == 2).any() else "",
        *notes(part, references, metric, intervals=full),
        "Detectable: the smallest true difference between two methods of the usual noise that such a test shows with 80 % "
        "power (median over methods)." if full and part["detectable"].notna().any() else "",
        f"League: {league_note(league)}; ranked by itself." if league != "plain" else "",
        f"Protocol `{protocol(part, references)}`; {seeds(part)}; {_evaluations(part)}.",
        metric.note,
        f"Floor: {', '.join(floors)}." if floors else "",
        "Compute is in forward evaluations of a row: forward + 2 x backward + JVP rows; of the teacher's, in brackets, the "
        "share of each run that learns from it." if any("compute" in name for name in head) else "",
    ]  # fmt: skip
    return " ".join(word.strip() for word in words if word)


def _marked(part: pd.DataFrame) -> str:
    """What bold and ≈ mean, of those that occur; empty where nothing is marked."""
    tied = f", {marks.TIED} = {marks.TIED_WORDS}" * bool((part["mark"] == "tied").any())
    return f"{marks.BEST_WORDS}{tied}" if (part["mark"] == "best").any() else ""


def notes(part: pd.DataFrame, references: pd.DataFrame, metric: Metric, intervals: bool = True) -> list[str]:
    """A sentence for each of the other marks that occur; without those of `intervals` where none is shown."""
    rows = [row for _, rows in grouped(part) for row in rows]
    found = marks.kind_words(set(part["interval"])) if intervals else []
    found += [marks.kept_words(part), marks.precision_words(part)]
    return [words for words in (*found, marks.doubt_words(rows, marks.gaussian_fit(references), metric)) if words]


def protocol(*parts: pd.DataFrame) -> str:
    """The ids behind a table."""
    return ", ".join(dict.fromkeys(str(name) for part in parts for name in part["protocol"] if name)) or "none"


def seeds(part: pd.DataFrame) -> str:
    """The number of finished training seeds behind the methods' values, as one number or a range."""
    return _several(part.loc[part["sampler"] != "reference", "seeds"], "training seed")


def _evaluations(part: pd.DataFrame) -> str:
    scored = part[part["evaluation_seeds"] > 0]
    return f"{_several(scored['evaluation_seeds'], 'evaluation seed')} x {_several(scored['count'], 'sample')}"


def _several(values: pd.Series, noun: str) -> str:
    """A number of things, or a range of it: "1 training seed", "2 to 3 training seeds"."""
    text = _range(values)
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def _range(values: pd.Series) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
