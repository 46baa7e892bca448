"""How pictures look: what tells lines apart besides colour, sizes for a screen or for a paper, and the files they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import matplotlib
from matplotlib.figure import Figure

from results.records import near

# Okabe and Ito's palette, told apart by colour-blind readers; its yellow is left out (too pale for a line on white).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "X", "<", "p", ">", "P", "*", "h")  # as many as there are lines in one picture
STYLES: tuple[Any, ...] = ("-", (0, (6, 1, 1, 1)), ":")  # plain dashes are left to the references
DPI = 150
FORMATS = ("png", "pdf", "svg")
SCREEN, PAPER = "screen", "paper"
# A file of equal input is equal: no date, no random names; letters stay letters, as journals ask.
SETTINGS: dict[Any, Any] = {"pdf.fonttype": 42, "svg.hashsalt": "fewstep", "svg.fonttype": "path"}
UNDATED = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


@dataclass(frozen=True)
class Style:
    """`kind`: screen or paper; `width` in inches, `font` in points; `formats`: what files are written."""

    formats: tuple[str, ...] = ("png",)
    kind: str = SCREEN
    width: float = 8.6
    font: float = 9.0

    @classmethod
    def parse(cls, style: str, formats: Sequence[str] = ()) -> Self:
        """`screen`, `paper` (a column of 3.25 inches, letters of 7 points) or `paper,width=6.75,font=8`; names of FORMATS.

        Raises ValueError in one line that gives the nearest name.
        """
        for name in formats:
            if name not in FORMATS:
                raise ValueError(f"--format {name}: nearest: {near(name, FORMATS, 1, 0)[0]}, all: {', '.join(FORMATS)}")
        name, *sizes = (part.strip() for part in style.split(","))
        if name not in (SCREEN, PAPER):
            raise ValueError(f"--style {name}: nearest: {near(name, (SCREEN, PAPER), 1, 0)[0]}, all: {SCREEN}, {PAPER}")
        given = {"width": 3.25, "font": 7.0} if name == PAPER else {"width": cls.width, "font": cls.font}
        for size in sizes:
            key, _, value = size.partition("=")
            if key not in given:
                close = near(key, given, 1, 0)[0]
                raise ValueError(f"--style {style}: no {key!r}; nearest: {close}, all: width in inches, font in points")
            try:
                given[key] = float(value)
            except ValueError:
                given[key] = 0.0
            low, high = {"width": (2, 40), "font": (4, 24)}[key]
            if not low <= given[key] <= high:
                raise ValueError(f"--style {style}: {key}={value} is not between {low} and {high}")
        return cls(tuple(dict.fromkeys(formats)) or cls.formats, name, **given)

    @property
    def titled(self) -> bool:
        """On a screen a picture has its title; in a paper its caption says it."""
        return self.kind == SCREEN

    @property
    def line(self) -> float:
        """The width of a line, in points."""
        return 1.7 if self.titled else 1.1

    @property
    def marker(self) -> float:
        return 6.5 if self.titled else 4.2


def save_figure(figure: Figure, path: Path, style: Style | None = None, clear: bool = False) -> None:
    """Write a figure beside `path` in each format, creating its folder; an old picture is replaced only by a whole new one.

    clear: what is not drawn on lets through what lies behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for kind in (style or Style()).formats:
        target = path.with_suffix(f".{kind}")
        temporary = target.with_name(f".{target.name}.tmp")
        with matplotlib.rc_context(SETTINGS):
            figure.savefig(temporary, format=kind, dpi=DPI, facecolor="none" if clear else "white", transparent=clear,
                           metadata=UNDATED[kind])
        temporary.replace(target)
