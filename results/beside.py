"""Published numbers beside ours: `results/published/NAME.csv`, with the columns label, metric, steps, value, count, budget
and paper.

`label` and `metric` are those of our table, `count` is the number of samples that were scored, `budget` of training
images. Of a metric with a floor both sides are shown as excess over it too; the floor is ours, measured on perfect samples
of our count, so a published number has its excess only where the counts are equal.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from results.metric import metric_info
from results.render import number
from results.store import StoreError, write_text

FOLDER = Path(__file__).parent / "published"


def load(name: str) -> pd.DataFrame:
    """The published table `name`. Raises StoreError naming the nearest one that exists."""
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        near = difflib.get_close_matches(name, [p.stem for p in FOLDER.glob("*.csv")], 1, 0) or ["none"]
        raise StoreError(f"sweep.published: there is no table {name!r} in results/published; nearest: {near[0]!r}")
    return pd.read_csv(path)


def write(folder: Path, frame: pd.DataFrame, name: str) -> Path:
    """Write published.md into `folder`; returns its path."""
    path = Path(folder) / "published.md"
    write_text(path, markdown(frame, load(name), name))
    return path


def markdown(ours: pd.DataFrame, published: pd.DataFrame, name: str) -> str:
    """One section per published metric: our mean, the published value, and both as excess where there is a floor."""
    sections = [_section(ours[ours["metric"] == metric], part, str(metric)) for metric, part in published.groupby("metric")]
    aligned = ours[(ours["metric"] == "kl") & (ours["sampler"] != "reference")]
    if "kl_50" in set(published["metric"]) and not aligned.empty:
        sections.append(_aligned(aligned, sorted(published["steps"].unique())))
    return "\n\n".join([f"# Ours and published: {name}", *sections]) + "\n"


def _section(ours: pd.DataFrame, published: pd.DataFrame, metric: str) -> str:
    steps, ours = sorted(published["steps"].unique()), ours[ours["sampler"] != "reference"]
    floors = ours["floor"].dropna()
    floor = float(floors.iloc[0]) if len(floors) else math.nan
    lines = [_line(["method", "whose", *map(_steps, steps), "training images"]), _line(["---"] * (len(steps) + 3))]
    for label, part in published.groupby("label", sort=False):
        own, comparable = ours[ours["method"] == label], set(part["count"]) == set(ours["count"])
        for whose, rows, images, floored in (("ours", own, own["images_seen"].max(), True),
                                             ("published", part, part["budget"].max(), comparable)):
            values = _by_steps(rows)
            lines.append(_line([str(label), whose, *(_number(values.get(n)) for n in steps), f"{images:.3g}"]))
            if floored and not math.isnan(floor):
                above = (_number(values.get(n), floor) for n in steps)
                lines.append(_line([str(label), f"{whose} - floor", *above, ""]))
    info, paper = metric_info(metric), ", ".join(dict.fromkeys(published["paper"]))
    caption = f"{info.note} Published: {paper}. Not the same budget: read the order, not the difference."
    if not math.isnan(floor):
        caption += f" Floor at our {int(ours['count'].max()):,} samples: {number(floor)}."
    return "\n".join([f"## {info.name}: {info.title}", "", caption, "", *lines])


def _aligned(ours: pd.DataFrame, steps: list[int]) -> str:
    """Our own grid: the excess of each method, with its interval moved by the floor."""
    lines = [_line(["method", *map(_steps, steps)]), _line(["---"] * (len(steps) + 1))]
    for label, part in ours.groupby("method", sort=False):
        rows = {int(row["steps"]): row for row in part.to_dict("records")}
        lines.append(_line([str(label), *(_excess(rows[n]) if n in rows else "" for n in steps)]))
    caption = f"Excess over the floor of {number(float(ours['floor'].iloc[0]))} on a grid whose cells lie within the squares; "
    caption += "mean [95 % Student-t interval over training seeds]."
    return "\n".join(["## kl: the same on aligned cells", "", caption, "", *lines])


def _number(value: float | None, less: float = 0.0) -> str:
    return "–" if value is None or math.isnan(value) else number(value - less)


def _by_steps(part: pd.DataFrame) -> dict[int, float]:
    return {int(row["steps"]): float(row["value"]) for row in part.to_dict("records")}


def _excess(row: dict[Hashable, Any]) -> str:
    bounds = "" if pd.isna(row["low"]) else f" [{row['low'] - row['floor']:.4f}, {row['high'] - row['floor']:.4f}]"
    return f"{row['value'] - row['floor']:.4f}{bounds}"


def _steps(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
