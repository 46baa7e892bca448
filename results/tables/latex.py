"""The leaderboard as LaTeX: booktabs tables to be included in a document that loads booktabs and graphicx."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from results.tables import board, wide
from results.tables.numbers import steps_title
from results.tables.wide import Cell, Wide

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "é": r"\'e", "–": "--", "±": r"$\pm$", "×": r"$\times$",
    "†": r"$^\dagger$", "‡": r"$^\ddagger$", "§": r"\S{}", "≈": r"$\approx$", "²": r"$^2$", "<": r"$<$", ">": r"$>$",
}  # fmt: skip
PREAMBLE = "% In the preamble: \\usepackage{booktabs} and \\usepackage{graphicx}. Wide tables are shrunk to the line."
EMPTY = "% No run has been scored yet."
_ANY = re.compile("|".join(map(re.escape, _SPECIAL)))


def latex(frame: pd.DataFrame, tables: Sequence[Wide] | None = None) -> str:
    """For an appendix: one table environment per metric and league; ASCII only as far as the labels are. `tables` as in
    `markdown`. Each is labelled tab:METRIC-full, where one metric has several tab:METRIC-full-2 and so on."""
    found, named = tables or wide.tables(frame), Counter[str]()
    parts = []
    for table in found:
        name = f"{label(table.title.partition(':')[0].partition(',')[0])}-full"
        named[name] += 1
        parts.append(_table(table, name + f"-{named[name]}" * (named[name] > 1)))
    return "\n\n".join([PREAMBLE, *(parts or [EMPTY])]) + "\n"


def compact(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> str:
    """For a column of the paper: means of the first metric's first league, labelled tab:METRIC. `columns` as in `tables`."""
    if frame.empty:
        return f"{PREAMBLE}\n\n{EMPTY}\n"
    table, steps = wide.brief(frame, columns), len(board.step_counts(wide.first(frame)))
    plain = [name.partition(" ")[0] if place < steps else name for place, name in enumerate(table.head[1:])]
    over = rf"& \multicolumn{{{steps}}}{{c}}{{steps}}" + " &" * (len(plain) - steps) + r" \\"
    head = [over, rf"\cmidrule(lr){{2-{steps + 1}}}"] if table.head[1] != steps_title(0) else []
    return f"{PREAMBLE}\n\n{_table(replace(table, head=['', *plain]) if head else table, label(table.title), head)}\n"


def label(metric: str) -> str:
    """What \\label may hold of a metric's name."""
    return "tab:" + re.sub(r"[^0-9A-Za-z]+", "-", metric).strip("-")


def escaped(text: str) -> str:
    """Plain text as LaTeX; `code` in backticks becomes typewriter."""
    parts = [_ANY.sub(lambda match: _SPECIAL[match[0]], part) for part in text.split("`")]
    return "".join(rf"\texttt{{{part}}}" if place % 2 and len(parts) % 2 else part for place, part in enumerate(parts))


def _table(table: Wide, name: str, over: Sequence[str] = ()) -> str:
    """name: its label. over: lines above its head. A table with notes has its caption as a sentence, without a title."""
    kind = "l" + "r" * (len(table.head) - 2) + ("l" if table.head[-1] == "status" else "r") * (len(table.head) > 1)
    caption = escaped(table.caption) if table.notes else rf"\textbf{{{escaped(table.title)}.}} {escaped(table.caption)}"
    body = [_line(cells) for cells in table.body]
    at = next((i for i, cells in enumerate(table.body) if cells[0].italic), None)
    if at:
        body.insert(at, r"\midrule")
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\label{{{name}}}", *[r"\small"] * bool(table.notes),
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%", rf"\begin{{tabular}}{{{kind}}}", r"\toprule",
        *over, _line([Cell(name) for name in table.head]), r"\midrule", *body, r"\bottomrule", r"\end{tabular}}",
        *([rf"\par\smallskip\footnotesize {escaped(table.notes)}"] if table.notes else []), r"\end{table}",
    ])  # fmt: skip


def _line(cells: list[Cell]) -> str:
    return " & ".join(map(_marked, cells)) + r" \\"


def _marked(cell: Cell) -> str:
    text = escaped(cell.text)
    if not text:
        return ""
    return rf"\textbf{{{text}}}" if cell.bold else rf"\emph{{{text}}}" if cell.italic else text
