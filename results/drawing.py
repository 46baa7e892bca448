"""Everything that a report writes, from the records of runs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from results.records import (
    KEPT_CURVES,
    At,
    Look,
    Runs,
    StoreError,
    StoreWarning,
    keep_curves,
    near,
    own_compute,
    teacher_compute,
    write_text,
)

if TYPE_CHECKING:  # loaded where something is drawn: --help and a wrong folder need none of it
    import pandas as pd

    from results.pictures import Style, gallery

TABLES = ("leaderboard.csv", "leaderboard.md", "leaderboard.tex", "leaderboard_compact.tex", "pareto.csv")
PICTURES = ("pareto.png", "metric_vs_steps.png")


def write(
    runs: Runs,
    out: Path,
    order: Sequence[str] | None = None,
    samples: gallery.Samples | None = None,
    *,
    metric: str | None = None,
    protocols: Collection[str] | None = None,
    published: str | None = None,
    at: At | None = None,
    compatible: bool = False,
    against: str | None = None,
    tuned: str = "",
    note: str = "",
    remarks: Mapping[str, str] | None = None,
    looks: Mapping[str, Sequence[Look]] | None = None,
    columns: Sequence[str] | None = None,
    style: Style | None = None,
    asked: Mapping[str, int] | None = None,
    title: str | None = None,
) -> pd.DataFrame:
    """Write the leaderboard (csv, md, tex), the Pareto view (csv), both pictures and index.html into `out`, and where
    samples were guided at several scales a picture of guidance; curves.png where `looks` say what the trainings told, by run
    id. Samples and looks are kept beside them, so that all can be drawn again.

    `published` names a table of published numbers (`tables.beside.load`) that then stands beside the runs in published.md.
    `tuned` says how settings were chosen, where they were, or what was left out: it stands above the table.
    `note` is what the sweep says of itself. `remarks` are lines below it, by method.
    `columns` are the facts beside the values of the tables and of the page (`tables.costs.FACTS`), `style` sizes and formats
    of the pictures. `asked` counts the runs of each label that the sweep asked for, begun or not. `title` stands over the
    table, the page and the samples (None: the folder's name).
    `at` draws all runs at one budget, `compatible` adds the columns of other papers' rules, `against` names a method with
    which every other is compared seed by seed in paired.md. Returns the tidy leaderboard; runs that are not done appear with
    their status.
    `metric` leads the table and is drawn (default: the runs' primary one). `protocols` keeps rows of these ids.
    Raises ProtocolError if one metric mixes protocols, StoreError if `out` cannot be written.
    """
    from results.compared import against as comparison
    from results.compared import beside
    from results.pictures import Style, curves, gallery, guidance, pareto, plots
    from results.statistics import paired
    from results.tables import remarked, table
    from results.webpage import page

    out, style = Path(out), style or Style()
    title = title or out.name
    theirs = None if published is None else beside.load(published)  # refused before anything is written
    if at is not None and at.kind == "compute":
        runs = _billed(runs)
    frame = table.leaderboard(runs, order, protocols, at=at, compatible=compatible, asked=asked)
    frame = leading(frame, metric)
    said = [f"Drawn at {at.words}; newest checkpoint within it." if at else "", tuned]
    table.write(out, frame, f"Leaderboard: {title}", " ".join(text for text in said if text), columns,
                remarked(frame, remarks))
    points = pareto.pareto(frame)
    write_text(out / "pareto.csv", points.to_csv(index=False, na_rep="NaN", lineterminator="\n"))
    if against is not None:
        compared = paired.paired(runs, against, protocols, at)
        write_text(out / "paired.csv", compared.to_csv(index=False, na_rep="NaN", lineterminator="\n"))
        write_text(out / "paired.md", comparison.markdown(compared))
    opening = [f"Drawn at {at.words}." if at else note]
    if theirs is not None and published is not None:
        beside.write(out, frame, published)
        for line in beside.misspelt(frame, theirs):
            warnings.warn(line, StoreWarning, stacklevel=2)
        if gone := beside.left_out(frame, theirs):
            warnings.warn(gone, StoreWarning, stacklevel=2)
            opening.append(gone)
        theirs = beside.of_data(frame, theirs)
    try:
        plots.metric_vs_steps(frame, out / "metric_vs_steps.png", subtitle=_subtitle(runs, frame), style=style)
        pareto.draw(points, out / "pareto.png", _remark(runs), style)
        guidance.draw(runs, out / guidance.FILE, protocols, at, style)
        if told := {record.run_id: own for record, _ in runs if (own := (looks or {}).get(record.run_id))}:
            keep_curves(told, out / KEPT_CURVES)
            curves.draw(runs, told, out / curves.FILE, order or (), protocols)
        if samples:
            gallery.keep(samples, out / gallery.FILE)
            again = gallery.kept(out / gallery.FILE)  # the same picture whenever it is drawn
            gallery.samples_grid(again, out / "samples.png", order, f"Samples: {title}")
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror}); choose another folder with out=") from error
    page.write(out, frame, runs, title, page.pictures(out), theirs, " · ".join(filter(None, opening)),
               remarked(frame, remarks), columns)
    return frame


def files(formats: Collection[str] = ("png",)) -> list[str]:
    """The names of all that a report writes, whatever it is of."""
    pictures = [Path(name).with_suffix(f".{kind}").name for name in PICTURES for kind in formats]
    return [*TABLES, *pictures, "index.html"]


FILES = tuple(files())


def _billed(runs: Runs) -> Runs:
    """The runs whose compute is known; a StoreWarning names the others."""
    unknown = [r.run_id for r, _ in runs if r.kind == "method" and math.isnan(own_compute(r) + teacher_compute(r))]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        warnings.warn(f"left out of a table at equal compute: {unknown[0]}{more}, written before evaluations were counted; "
                      "use --at images=N", StoreWarning, stacklevel=3)  # fmt: skip
    left_out = set(unknown)
    return [run for run in runs if run[0].run_id not in left_out]


def leading(frame: pd.DataFrame, metric: str | None) -> pd.DataFrame:
    """The frame with the rows of `metric` first (None: as it is); an unknown name is an error that gives the nearest one."""
    if metric is None:
        return frame
    known = list(dict.fromkeys(frame["metric"]))
    if metric not in known:
        close = near(metric, known, 1, 0) or ["none"]
        raise ValueError(f"no run has metric {metric!r}; nearest: {close[0]!r}, all: {', '.join(known) or 'none'}")
    import pandas as pd

    first = frame["metric"] == metric
    return pd.concat([frame[first], frame[~first]], ignore_index=True)


def _remark(runs: Runs) -> str:
    """What a frontier of means must not be taken for, where there are too few of them to rank."""
    from results.statistics import FEWEST

    seeds = len({record.seed for record, _ in runs if record.kind != "reference"})
    return f"{seeds} training seed{'s' * (seeds > 1)}: not a ranking" if 0 < seeds < FEWEST else ""


def _subtitle(runs: Runs, frame: pd.DataFrame) -> str:
    """Data, backbone, budget and seeds in one line, for the picture, and of what its bands are."""
    records = [record for record, _ in runs if record.kind != "reference"]
    if not records:
        return ""
    budgets = sorted({record.images_budget for record in records})
    words = [", ".join(sorted(names)) for names in ({r.data for r in records}, {r.backbone for r in records})]
    words += [f"{budgets[0]:,} images" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,} images"]
    seeds, kinds = len({record.seed for record in records}), set(frame.loc[frame["sampler"] != "reference", "interval"])
    band = "band: 95 % interval" if kinds & {"training", "teacher"} else "band: sampling noise alone" * ("sampling" in kinds)
    words += [", ".join(filter(None, [f"{seeds} training seed{'s' * (seeds > 1)}", band]))]
    return " · ".join(word for word in words if word)
