"""The status table as an SVG file, for reports: monospaced text, every column at its place, states in colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Protocol

SIZE, LINE, MARGIN = 13, 20, 16
CHARACTER = 0.61 * SIZE  # the width of one, a little more than common monospaced fonts take
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
INK, FAINT, LINES, PAPER = "#24292f", "#6e7781", "#d0d7de", "#ffffff"
WARNING = "#9a6700"
COLOURS = {"done": "#1a7f37", "diverged": WARNING, "failed": "#cf222e", "dead": "#cf222e", "cancelled": FAINT, "skipped": FAINT,
           "pruned": WARNING, "queued": FAINT, "ready": FAINT, "blocked": FAINT}
RUNNING = "#0969da"


class Stated(Protocol):
    """What a row must tell."""

    @property
    def state(self) -> str: ...


def draw(rows: Sequence[Stated], cells: Sequence[Sequence[str]], totals: Sequence[str]) -> str:
    """The SVG document. cells: a header with a column "state", then one line per row; totals: lines below them."""
    widths = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)]
    starts = [sum(widths[:i]) for i in range(len(widths))]
    width = round(max(sum(widths), *map(len, totals)) * CHARACTER + 2 * MARGIN)
    height = (len(cells) + len(totals)) * LINE + 3 * MARGIN
    rule = MARGIN + LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT}" font-size="{SIZE}">',
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6" fill="{PAPER}" stroke="{LINES}"/>',
        f'<path d="M{MARGIN} {rule}H{width - MARGIN}" stroke="{LINES}"/>',
    ]
    for number, line in enumerate(cells):
        colours = [FAINT] * len(line)
        if number:
            state = COLOURS.get(rows[number - 1].state.split(" ")[0], RUNNING)
            colours = [state if name == "state" else INK for name in cells[0][:-1]] + [WARNING]
        y = MARGIN + number * LINE + SIZE + (4 if number else 0)
        parts += [_text(start, y, cell, colour) for start, cell, colour in zip(starts, line, colours, strict=True) if cell]
    parts += [_text(0, 2 * MARGIN + (len(cells) + i) * LINE + SIZE, line, INK) for i, line in enumerate(totals)]
    return "\n".join([*parts, "</svg>", ""])


def _text(column: int, y: float, text: str, colour: str) -> str:
    return f'<text x="{MARGIN + column * CHARACTER:.1f}" y="{y}" fill="{colour}">{escape(text)}</text>'
