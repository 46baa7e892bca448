"""What stands above and under a table: what it shows, what its marks mean, on which protocol it rests."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from results.records import PRESET, Metric
from results.tables import marks
from results.tables.board import grouped
from results.tables.numbers import number

ARROW = {"lower": "lower is better", "higher": "higher is better", "": "not a ranking"}
LEAGUES = {
    "extra networks": "a league of its own: further networks are trained beside the one that is sampled from",
    "perceptual": "a league of its own: a perceptual loss shares features with the metric, or a GAN is used",
}
SETTING = "a paper's whole setting: its budget, network and recipe are its own, and no other row had them"
FEWEST = 200  # samples: below, a distance is mostly its own bias and noise
ITALIC = "reference, one value for any number of steps"


def league_title(league: str) -> str:
    """What stands above the table of a league of its own."""
    if league.startswith(PRESET):
        return f"the setting of {league.removeprefix(PRESET).strip()}"
    return f"{league} losses" if league == "perceptual" else league


def league_note(league: str) -> str:
    """Why it is one."""
    return SETTING if league.startswith(PRESET) else LEAGUES.get(league, league)


def caption(part: pd.DataFrame, references: pd.DataFrame, metric: Metric, league: str, full: bool, head: Sequence[str]) -> str:
    floors = sorted({number(v) for v in [*part["floor"].dropna(), *references["floor"].dropna()]})
    words = [
        "Mean [95 % Student-t interval over training seeds, for references over sample draws; none below three]; " * full,
        f"bold = {marked(part)} ({marks.TEST}); " * bool(marked(part) and full),
        f"italic = {ITALIC}." if full else "Means; intervals stand in leaderboard.csv.",
        "Two training seeds give no interval worth the name." if full and (part["seeds"] == 2).any() else "",
        *notes(part, references, metric, intervals=full),
        "Detectable: the smallest true difference between two methods of the usual noise that such a test shows with 80 % "
        "power (median over methods)." if full and part["detectable"].notna().any() else "",
        f"League: {league_note(league)}; ranked by itself." if league != "plain" else "",
        f"Protocol `{protocol(part, references)}`; {seeds(part)}; {evaluations(part)}.",
        metric.note,
        f"Floor: {', '.join(floors)}." if floors else "",
        "Compute is in forward evaluations of a row: forward + 2 x backward + JVP rows; of the teacher's, in brackets, the "
        "share of each run that learns from it." if any("compute" in name for name in head) else "",
    ]  # fmt: skip
    return " ".join(word.strip() for word in words if word)


def marked(part: pd.DataFrame) -> str:
    """What bold and ≈ mean, of those that occur; empty where nothing is marked."""
    tied = f", {marks.TIED} = {marks.TIED_WORDS}" * bool((part["mark"] == "tied").any())
    return f"{marks.BEST_WORDS}{tied}" if (part["mark"] == "best").any() else ""


def notes(part: pd.DataFrame, references: pd.DataFrame, metric: Metric, intervals: bool = True) -> list[str]:
    """A sentence for each of the other marks that occur; without those of `intervals` where none is shown."""
    rows = [row for _, rows in grouped(part) for row in rows]
    found = marks.kind_words(set(part["interval"])) if intervals else []
    found += [few(part), fewer(part, references), marks.kept_words(part), marks.precision_words(part)]
    return [words for words in (*found, marks.doubt_words(rows, marks.gaussian_fit(references), metric)) if words]


def few(part: pd.DataFrame) -> str:
    """One sentence where a value rests on few samples; else empty."""
    counts = part.loc[part["count"].between(1, FEWEST - 1), "count"]
    return f"Of {_several(counts, 'sample')} a value says little: evaluation.count=NUMBER takes more." if len(counts) else ""


def fewer(part: pd.DataFrame, references: pd.DataFrame) -> str:
    """One sentence where a reference has fewer samples than the methods: of held-out data there may be no more."""
    most = part["count"].max()
    less = references.loc[references["count"].between(1, most - 1), ["method", "count"]].drop_duplicates()
    told = [f"{label}: {count:,} samples" for label, count in less.itertuples(index=False)]
    return f"{'; '.join(told)} and no more, of a method {most:,}: most distances are larger with fewer." if told else ""


def protocol(*parts: pd.DataFrame) -> str:
    """The ids behind a table."""
    return ", ".join(dict.fromkeys(str(name) for part in parts for name in part["protocol"] if name)) or "none"


def seeds(part: pd.DataFrame) -> str:
    """The number of finished training seeds behind the methods' values, as one number or a range."""
    return _several(part.loc[part["sampler"] != "reference", "seeds"], "training seed")


def evaluations(part: pd.DataFrame) -> str:
    """Of what a value is the mean: draws of noise, and samples in each."""
    scored = part[part["evaluation_seeds"] > 0]
    return f"{_several(scored['evaluation_seeds'], 'evaluation seed')} x {_several(scored['count'], 'sample')}"


def _several(values: pd.Series, noun: str) -> str:
    """A number of things, or a range of it: "1 training seed", "2 to 3 training seeds"."""
    text = _range(values)
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def _range(values: pd.Series) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
