"""Rebuild tables and pictures from run folders alone: `python -m results.report FOLDER... [options]`.

FOLDER is a folder of runs, one run folder, a sweep folder (its runs.json names the runs in ../../runs), or the file
records.jsonl.gz that a sweep leaves and that holds the records of all its runs.
"""

from __future__ import annotations

import argparse
import gc
import math
import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results import terminal
from results.records import (
    EVALS_FILE,
    RUN_FILE,
    At,
    Look,
    ProtocolError,
    RecordError,
    Runs,
    StoreError,
    StoreWarning,
    archive,
    load_runs,
    near,
    own_compute,
    read_curves,
    read_json,
    relabelled,
    teacher_compute,
    write_text,
)

if TYPE_CHECKING:  # loaded where something is drawn: --help and a wrong folder need none of it
    import pandas as pd

    from results.pictures import gallery

SWEEP_FILE = "runs.json"
FILES = (
    "leaderboard.csv", "leaderboard.md", "leaderboard.tex", "pareto.csv", "pareto.png", "metric_vs_steps.png", "index.html",
)  # fmt: skip


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
    looks: Mapping[str, Sequence[Look]] | None = None,
) -> pd.DataFrame:
    """Write the leaderboard (csv, md, tex), the Pareto view (csv, png), both pictures and index.html into `out`, and where
    samples were guided at several scales guidance.png; curves.png where `looks` say what the trainings told, by run id.

    `published` names a table of results/published/ that then stands beside the runs in published.md. `tuned` says how
    settings were chosen, where they were: it stands above the table.
    `at` draws all runs at one budget, `compatible` adds the columns of other papers' rules, `against` names a method with
    which every other is compared seed by seed in paired.md. Returns the tidy leaderboard; runs that are not done appear with
    their status.
    `metric` leads the table and is drawn (default: the runs' primary one). `protocols` keeps rows of these ids.
    Raises ProtocolError if one metric mixes protocols, StoreError if `out` cannot be written.
    """
    from results.pictures import curves, gallery, guidance, pareto, plots
    from results.statistics import paired
    from results.tables import against as comparison
    from results.tables import beside, table
    from results.webpage import page

    out = Path(out)
    if at is not None and at.kind == "compute":
        runs = _billed(runs)
    frame = table.leaderboard(runs, order, protocols, at=at, compatible=compatible)
    if metric is not None:
        frame = _leading(frame, metric)
    said = [f"Drawn at {at.words}; newest checkpoint within it." if at else "", tuned]
    table.write(out, frame, f"Leaderboard: {out.name}", " ".join(text for text in said if text))
    points = pareto.pareto(frame)
    write_text(out / "pareto.csv", points.to_csv(index=False, na_rep="NaN", lineterminator="\n"))
    if against is not None:
        compared = paired.paired(runs, against, protocols, at)
        write_text(out / "paired.csv", compared.to_csv(index=False, na_rep="NaN", lineterminator="\n"))
        write_text(out / "paired.md", comparison.markdown(compared))
    if published is not None:
        beside.write(out, frame, published)
    try:
        plots.metric_vs_steps(frame, out / "metric_vs_steps.png", subtitle=_subtitle(runs))
        pareto.draw(points, out / "pareto.png", _remark(runs))
        guidance.draw(runs, out / guidance.FILE, protocols, at)
        curves.draw(runs, looks or {}, out / curves.FILE, order or (), protocols)
        if samples:
            gallery.samples_grid(samples, out / "samples.png", order, f"Samples: {out.name}")
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror}); choose another folder with out=") from error
    note = f"Drawn at {at.words}." if at else page.note(out)
    page.write(out, frame, runs, out.name, page.pictures(out), beside.load(published) if published else None, note)
    return frame


def _billed(runs: Runs) -> Runs:
    """The runs whose compute is known; a StoreWarning names the others."""
    unknown = [r.run_id for r, _ in runs if r.kind == "method" and math.isnan(own_compute(r) + teacher_compute(r))]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        warnings.warn(f"left out of a table at equal compute: {unknown[0]}{more}, written before evaluations were counted; "
                      "use --at images=N", StoreWarning, stacklevel=3)  # fmt: skip
    left_out = set(unknown)
    return [run for run in runs if run[0].run_id not in left_out]


def gather(place: Path) -> tuple[Runs, dict[str, Any]]:
    """The runs that `place` stands for, and its sweep's description ({} where there is none).

    Broken run folders cost a StoreWarning each. Raises StoreError if there is no run at all, or the archive is damaged.
    """
    if place.is_file():
        runs, sweep = archive.read(place)
        _check(sweep, place)
    else:
        sweep = _listing(place) if (place / SWEEP_FILE).exists() else {}
        runs = load_runs(find_runs(place))
    return relabelled(runs, sweep.get("labels") or {}), sweep


def _listing(folder: Path) -> dict[str, Any]:
    """What a sweep's command left beside its table. Raises StoreError naming the key that cannot be meant."""
    found = read_json(folder / SWEEP_FILE)
    _check(found, folder / SWEEP_FILE)
    return found


def _check(sweep: Any, where: Path) -> None:
    for key, value in sweep.items() if isinstance(sweep, dict) else [("it", sweep)]:
        if key in ("runs", "order", "protocols"):
            fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        elif key == "labels":
            fits = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        else:
            fits = key != "it" and (value is None or isinstance(value, str))
        if not fits:
            raise StoreError(f"{where}: {key}={value!r} is not what a sweep writes there; give its command "
                             "again to write it anew")


def find_runs(folder: Path) -> list[Path]:
    """The run folders that `folder` stands for. Raises StoreError if there is none."""
    folder = Path(folder)
    if (folder / RUN_FILE).exists():
        return [folder]
    if (folder / SWEEP_FILE).exists():
        home = folder.resolve().parent.parent / "runs"
        found = [home / run for run in _listing(folder).get("runs", [])]
        return [run for run in found if run.exists()]
    found = sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))
    for begun in sorted({path.parent for path in folder.glob(f"*/{EVALS_FILE}")} - set(found)):
        warnings.warn(f"run left out of the table: {begun} holds rows but no {RUN_FILE}; run its command again to finish it",
                      StoreWarning, stacklevel=2)  # fmt: skip
    if not found:
        hint = " (its subfolder runs/ has some)" if (folder / "runs").is_dir() else ""
        what = "holds no run" if folder.is_dir() else "does not exist"
        raise StoreError(f"{folder}: {what}{hint}; give a folder of runs, a run folder or a sweep folder")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status (0, 1 where no method has a number, 2 for an error, told in one clear line)."""
    terminal.ready()
    options = _parser().parse_args(arguments)
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand rows and nothing that refers to itself: looking for it takes a fifth of the time
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StoreWarning)
        try:
            status = _report(options)
        except (ProtocolError, RecordError, StoreError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
        finally:
            if collecting:
                gc.enable()
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    return status


def _report(options: argparse.Namespace) -> int:
    places = [gather(folder) for folder in options.folders]
    runs = [run for found, _ in places for run in found]
    order = [label for _, sweep in places for label in sweep.get("order") or []]
    out = options.out or _default_out(options.folders[0]) / (options.at or "")  # the table at a budget is another table
    published = next((name for _, sweep in places if (name := sweep.get("published"))), None)
    known = {name for _, sweep in places for name in sweep.get("protocols") or ()}
    protocols = options.protocol or known or None
    at = At.parse(options.at) if options.at else None
    tuned = " ".join(text for _, sweep in places if (text := sweep.get("tuned")))
    looks = {run.name: read_curves(run) for place in options.folders if place.is_dir() for run in find_runs(place)}
    frame = write(runs, out, order, metric=options.metric, protocols=protocols, published=published, at=at,
                  compatible=options.compat, against=options.against, tuned=tuned, looks=looks)
    from results.tables import numberless, plain

    print(plain(frame))
    if at:
        print(f"Drawn at {at.words}; the newest checkpoint within it.")
    also = [*(["published.md"] if published else []), *(["paired.md"] if options.against else [])]
    print("\n".join(str(out / name) for name in (*FILES, *also)))
    if nothing := numberless(frame):
        print(nothing, file=sys.stderr)
    return 1 if nothing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m results.report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER",
                        help="folder of runs, one run, a sweep, or a sweep's records.jsonl.gz")
    parser.add_argument("--out", type=Path, help="where to write (default: the sweep folder, or report/ beside the runs)")
    parser.add_argument("--metric", help="metric to lead the table and to draw (default: the primary one)")
    parser.add_argument("--at", metavar="images=N|compute=N",
                        help="compare at equal images, or at equal compute in forward evaluations with the teacher's")
    parser.add_argument("--against", metavar="METHOD", help="compare every method with this one, seed by seed (paired.md)")
    parser.add_argument("--compat", action="store_true",
                        help="add other papers' rules: minimum of the evaluation seeds, best checkpoint per step count")
    parser.add_argument("--protocol", action="append", help="keep only rows of this protocol id; may be repeated")
    return parser


def _default_out(folder: Path) -> Path:
    """The sweep folder itself; else `report` beside the folder of runs, never inside a run folder (one writer)."""
    if (folder / SWEEP_FILE).exists():
        return folder
    if folder.is_file():
        return folder.parent
    home = folder.resolve()
    return (home.parent if (home / RUN_FILE).exists() else home).parent / "report"


def _leading(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The frame with the rows of `metric` first; an unknown name is an error that gives the nearest one."""
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


def _subtitle(runs: Runs) -> str:
    """Data, backbone, budget and seeds in one line, for the picture."""
    records = [record for record, _ in runs if record.kind != "reference"]
    if not records:
        return ""
    budgets = sorted({record.images_budget for record in records})
    words = [", ".join(sorted(names)) for names in ({r.data for r in records}, {r.backbone for r in records})]
    words += [f"{budgets[0]:,} images" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,} images"]
    seeds = len({record.seed for record in records})
    words += ["1 training seed" if seeds == 1 else f"{seeds} training seeds, band: 95 % interval"]
    return " · ".join(word for word in words if word)


if __name__ == "__main__":
    sys.exit(main())
