"""What a table found, in words: the best at each step count, and what cannot be told from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from results.records import metric_info
from results.tables import captions, marks
from results.tables.numbers import number


class Finding(NamedTuple):
    """At one step count: the method with the best mean, and those that cannot be told from it.

    evaluations: what its sample cost. ranked: three independent trainings stand behind it, so that `tied` says something.
    doubt: even the best says little (§).
    """

    steps: int
    best: str
    value: float
    evaluations: float
    tied: tuple[str, ...]
    ranked: bool
    doubt: bool


def findings(frame: pd.DataFrame, metric: str, league: str = "plain") -> list[Finding]:
    """One for each step count at which a method of the league has a number; none of a metric that ranks nobody."""
    info, part = metric_info(metric), frame[frame["metric"] == metric]
    own = part[(part["sampler"] != "reference") & (part["league"] == league) & part["value"].map(math.isfinite)]
    gaussian, found = marks.gaussian_fit(part[part["sampler"] == "reference"]), []
    for steps, column in own.groupby("steps") if info.ranks else ():
        rows = [{str(name): value for name, value in row.items()} for row in column.to_dict("records")]
        rows.sort(key=lambda row: row["value"], reverse=info.better == "higher")
        best, tied = rows[0], tuple(row["method"] for row in rows if row["mark"] == "tied")
        found.append(Finding(int(str(steps)), best["method"], best["value"], best["nfe_rows"], tied,
                             best["mark"] == "best", bool(marks.doubts(best, gaussian, info))))  # fmt: skip
    return found


def lead(found: Sequence[Finding], metric: str) -> str:
    """The best of every step count in one sentence, before it where even that says little; empty where there is none."""
    info, places = metric_info(metric), dict[str, list[int]]()
    for each in found:
        places.setdefault(each.best, []).append(each.steps)
    if not places:
        return ""
    told = "; ".join(f"{best} {at(steps)}" for best, steps in places.items())
    rule = "" if any(each.ranked for each in found) else " This is no ranking: that takes three training seeds."
    doubt = ""
    if little := [each.steps for each in found if each.doubt]:
        where = "Even" if len(little) == len(found) else f"A{at(little)[1:]} even"
        doubt = f"{where} the best says little of its method ({marks.DOUBT}). "
    return f"{doubt}{'Lowest' if info.better == 'lower' else 'Highest'} mean {info.title}: {told}.{rule}"


def of_one(found: Finding, most: int = 6) -> tuple[str, str]:
    """The finding of one step count: ("sct 50.8", "cannot be told from it: imm, ctm"); of one that is not ranked no second."""
    text = f"{found.best} {number(found.value)}{marks.DOUBT * found.doubt}"
    text += f" ({found.evaluations:g} evaluations)" * (found.evaluations != found.steps)
    if not found.ranked:
        return text, ""
    if not found.tied:
        return text, "" if found.doubt else "no other is tied with it"
    names = list(found.tied[:most]) + [f"{len(found.tied) - most} more"] * (len(found.tied) > most)
    return text, f"cannot be told from it: {', '.join(names)}"


def at(steps: Sequence[int]) -> str:
    """At 1 step; at 1, 2 and 4 steps."""
    return f"at {listed(steps)} step{'s' * (list(steps) != [1])}"


def listed(counts: Sequence[int]) -> str:
    """1; 1 and 2; 1, 2 and 4."""
    words = [str(count) for count in counts]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def leagues(frame: pd.DataFrame) -> list[str]:
    """Plain first, then those of their own that occur."""
    own = frame.loc[frame["sampler"] != "reference", "league"]
    return sorted(own.unique(), key=lambda league: (league != "plain", league))


def headline(frame: pd.DataFrame, metric: str) -> list[tuple[str, str, list[tuple[int, str, str]]]]:
    """[(league's title, empty for the plain one; lead; [(steps, the best, what ties)])] of every league with a number."""
    told = []
    for league in leagues(frame):
        if found := findings(frame, metric, league):
            title = "" if league == "plain" else captions.league_title(league)
            told.append((title, lead(found, metric), [(each.steps, *of_one(each)) for each in found]))
    return told
