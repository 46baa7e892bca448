"""One method against all others on one page that loads nothing: where it stands, what it costs, its trainings, its samples."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.image import imsave

from results.pictures import Style, curves, gallery, lines, window
from results.records import At, ProtocolError, Runs, metric_info, near, own_compute, teacher_compute, write_text
from results.statistics import trace
from results.tables import board, captions, costs, count, marks, number, numbers, steps_title, table, words

ASSETS = Path(__file__).parent / "assets"
COSTS = (
    ("training images", "images_seen", count), ("training seconds", "train_seconds", numbers.seconds),
    ("parameters", "params", count), ("compute, forward rows", "compute", count),
    ("teacher's compute", "teacher_compute", count), ("GPU-hours", "gpu_hours", number),
    ("peak memory, bytes", "peak_memory", count),
)  # fmt: skip
BUDGETS = 6  # of the images at which a method was scored, at most so many are told
Row = Mapping[Any, Any]


def write(
    path: Path, frame: pd.DataFrame, runs: Runs, method: str, protocols: Sequence[str] | None = None,
    samples: gallery.Samples | None = None, looks: curves.Looks | None = None,
) -> Path:
    """Write the card of `method`, a label of the leaderboard `frame` of `runs`.

    Raises ValueError naming the nearest method if there is none of that name, StoreError if `path` cannot be written.
    """
    metric = str(frame["metric"].iloc[0]) if len(frame) else ""
    part = frame[frame["metric"] == metric]
    own = part[(part["method"] == method) & (part["sampler"] != "reference")]
    if own.empty:
        known = list(dict.fromkeys(part.loc[part["sampler"] != "reference", "method"]))
        close = (near(method, known, 1, 0) or ["none"])[0]
        raise ValueError(f"--card: there is no method {method!r}; nearest: {close!r}, all: {', '.join(known) or 'none'}")
    trained = trace(runs, set(own["protocol"])).base(method)  # of what is one training's in another way of sampling
    league = str(own["league"].iloc[0])
    peers = part[(part["sampler"] != "reference") & (part["league"] == league)]
    found = words.findings(part, metric, league)
    text = Template((ASSETS / "card.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(method), style=(ASSETS / "card.css").read_text(encoding="utf-8"), metric=html.escape(metric),
        facts=html.escape(_facts(runs, peers, metric, league)), lead=html.escape(_lead(method, own, found)),
        standing=_table(*_standing(own, peers, found, part)), picture=_png(_picture(own, part, metric)),
        costs=_table(*_costs(own, peers)), training=_training(runs, looks or {}, trained, metric, protocols),
        more=_samples(samples.get(method, {}) if samples else {}),
        budgets=_section("At its milestones, and at the compute that it took in all (rank)",
                         _table(*_budgets(runs, method, trained, metric, protocols))),
        notes=html.escape(_notes(own, part, metric)),
    )  # fmt: skip
    write_text(path, text)
    return path


def _facts(runs: Runs, peers: pd.DataFrame, metric: str, league: str) -> str:
    records, info = [record for record, _ in runs if record.kind != "reference"], metric_info(metric)
    said = [", ".join(sorted({record.data for record in records})),
            ", ".join(sorted({record.backbone for record in records})),
            f"{info.title}, {captions.ARROW[info.better]}", f"among {peers['method'].nunique()} methods",
            "" if league == "plain" else captions.league_title(league), captions.seeds(peers)]  # fmt: skip
    return " · ".join(text for text in said if text)


def _lead(method: str, own: pd.DataFrame, found: Sequence[words.Finding]) -> str:
    """Where it is best, where it cannot be told from the best, and where it is; without a number how it ended."""
    first = [each.steps for each in found if each.best == method]
    ties = [each.steps for each in found if method in each.tied]
    behind = [int(steps) for steps in own.loc[own["rank_low"] > 1, "steps"]]
    said = [(first, "has the best mean"), (ties, "cannot be told from the best"), (behind, "is behind others")]
    told = [f"{what} {words.at(steps)}" for steps, what in said if steps]
    if own["value"].notna().any() and not any(each.ranked for each in found):
        metric = str(own["metric"].iloc[0])
        ranks = metric_info(metric).ranks
        told.append("is not ranked: that takes three training seeds" if ranks else f"is not ranked by {metric} alone")
    return f"{method} {'; '.join(told)}." if told else f"{method}: {board.status(board.grouped(own)[0][1])}."


def _standing(
    own: pd.DataFrame, peers: pd.DataFrame, found: Sequence[words.Finding], part: pd.DataFrame
) -> tuple[list[str], list[list[str]]]:
    """A line for each step count: the value and its interval, the range of ranks, and the best."""
    best, body = {each.steps: each for each in found}, []
    gaussian, info = marks.gaussian_fit(part[part["sampler"] == "reference"]), metric_info(str(part["metric"].iloc[0]))
    for row in own.sort_values("steps").to_dict("records"):
        of = int((peers.loc[peers["steps"] == row["steps"], "value"].map(math.isfinite)).sum())
        doubt = marks.of_value({str(column): value for column, value in row.items()}, gaussian, info)
        body.append([steps_title(row["steps"]), _value(row, doubt), _interval(row),
                     f"{_ranks(row)} of {of}" if _ranks(row) else "–",
                     words.of_one(best[row["steps"]])[0] if row["steps"] in best else "–",
                     costs.calls(row)])  # fmt: skip
    return ["sampled with", "mean", "95 % interval", "rank", "best", "NFE"], body


def _value(row: Row, doubt: str = "") -> str:
    if math.isnan(row["value"]):
        return board.absent(dict(row))
    text: str = number(row["value"]) + doubt + f" {marks.TIED}" * (row["mark"] == "tied")
    return text


def _interval(row: Row) -> str:
    return "–" if math.isnan(row["low"]) else f"{number(row['low'])} to {number(row['high'])}{marks.of_interval(row)}"


def _ranks(row: Row) -> str:
    low, high = row["rank_low"], row["rank_high"]
    return "" if math.isnan(low) else f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def _costs(own: pd.DataFrame, peers: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """A line for each cost that was counted: its own, and the others' median."""
    others = peers.drop_duplicates("method")
    body = []
    for title, name, write in COSTS:
        mine, median = float(own[name].iloc[0]), float(others[name].median())
        if mine > 0 or median > 0:
            body.append([title, *("unknown" if math.isnan(value) else write(value) for value in (mine, median))])
    return ["", "its own", "median of all"], body


def _budgets(
    runs: Runs, method: str, trained: str, metric: str, protocols: Sequence[str] | None
) -> tuple[list[str], list[list[str]]]:
    """Ranks among what every method had reached by then: at its own milestones, and at the compute that it took in all."""
    training = [(record, rows) for record, rows in runs if record.kind != "reference"]
    # A label of its own, as of an ablation's row, before a method's name, which all rows of an ablation share.
    own = [run for run in training if run[0].label == trained] or [run for run in training if run[0].method == trained]
    seen = sorted({row.images_seen for _, rows in own for row in rows if row.metric == metric})[:-1]
    ats = [At("images", amount) for amount in seen[:: max(1, math.ceil(len(seen) / BUDGETS))]]
    bills = [own_compute(record) + teacher_compute(record) for record, _ in own]
    known = [run for run in runs if run[0].kind == "reference" or own_compute(run[0]) + teacher_compute(run[0]) >= 0]
    if bills and all(bill > 0 for bill in bills):
        ats.append(At("compute", max(bills)))
    body, columns = [], list[int]()
    for at in ats:
        try:
            frame = table.leaderboard(known if at.kind == "compute" else runs, None, protocols, at=at)
        except ProtocolError:
            continue
        part = frame[(frame["metric"] == metric) & (frame["sampler"] != "reference")]
        mine = part[part["method"] == method]
        if mine.empty:
            continue
        columns = columns or [int(steps) for steps in mine["steps"]]
        cells = {int(row["steps"]): row for row in mine.to_dict("records")}
        others = part[part["league"] == mine["league"].iloc[0]]
        scored = others.loc[others["value"].map(math.isfinite)].groupby("steps")["method"].nunique()
        told = {n: f"{_value(row)} ({_ranks(row) or '–'} of {scored.get(n, 0)})" for n, row in cells.items()}
        title = f"{count(at.amount)} {'images' if at.kind == 'images' else 'forward rows'}"
        body.append([title, *(told.get(n, "–") for n in columns)])
    return ["at", *map(steps_title, columns)], body


def _picture(own: pd.DataFrame, part: pd.DataFrame, metric: str) -> Figure:
    """Its line in colour, all others in grey."""
    style, others = Style.parse("paper,width=5.2,font=8"), part[part["sampler"] != "reference"]
    references = part[part["sampler"] == "reference"]
    figure = Figure(figsize=(style.width, 0.66 * style.width), layout="constrained")
    axes = figure.add_subplot()
    shown = window.window(others["value"], references["value"], metric_info(metric).better)
    lines.scales(axes, others, shown)
    lines.grey(axes, others[others["method"] != own["method"].iloc[0]])
    column = lines.draw(axes, own, references, shown, style)
    lines.tidy(axes, style)
    axes.set_xlabel("network evaluations per sample (NFE)", fontsize=style.font)
    axes.set_ylabel(metric, fontsize=style.font)
    figure.draw_without_rendering()
    column.settle()
    return figure


def _training(runs: Runs, looks: curves.Looks, method: str, metric: str, protocols: Sequence[str] | None) -> str:
    """What its trainings told; empty where they told nothing."""
    figure = curves.picture(runs, looks, (), protocols, only=method, width=7.5, metric=metric)
    alt = f"loss and gradient norm of the trainings of {html.escape(method)}"
    return "" if figure is None else _section("Its training", f'<img alt="{alt}" src="{_png(figure)}">')


def _samples(cells: Mapping[int, np.ndarray]) -> str:
    """Its samples at each step count; empty without images."""
    images = {n: array for n, array in sorted(cells.items()) if array.ndim == 4 and len(array) and np.isfinite(array).all()}
    if not images:
        return ""
    head = "".join(f"<td>{html.escape(steps_title(steps))}</td>" for steps in images)
    body = "".join(f'<td><img class="pixels" alt="samples of {html.escape(steps_title(steps))}" src="{_image(array)}"></td>'
                   for steps, array in images.items())  # fmt: skip
    return _section("Its samples, from the same noise", f'<table class="samples"><tr>{head}</tr><tr>{body}</tr></table>')


def _notes(own: pd.DataFrame, part: pd.DataFrame, metric: str) -> str:
    references = part[part["sampler"] == "reference"]
    said = [f"≈: {marks.TIED_WORDS}. Rank: the range of places that the tests leave it ({marks.TEST}).",
            *captions.notes(own, references, metric_info(metric)), f"Protocol {captions.protocol(own)}."]  # fmt: skip
    return " ".join(said)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>{content}</section>" if content else ""


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Empty without a line."""
    if not body:
        return ""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    rows = ["".join([f'<th scope="row">{html.escape(line[0])}</th>', *(f"<td>{html.escape(cell)}</td>" for cell in line[1:])])
            for line in body]  # fmt: skip
    inside = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="box"><table><thead><tr>{heads}</tr></thead><tbody>{inside}</tbody></table></div>'


def _png(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=180, facecolor="white")
    return _source(file.getvalue())


def _image(array: np.ndarray) -> str:
    file = io.BytesIO()
    imsave(file, gallery.tiled(array), format="png")
    return _source(file.getvalue())


def _source(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
