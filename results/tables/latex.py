"""The leaderboard as LaTeX: booktabs tables to be included in a document that loads booktabs and graphicx."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from results.tables import wide
from results.tables.wide import Cell, Wide

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "é": r"\'e", "–": "--", "±": r"$\pm$", "×": r"$\times$",
    "†": r"$^\dagger$", "‡": r"$^\ddagger$", "§": r"\S{}", "≈": r"$\approx$", "²": r"$^2$", "<": r"$<$", ">": r"$>$",
}  # fmt: skip
_ANY = re.compile("|".join(map(re.escape, _SPECIAL)))


def latex(frame: pd.DataFrame, tables: Sequence[Wide] | None = None) -> str:
    """One table environment per metric and league; ASCII only as far as the labels are. `tables` as in `markdown`."""
    parts = [_table(table) for table in tables or wide.tables(frame)] or ["% No run has been scored yet."]
    head = "% In the preamble: \\usepackage{booktabs} and \\usepackage{graphicx}. Wide tables are shrunk to the line."
    return "\n\n".join([head, *parts]) + "\n"


def escaped(text: str) -> str:
    """Plain text as LaTeX; `code` in backticks becomes typewriter."""
    parts = [_ANY.sub(lambda match: _SPECIAL[match[0]], part) for part in text.split("`")]
    return "".join(rf"\texttt{{{part}}}" if place % 2 and len(parts) % 2 else part for place, part in enumerate(parts))


def _table(table: Wide) -> str:
    kind = "l" + "r" * (len(table.head) - 2) + ("l" if table.head[-1] == "status" else "r")
    body = [_line(cells) for cells in table.body]
    at = next((i for i, cells in enumerate(table.body) if cells[0].italic), None)
    if at:
        body.insert(at, r"\midrule")
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{\textbf{{{escaped(table.title)}.}} {escaped(table.caption)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%", rf"\begin{{tabular}}{{{kind}}}", r"\toprule",
        _line([Cell(name) for name in table.head]), r"\midrule", *body, r"\bottomrule", r"\end{tabular}}", r"\end{table}",
    ])  # fmt: skip


def _line(cells: list[Cell]) -> str:
    return " & ".join(map(_marked, cells)) + r" \\"


def _marked(cell: Cell) -> str:
    text = escaped(cell.text)
    if not text:
        return ""
    return rf"\textbf{{{text}}}" if cell.bold else rf"\emph{{{text}}}" if cell.italic else text
