"""Rebuild tables and pictures from run folders alone: `python -m results.report FOLDER... [options]`.

FOLDER is a folder of runs, one run folder, a sweep folder (its runs.json names the runs in ../../runs), or the file
records.jsonl.gz that a sweep leaves and that holds the records of all its runs.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import re
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from results import terminal
from results.drawing import FILES, files, write
from results.records import (
    EVALS_FILE,
    KEPT_CURVES,
    RUN_FILE,
    At,
    Look,
    ProtocolError,
    RecordError,
    Runs,
    StoreError,
    StoreWarning,
    archive,
    chosen,
    kept_curves,
    load_runs,
    near,
    read_curves,
    read_json,
    read_rows,
    relabelled,
)

__all__ = ["FILES", "default_out", "find_runs", "gather", "main", "name", "of_name", "present", "write"]

SWEEP_FILE = "runs.json"
SWEEPS = Path("outputs/sweeps")
NOT_OF_A_CARD = ("published", "against", "columns", "compat", "format", "style")
SHOWN = 60  # letters of a choice in the name of its folder


def gather(place: Path) -> tuple[Runs, dict[str, Any]]:
    """The runs that `place` stands for, and its sweep's description ({} where there is none).

    Of a sweep whose runs are gone the archive beside its table stands for them, with a StoreWarning. Broken run folders
    cost one each. Raises StoreError if there is no run at all, or the archive is damaged.
    """
    kept, listed = place / archive.FILE, (place / SWEEP_FILE).exists()
    if kept.exists() and not (find_runs(place) if listed else any(place.glob(f"*/{RUN_FILE}"))):
        if listed:
            warnings.warn(f"the runs of {place} are not there any more: shown is what {kept.name} holds of them", StoreWarning,
                          stacklevel=2)
        place = kept
    if place.is_file():
        runs, sweep = archive.read(place)
        _check(sweep, place)
    else:
        sweep = _listing(place) if (place / SWEEP_FILE).exists() else {}
        runs = load_runs(folders := find_runs(place))
        if listed and (own := present(folders)):
            sweep["protocols"] = sorted(own)
    return relabelled(runs, sweep.get("labels") or {}), sweep


def present(folders: Sequence[Path]) -> set[str]:
    """The protocols of a sweep's reference rows: those of its table, where a run holds rows of other commands' too."""
    found = set[str]()
    for folder in folders:
        with suppress(RecordError):  # told where the runs are read
            found |= {row.protocol for row in read_rows(folder)} if folder.name.startswith("reference-") else set()
    return found


def _listing(folder: Path) -> dict[str, Any]:
    """What a sweep's command left beside its table. Raises StoreError naming the key that cannot be meant."""
    found = read_json(folder / SWEEP_FILE)
    _check(found, folder / SWEEP_FILE)
    return found


def _check(sweep: Any, where: Path) -> None:
    for key, value in sweep.items() if isinstance(sweep, dict) else [("it", sweep)]:
        if key in ("runs", "order", "protocols"):
            fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        elif key in ("labels", "remarks"):
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
    for text in dict.fromkeys(str(warning.message) for warning in caught):  # folders are looked through twice
        print(f"warning: {text}", file=sys.stderr)
    return status


def of_name(place: Path) -> Path:
    """A sweep may be told by its name alone, where it lies below outputs. Raises StoreError with the nearest of them."""
    if place.exists() or len(place.parts) != 1 or not SWEEPS.is_dir():
        return place
    known = [folder.name for folder in SWEEPS.iterdir() if folder.is_dir()]
    if place.name not in known and (close := near(place.name, known)):
        raise StoreError(f"{place}: there is no such folder, and no sweep of this name in {SWEEPS}; nearest: {close[0]}")
    return SWEEPS / place if place.name in known else place


def _report(options: argparse.Namespace) -> int:
    options.folders = [of_name(place) for place in options.folders]
    places = [gather(folder) for folder in options.folders]
    from results.pictures import Style  # a wrong folder is told without what draws
    from results.tables import facts, numberless, plain

    style = Style.parse(options.style, chosen.names(options.format))
    columns = facts(chosen.names(options.columns)) if options.columns else None
    runs: Runs = [run for found, _ in places for run in found]
    order = [label for _, sweep in places for label in sweep.get("order") or []]
    published = options.published or next(filter(None, map(_published, options.folders, (sweep for _, sweep in places))), None)
    known = {name for _, sweep in places for name in sweep.get("protocols") or ()}
    protocols = options.protocol or known or None
    at = At.parse(options.at) if options.at else None
    said = [text for _, sweep in places if (text := sweep.get("tuned"))] + (_whole(runs) if at else [])
    note = " ".join(dict.fromkeys(text for _, sweep in places if (text := sweep.get("note"))))
    # Said of the sweep's own table: of its first metric, at the ends of its trainings.
    remarked = [] if at or options.metric else [sweep.get("remarks") or {} for _, sweep in places]
    remarks = {name: line for each in remarked for name, line in each.items()}
    samples, looks = _left(options.folders)
    if options.methods or options.steps:
        runs, order, words = _narrowed(runs, order, options)
        said.append(words)
    if options.steps:
        shown = {0, *chosen.counts(options.steps)}
        samples = {label: {n: own[n] for n in own if n in shown} for label, own in samples.items()}
    home, apart = default_out(options.folders[0]), _apart(options, [record.label for record, _ in runs])
    out = options.out or home / apart
    title = f"{home.resolve().name}, {apart}" if apart and not options.out else None
    asked = Counter({id_: label for _, sweep in places for id_, label in (sweep.get("labels") or {}).items()}.values())
    if options.card:
        if others := [f"--{key}" for key in NOT_OF_A_CARD if getattr(options, key) not in (None, False, [], "screen")]:
            raise ValueError(f"{', '.join(others)}: not of a card, which is one page of its own; leave out either, or --card")
        return _card(options, runs, order, protocols, at, out, samples, looks, asked)
    if options.methods:
        samples = {label: own for label, own in samples.items() if label in order}
    frame = write(runs, out, order, samples, metric=options.metric, protocols=protocols, published=published, at=at,
                  compatible=options.compat, against=options.against, tuned=" ".join(said),
                  note=note, remarks=remarks, looks=looks, columns=columns, style=style, asked=asked, title=title)
    print(plain(frame, columns=columns))
    if at:
        print(f"Drawn at {at.words}; the newest checkpoint within it.", *_whole(runs))
    pages = {"published.md": (published, "--published NAME"), "paired.md": (options.against, "--against METHOD")}
    for page, (wanted, option) in pages.items():
        if not wanted and (out / page).exists():
            warnings.warn(f"{out / page} is of an earlier report; {option} writes it anew", StoreWarning, stacklevel=2)
    also = [*(page for page, (wanted, _) in pages.items() if wanted),
            *(name for name in ("samples.png", "curves.png") if (out / name).exists())]
    print("\n".join(str(out / name) for name in (*files(style.formats), *also)))
    if nothing := numberless(frame):
        print(nothing, file=sys.stderr)
    return 1 if nothing else 0


def _whole(runs: Runs) -> list[str]:
    """What a table at a budget says of runs that keep the best of their checkpoints."""
    if not any(row.extra.get("kept") for _, rows in runs for row in rows):
        return []
    return ["A checkpoint that was chosen (evaluation.checkpoint=best) took its whole training, whatever it had seen itself, "
            "and is beyond every smaller budget."]


def _card(
    options: argparse.Namespace, runs: Runs, order: list[str], protocols: Collection[str] | None, at: At | None, out: Path,
    samples: dict[str, Any], looks: dict[str, list[Look]], asked: Mapping[str, int],
) -> int:
    """--card: one method against all, on one page."""
    from results.drawing import leading
    from results.tables import table
    from results.webpage import card

    frame = leading(table.leaderboard(runs, order, protocols, at=at, asked=asked), options.metric)
    path = out / f"card-{re.sub(r'[^0-9A-Za-z.=_-]+', '_', options.card)}.html"
    print(card.write(path, frame, runs, options.card, list(protocols or ()) or None, samples, looks))
    return 0


def _left(places: Sequence[Path]) -> tuple[dict[str, Any], dict[str, list[Look]]]:
    """The samples and curves that the sweeps' commands left beside their tables; curves of runs that are there are theirs."""
    from results.pictures import gallery

    samples: dict[str, Any] = {}
    looks: dict[str, list[Look]] = {}
    for place in places:
        home = place.parent if place.is_file() else place
        samples |= gallery.kept(home / gallery.FILE)
        looks |= kept_curves(home / KEPT_CURVES)
        with suppress(StoreError):  # no run: its records alone are shown
            looks |= {run.name: read_curves(run) for run in find_runs(place)}
    return samples, looks


def _published(place: Path, sweep: dict[str, Any]) -> str | None:
    """The published table that a sweep names; of a file that is gone, the copy of its numbers that the sweep's report left."""
    name = sweep.get("published")
    if not name or not name.endswith(".csv") or Path(name).exists():
        return name
    kept = (place.parent if place.is_file() else place) / "published.csv"
    if kept.exists():
        return str(kept)
    warnings.warn(f"published numbers left out: {name} is not there any more; name its place with --published FILE.csv",
                  StoreWarning, stacklevel=2)  # fmt: skip
    return None


def _narrowed(runs: Runs, order: list[str], options: argparse.Namespace) -> tuple[Runs, list[str], str]:
    """The runs that --methods and --steps leave, methods in the order in which they are named, and what was chosen in words."""
    words, every = [], {record.label for record, _ in runs if record.kind != "reference"}
    if options.methods:
        names = chosen.names(options.methods, [*every])
        order = chosen.labels(runs, names)
        runs = chosen.of_methods(runs, names)
        words.append(f"{len(order)} of {len(every)} methods")
    if options.steps:
        runs = chosen.at_steps(runs, counts := chosen.counts(options.steps))
        words.append(f"steps {', '.join(map(str, counts))}")
    return runs, order, f"Chosen: {'; '.join(words)}. Marks and noise are of what is shown."


def _apart(options: argparse.Namespace, labels: Collection[str]) -> str:
    """A folder of its own for each choice, named by it, so that none replaces the sweep's own table or another's: of what is
    shown, of what leads, of a budget, of a paper's pictures, of other sweeps beside it. A hash stands for what a name has no
    room or no letters for."""
    lists = {"metric": [options.metric or ""], "methods": chosen.names(options.methods or (), [*labels]),
             "steps": list(map(str, chosen.counts(options.steps or ()))), "columns": chosen.names(options.columns or ()),
             "protocol": chosen.names(options.protocol or ()),
             "with": [name(place) for place in options.folders[1:]]}  # fmt: skip
    told = [options.at or "", *(f"{key}={'+'.join(names)}" for key, names in lists.items() if any(names)),
            options.style.replace(" ", "").replace(",", "-") if options.style != "screen" else ""]  # fmt: skip
    whole = "-".join(filter(None, told))
    plain = re.sub(r"[^\w.+=-]+", "_", whole, flags=re.ASCII)
    if plain == whole and len(plain) <= SHOWN:
        return plain
    return f"{plain[:SHOWN].rstrip('-=._+')}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m results.report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER",
                        help="folder of runs, one run, a sweep or its name, or a sweep's records.jsonl.gz")
    parser.add_argument("--out", type=Path, help="where to write (default: the sweep folder, or report/ beside the runs; for "
                        "a choice of metric, methods, steps, columns or protocol, a budget, a style, more sweeps a folder)")
    parser.add_argument("--metric", help="metric to lead the table and to draw (default: the primary one)")
    parser.add_argument("--methods", action="append", metavar="A,B", help="only these rows, in this order, ranked among "
                        "themselves: a label, lsd* for all that begin so, or a method; may be repeated")
    parser.add_argument("--steps", action="append", metavar="1,2,4", help="only these step counts")
    parser.add_argument("--columns", action="append", metavar="images,params",
                        help="facts beside the values in the tables and behind the page's switch, or none; a name that is no "
                             "column is told all of them")
    parser.add_argument("--format", action="append", default=[], metavar="png,pdf,svg",
                        help="what the curves and fronts are (default: png); samples and trainings stay PNG")
    parser.add_argument("--style", default="screen", metavar="paper",
                        help="curves and fronts without titles for a column of a paper: paper (3.25 inches, 7 points), or "
                             "paper,width=6.75,font=8 (default: screen)")
    parser.add_argument("--at", metavar="images=N|compute=N",
                        help="compare at equal images, or at equal compute in forward evaluations with the teacher's")
    parser.add_argument("--against", metavar="METHOD", help="compare every method with this one, seed by seed (paired.md)")
    parser.add_argument("--published", metavar="NAME|FILE.csv",
                        help="published numbers beside ours (published.md): a table of results/published, or a file of your "
                             "own with its columns")
    parser.add_argument("--card", metavar="METHOD", help="write one page on this method against all, card-METHOD.html, and no "
                        "table")
    parser.add_argument("--compat", action="store_true",
                        help="add other papers' rules: minimum of the evaluation seeds, best checkpoint per step count")
    parser.add_argument("--protocol", action="append", help="keep only rows of this protocol id; may be repeated")
    return parser


def name(place: Path) -> str:
    """What a table of `place` is called: its folder."""
    return (place.parent if place.is_file() else place).resolve().name


def default_out(folder: Path) -> Path:
    """The sweep folder itself; else `report` beside the folder of runs, never inside a run folder (one writer)."""
    if (folder / SWEEP_FILE).exists() or (folder / archive.FILE).exists():
        return folder
    if folder.is_file():
        return folder.parent
    home = folder.resolve()
    return (home.parent if (home / RUN_FILE).exists() else home).parent / "report"


if __name__ == "__main__":
    sys.exit(main())
