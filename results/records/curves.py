"""curves.csv: what a training tells of itself while it goes on, a row for each look, in the run's folder.

A column stands where a value was first told, and a cell is empty where a look had none: stages have losses of their own.
Nothing that is reported is read from it, so that a damaged row is passed over in silence. Those of a sweep stand together in
curves.jsonl.gz, so that its picture can be drawn again where the runs are not.
"""

from __future__ import annotations

import bisect
import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from results.records.store import StoreError, write_bytes, write_text

CURVES_FILE = "curves.csv"
KEPT_CURVES = "curves.jsonl.gz"
SCORE = "score/"
"""Begins the name of a metric at a milestone: score/PROTOCOL/METRIC@STEPS."""
Look = dict[str, float]
"""Values by name; `step` and `images` in every one of them, as floats."""


def read_curves(folder: Path) -> list[Look]:
    """The looks of a run by step; none without a file, or where it cannot be read."""
    try:
        return _looks((Path(folder) / CURVES_FILE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


def keep_curves(looks: Mapping[str, Sequence[Look]], path: Path) -> None:
    """Write the looks of runs, by run id, into one file; equal looks give equal bytes. Raises StoreError."""
    lines = (json.dumps({"run": run, "curves": _table(own)[1]}) + "\n" for run, own in looks.items() if own)
    write_bytes(path, gzip.compress("".join(lines).encode(), mtime=0))


def kept_curves(path: Path) -> dict[str, list[Look]]:
    """What `keep_curves` wrote; none without such a file. Raises StoreError if it is damaged."""
    if not path.exists():
        return {}
    try:
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
        return {str(line["run"]): _looks(line["curves"]) for line in lines}
    except (OSError, EOFError, AttributeError, ValueError, KeyError, TypeError, csv.Error, zlib.error) as error:
        raise StoreError(f"{path}: the curves cannot be read ({error}); remove the file to go on without them") from error


def _looks(text: str) -> list[Look]:
    lines = text.split("\n")
    names, *rows = list(csv.reader(lines[:-1])) or [[]]  # what no newline ends was torn
    found = {look["step"]: look for row in rows if (look := _look(names, row))}
    return [found[step] for step in sorted(found)]


def _look(names: Sequence[str], cells: Sequence[str]) -> Look:
    with suppress(ValueError):
        look = {name: float(cell) for name, cell in zip(names, cells, strict=True) if cell}
        if math.isfinite(look.get("step", math.nan)) and "images" in look:
            return look
    return {}


class CurvesFile:
    """The file of one run, of which the caller is the only writer."""

    def __init__(self, folder: Path) -> None:
        self.path, self.looks = Path(folder) / CURVES_FILE, read_curves(folder)
        self._names: list[str] = []  # columns of the file, where it holds all looks as they are

    def cut(self, step: int) -> None:
        """Forget the looks after that step."""
        self.looks, self._names = [look for look in self.looks if look["step"] <= step], []
        if self.path.exists():
            self._write()

    def add(self, look: Mapping[str, float]) -> None:
        """Keep a look; values of a step that there is stand beside those that it has.

        Raises StoreError where the file cannot be written: the next look is then written with this one.
        """
        look = {name: float(value) for name, value in look.items()}
        at = bisect.bisect_right(self.looks, look["step"], key=lambda old: old["step"])
        if at and self.looks[at - 1]["step"] == look["step"]:
            self.looks[at - 1] |= look
        else:
            self.looks.insert(at, look)
        if at + 1 == len(self.looks) and set(look) <= set(self._names):
            self._append(self.looks[at])
        else:
            self._write()

    def _append(self, look: Look) -> None:
        names, self._names = self._names, []
        try:
            with open(self.path, "r+b", buffering=0) as file:
                end = file.seek(0, io.SEEK_END)
                line = _text([_row(names, look)]).encode()
                if file.write(line) < len(line):  # a full disk
                    file.truncate(end)
                    raise StoreError(f"{self.path}: cannot be written")
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._names = names

    def _write(self) -> None:
        """The whole file, readers see the old or the new."""
        self._names = []
        names, text = _table(self.looks)
        write_text(self.path, text)
        self._names = names


def _table(looks: Sequence[Look]) -> tuple[list[str], str]:
    """The columns, and the whole file's text."""
    names = list(dict.fromkeys(["step", "images", *(name for look in looks for name in look)]))
    return names, _text([names, *(_row(names, look) for look in looks)])


def _row(names: Sequence[str], look: Look) -> list[str]:
    return [_shown(look[name]) if name in look else "" for name in names]


def _shown(value: float) -> str:
    """Whole numbers in full, others with nine digits."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.9g}"


def _text(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
