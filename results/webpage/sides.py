"""Two sweeps on one page that loads nothing: what they were asked otherwise, and value beside value."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from string import Template

from results.compared import sides
from results.records import ABSENT, Setting, write_text
from results.tables import board, captions, marks, numbers, steps_title

ASSETS = Path(__file__).parent / "assets"
NOTE = (
    "B − A: over the training seeds that both have, seed by seed on the same noise, with its 95 % Student-t interval from "
    "three seeds on; bold where zero lies outside (one comparison, 5 %) and it is more than a thousandth of the value."
)


def write(path: Path, both: sides.Both) -> Path:
    """Write the page and return its path; equal input gives equal bytes.

    Raises StoreError if `path` cannot be written, ProtocolError where one of the sweeps mixes two protocols.
    """
    first, second = (html.escape(side.name) for side in (both.first, both.second))
    lead = f"{both.sections[0].metric.title}: {sides.found(both.sections[0])}" if both.sections else "No metric is in both."
    text = Template((ASSETS / "sides.html").read_text(encoding="utf-8")).substitute(
        title=f"{first} and {second}", first=first, second=second, lead=html.escape(lead),
        style="".join((ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "sides.css")),
        alone=html.escape(both.alone), facts=_facts(both.facts), settings=_settings(*both.settings),
        metrics="\n".join(map(_metric, both.sections)),
    )  # fmt: skip
    write_text(path, text)
    return path


def _facts(told: Sequence[sides.Fact]) -> str:
    lines = [(fact.name, fact.first, fact.second, "differs" if fact.differs else "same") for fact in told]
    return _three(["", "A", "B", ""], lines)


def _settings(asked: Sequence[Setting], pairs: int) -> str:
    """What was set otherwise for the same method and seed; first what both say, then what only one has written down."""
    if not pairs:
        return '<p class="caption">No run of one has the label and training seed of a run of the other.</p>'
    if not asked:
        return f'<p class="caption">The {_runs(pairs)} of the same label and seed have the same settings.</p>'
    lines = [(each.name, _several(each.first), _several(each.second), f"{each.pairs} of {pairs}" * (each.pairs < pairs))
             for each in sorted(asked, key=lambda each: ABSENT in (*each.first, *each.second))]  # fmt: skip
    title = f"{len(lines)} settings differ" if len(lines) > 1 else "1 setting differs"
    return (f"<details><summary>{title} in {_runs(pairs)} of the same label and seed</summary>"
            f"{_three(['', 'A', 'B', ''], lines)}</details>")


def _runs(pairs: int) -> str:
    return "1 pair of runs" if pairs == 1 else f"{pairs} pairs of runs"


def _several(values: Sequence[str]) -> str:
    return ", ".join(values[:3]) + f" and {len(values) - 3} more" * (len(values) > 3)


def _three(head: Sequence[str], lines: Sequence[tuple[str, str, str, str]]) -> str:
    heads = "".join(f'<th scope="col">{each}</th>' for each in head)
    body = "".join(f'<tr class="{"other" if last == "differs" else ""}"><th scope="row" class="left">{html.escape(name)}</th>'
                   + "".join(f"<td>{html.escape(text)}</td>" for text in (first, second, last)) + "</tr>"
                   for name, first, second, last in lines)  # fmt: skip
    return f'<div class="box"><table class="facts"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _metric(section: sides.Section) -> str:
    """The metric's table: for each method a line of A, one of B, and one of the difference."""
    metric = section.metric
    pairs = [pair for _, own in section.lines for pair in own]
    shown = [each["interval"] for pair in pairs for each in (pair.first, pair.second) if each is not None]
    shown += [pair.difference.kind for pair in pairs if pair.difference]
    caption = " ".join(filter(None, [f"{captions.ARROW[metric.better].capitalize()}.", metric.note, sides.found(section),
                                     NOTE * any(pair.difference for pair in pairs), *marks.kind_words(shown)]))  # fmt: skip
    heads = "".join(f'<th scope="col"{side}>{title}</th>' for title, side in
                    [("method", ' class="left"'), ("", ""), *((steps_title(n), "") for n in section.steps)])  # fmt: skip
    body = "".join(_method(name, own, metric.ranking) for name, own in section.lines)
    table = f'<div class="box"><table class="sides"><thead><tr>{heads}</tr></thead>{body}</table></div>' * bool(section.lines)
    return (f'<section><h2>{html.escape(metric.name)}: {html.escape(metric.title)}</h2>'
            f'<p class="caption">{html.escape(caption)}</p>{table}</section>')


def _method(name: str, pairs: Sequence[sides.Pair], better: str) -> str:
    told = any(pair.difference for pair in pairs)
    head = f'<th scope="rowgroup" rowspan="{2 + told}" class="left name">{html.escape(name)}</th>'
    lines = [(head, "A", [_value(pair.first) for pair in pairs]), ("", "B", [_value(pair.second) for pair in pairs]),
             *([("", "B − A", [_difference(pair, better) for pair in pairs])] if told else [])]
    rows = "".join(f'<tr{" class=less" * (whose == "B − A")}>{first}<td class="left">{whose}</td>{"".join(cells)}</tr>'
                   for first, whose, cells in lines)  # fmt: skip
    return f"<tbody>{rows}</tbody>"


def _value(row: sides.Row | None) -> str:
    if row is None or math.isnan(row["value"]):
        return f"<td>{html.escape(board.absent(None if row is None else dict(row)))}</td>"
    places = numbers.decimals(row["value"])
    low, high, value = (_minus(numbers.fixed(row[name], places)) for name in ("low", "high", "value"))
    span = "" if math.isnan(row["low"]) else f"{low} – {high}{marks.of_interval(row)}"
    return f"<td><b>{value}</b><small>{span}</small></td>"


def _difference(pair: sides.Pair, better: str) -> str:
    less = pair.difference
    if less is None or pair.first is None:
        return "<td></td>"
    places = numbers.decimals(pair.first["value"])
    places = places + 1 if places >= 0 else places
    text = _signed(less.value, places)
    span = f"{_signed(less.low, places)} – {_signed(less.high, places)}{marks.of_kind(less.kind)}" * (less.low < less.high)
    if not pair.told:
        return f"<td><b>{text}</b><small>{span}</small></td>"
    word = {"lower": ("worse", "better"), "higher": ("better", "worse")}.get(better, ("", ""))[less.value < 0]
    return f'<td class="told"><b>{text} {word}</b><small>{span}</small></td>'


def _signed(value: float, places: int) -> str:
    text = numbers.fixed(value, places)
    return text.lstrip("-") if float(text) == 0 else "+" * (value > 0) + _minus(text)


def _minus(text: str) -> str:
    return text.replace("-", "−")
