"""Published numbers beside ours (tables.published), each with its own budget, network and protocol.

A number of other data than ours stands beside none of ours, and a line says how many were left out. No other is comparable
unless everything that it depends on is known and agrees with ours.

Of a metric with a floor both sides are shown as excess over it too; the floor is ours, measured on perfect samples of our
count, so a published number has its excess only where the counts are equal.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from results.compared.published import FOLDER, load
from results.records import PRESET, metric_info, near, write_text
from results.records import published as packaged
from results.tables import count, number, steps_title

__all__ = ["FOLDER", "left_out", "load", "markdown", "marked", "misspelt", "of_data", "write"]

LIST = "Every published number"
ALIKE = 0.75  # of two labels of which one may be the other, written wrongly
NEAR = 1.1  # budgets and networks within this factor count as equal
Row = Mapping[Any, Any]


def write(folder: Path, frame: pd.DataFrame, name: str) -> Path:
    """Write published.md and published.csv into `folder`, the latter with what was left out; returns the page's path."""
    path, published = Path(folder) / "published.md", load(name)
    write_text(path, markdown(frame, published, Path(name).stem))
    write_text(path.with_suffix(".csv"), marked(frame, published).to_csv(index=False, lineterminator="\n"))
    return path


def marked(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The published table with three more columns: `ours` (our value there), `comparable`, and `because`."""
    own = {(r["method"], r["metric"], r.get("nfe", r["steps"])): r for r in _methods(ours).to_dict("records")}
    data = _data(ours)
    rows = [(row, own.get((row["label"], row["metric"], row["steps"])), _other(row, data))
            for row in published.to_dict("records")]  # fmt: skip
    reasons = [other or "; ".join(_unmeasured(row, own) if mine is None else _against(row, mine)) for row, mine, other in rows]
    values = [math.nan if mine is None or other else mine["value"] for _, mine, other in rows]
    return published.assign(ours=values, comparable=["no" if reason else "yes" for reason in reasons], because=reasons)


def of_data(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """What may stand beside ours: the published numbers of our data, and those of which nobody says what they are of."""
    data = _data(ours)
    return published[[not _other(row, data) for row in published.to_dict("records")]]


def left_out(ours: pd.DataFrame, published: pd.DataFrame) -> str:
    """One line on those that may not; empty if there are none."""
    gone = published[~published.index.isin(of_data(ours, published).index)]
    if gone.empty:
        return ""
    names, own = ", ".join(sorted(set(gone["dataset"]))), _data(ours)[""]
    as_dataset = [name for data in own for name in _names(data)[1:2]]
    way = f" (in the column dataset: {', '.join(as_dataset)})" * bool(as_dataset)
    return f"{len(gone)} published number{'s' * (len(gone) > 1)} of {names} left out: the data here is {', '.join(own)}{way}."


def misspelt(ours: pd.DataFrame, published: pd.DataFrame) -> list[str]:
    """A line for each label that is almost one of ours, and none of the tables that we ship."""
    own = set(_methods(ours)["method"])
    strange = [label for label in dict.fromkeys(published["label"]) if label and label not in own]
    if not strange:
        return []
    known = {label for name in packaged.names() for label in load(name)["label"]}
    return [f"published numbers of {label!r} stand beside none of ours; nearest method here: {close[0]!r}"
            for label in strange if label not in known and (close := near(label, own, 1, ALIKE))]  # fmt: skip


def _other(row: Row, data: Mapping[str, Sequence[str]]) -> str:
    """That a published number is of other data than ours of its label, or than all of ours; empty if it is not."""
    own = data.get(row["label"], data[""])
    base = row["dataset"].removesuffix("-cond").removesuffix("-uncond")
    if not base or not own or any(base in _names(data) for data in own):
        return ""
    return f"data {row['dataset']}, ours {', '.join(own)}"


def _data(ours: pd.DataFrame) -> dict[str, list[str]]:
    """Label -> the data of its runs; of all under the empty one."""
    known = ours.loc[ours["data"] != "", ["method", "data"]].drop_duplicates().sort_values("data")
    every = {str(label): part.tolist() for label, part in known.groupby("method")["data"]}
    return every | {"": known["data"].drop_duplicates().tolist()}


def _names(data: str) -> list[str]:
    """Those that it may have as a dataset of a published table: `arrays faces.npz` is arrays, faces or faces.npz."""
    kind, _, file = data.partition(" ")
    return [kind, *dict.fromkeys([Path(file).stem, file] if file else [])]


def _unmeasured(row: Row, own: Collection[tuple[str, str, int]]) -> list[str]:
    """That we have no such number, and what of ours may be meant: the rows of an ablation, a metric of nearly that name."""
    labels, metrics = {label for label, _, _ in own}, {metric for _, metric, _ in own}
    meant = sorted(label for label in labels if row["label"] and label.startswith(f"{row['label']} "))
    if meant and row["label"] not in labels:
        return [f"not measured here: rows are labelled {', '.join(map(repr, meant[:3]))}{', ...' * (len(meant) > 3)}"]
    close = [] if row["metric"] in metrics else near(row["metric"], metrics, 1, 0.8)
    return [f"not measured here: there is {close[0]!r}, and no {row['metric']!r}" if close else "not measured here"]


def _against(row: Row, mine: Row) -> list[str]:
    """Why a published number must not be compared with ours; [] if it may be."""
    protocol = str(mine.get("protocol", ""))
    named = row["protocol"] and (protocol == row["protocol"] or protocol.startswith(f"{row['protocol']}-v"))
    found = [] if named else [
        f"protocol {row['protocol'] or 'unknown'}, ours {protocol or 'unknown'}"]  # fmt: skip
    found += [f"{key} unknown" for key, text in (("data", row["dataset"]), ("league", row["league"])) if not text]
    for name, theirs, its, factor in (("samples", row["count"], mine.get("count"), 1.0),
                                      ("training images", row["budget"], mine.get("images_seen"), NEAR),
                                      ("network", row["params"], mine.get("params"), NEAR)):  # fmt: skip
        if pd.isna(theirs):
            found.append(f"{name} unknown")
        elif not its or not 1 / factor <= theirs / its <= factor:
            found.append(f"{name} {count(theirs)}, ours {count(its) if its and not math.isnan(its) else 'unknown'}")
    if row["dataset"].endswith("-cond"):
        found.append("conditional on the class")
    if row["checkpoint"] or mine.get("checkpoint"):
        found.append(f"checkpoint {row['checkpoint'] or 'the last'}, ours {mine.get('checkpoint') or 'the last'}")
    if row["league"] and row["league"] != mine.get("league", "plain") and not str(mine.get("league")).startswith(PRESET):
        found.append(f"league {row['league']}")
    if row["status"] == "RECALLED":
        found.append("recalled, not read")
    return found


def markdown(ours: pd.DataFrame, published: pd.DataFrame, name: str) -> str:
    """For each published metric that we have, method by method; then every published number with its provenance."""
    sections, gone = [], left_out(ours, published)
    published = of_data(ours, published)
    for metric, part in published.groupby("metric"):
        own, ran = _methods(ours[ours["metric"] == metric]), part[part["label"] != ""]
        if not own.empty:
            sections.append(_section(own, ran[ran["steps"].isin(own["steps"])], str(metric)))
    aligned = _methods(ours[ours["metric"] == "kl"])
    if "kl_50" in set(published["metric"]) and not aligned.empty:
        sections.append(_aligned(aligned, sorted(int(n) for n in published["steps"].unique())))
    listed = [_list(marked(ours, published))] if len(published) else []
    return "\n\n".join([f"# Ours and published: {name}", *filter(None, [gone]), *sections, *listed]) + "\n"


def _methods(ours: pd.DataFrame) -> pd.DataFrame:
    return ours[ours["sampler"] != "reference"]


def _section(ours: pd.DataFrame, published: pd.DataFrame, metric: str) -> str:
    steps = sorted(int(n) for n in published["steps"].unique())
    floors = ours["floor"].dropna()
    floor = float(floors.iloc[0]) if len(floors) else math.nan
    lines = [_line(["method", "whose", *map(steps_title, steps), "training images"]), _line(["---"] * (len(steps) + 3))]
    for label, part in published.groupby("label", sort=False):
        sides = [("ours", ours[ours["method"] == label], True)]
        names = part.groupby("name", sort=False)
        sides += [("published" if len(names) == 1 else f"published: {name}", rows, set(rows["count"]) == set(ours["count"]))
                  for name, rows in names]  # fmt: skip
        for whose, rows, floored in sides:
            images = rows["images_seen" if whose == "ours" else "budget"].max()
            values = _by_steps(rows)
            lines.append(_line([str(label), whose, *(_number(values.get(n)) for n in steps), _images(images)]))
            if floored and not math.isnan(floor):
                above = (_number(values.get(n), floor) for n in steps)
                lines.append(_line([str(label), f"{whose} - floor", *above, ""]))
    info = metric_info(metric)
    sources = list(dict.fromkeys(published["source"]))
    caption = f"{info.note} Published: {sources[0]}." if len(sources) == 1 else info.note
    caption += " Not one budget and protocol: read the order, not the difference; published.csv says why of each number."
    if not math.isnan(floor):
        caption += f" Floor at our {int(ours['count'].max()):,} samples: {number(floor)}."
    return "\n".join([f"## {info.name}: {info.title}", "", caption, "", *lines])


def _aligned(ours: pd.DataFrame, steps: Sequence[int]) -> str:
    """Our own grid: the excess of each method, with its interval moved by the floor."""
    lines = [_line(["method", *map(steps_title, steps)]), _line(["---"] * (len(steps) + 1))]
    for label, part in ours.groupby("method", sort=False):
        rows = {int(row["steps"]): row for row in part.to_dict("records")}
        lines.append(_line([str(label), *(_excess(rows[n]) if n in rows else "" for n in steps)]))
    caption = f"Excess over the floor of {number(float(ours['floor'].iloc[0]))} on a grid whose cells lie within the squares; "
    caption += "mean [95 % Student-t interval over training seeds]."
    return "\n".join(["## kl: the same on aligned cells", "", caption, "", *lines])


def _list(published: pd.DataFrame) -> str:
    head = ["method", "data", "NFE", "metric", "published", "ours", "comparable", "samples", "images", "params", "protocol",
            "checkpoint", "source", "status"]  # fmt: skip
    lines = [_line(head), _line(["---"] * len(head))]
    for row in published.to_dict("records"):
        verdict = "yes" if row["comparable"] == "yes" else f"no: {row['because']}"
        sizes = ("" if pd.isna(row[key]) else count(row[key]) for key in ("count", "budget", "params"))
        steps = "adaptive" if pd.isna(row["steps"]) else f"{row['steps']:.0f}"
        origin = [row["protocol"] or "unknown", row["checkpoint"], row["source"] or "unknown", row["status"]]
        value = [f"{row['value']:g}", _number(row["ours"]), verdict]
        lines.append(_line([row["name"], row["dataset"], steps, row["metric"], *value, *sizes, *origin]))
    caption = ("Comparable: protocol, number of samples, training images and network are all known and agree with ours "
               f"(images and network within a factor {NEAR}). Status: READ-P from the primary source, READ-S from a secondary "
               "one, RECALLED from memory.")  # fmt: skip
    return "\n".join([f"## {LIST}", "", caption, "", *lines])


def _number(value: float | None, less: float = 0.0) -> str:
    return "–" if value is None or math.isnan(value) else number(value - less)


def _images(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3g}"


def _by_steps(part: pd.DataFrame) -> dict[int, float]:
    return {int(row["steps"]): float(row["value"]) for row in part.to_dict("records")}


def _excess(row: Row) -> str:
    bounds: str = "" if pd.isna(row["low"]) else f" [{row['low'] - row['floor']:.4f}, {row['high'] - row['floor']:.4f}]"
    return f"{row['value'] - row['floor']:.4f}{bounds}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
