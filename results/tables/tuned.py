"""The trials of a tuned sweep as a table: what was tried for each method, how it scored, and where it was given up.

`trials.csv` holds one line per trial, `tuned.md` the same for people with a paragraph on how settings were chosen. Proxy
scores rank the settings of one method; they are never reported as results of the methods.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from results.records import StoreError, write_text

COLUMNS = ("method", "trial", "state", "rung", "images", "proxy", "setting", "default", "chosen", "run", "reason")
CSV, PAGE = "trials.csv", "tuned.md"


def frame(trials: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per trial, methods in the order in which they came, trials by number.

    state: done, pruned, diverged, failed, or running. rung: "2 of 3" for the one it was pruned at, images: what it had seen
    then. proxy: its last score, NaN without one. default: the untuned setting; chosen: the best, which the table reports.
    """
    rows = [
        {
            "method": t["method"], "trial": t["trial"], "state": t["state"],
            "rung": f"{t['rung']} of {t['rungs']}" if t["state"] == "pruned" else "", "images": t["images"],
            "proxy": math.nan if t["value"] is None else t["value"], "setting": json.dumps(t["params"], sort_keys=True),
            "default": t["default"], "chosen": t["chosen"], "run": t["run"], "reason": t["reason"],
        }
        for t in trials
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"images": "Int64"})


def write(folder: Path, trials: Sequence[Mapping[str, Any]], about: str) -> pd.DataFrame:
    """Write trials.csv and tuned.md into `folder`. Raises StoreError if they cannot be written."""
    found = frame(trials)
    try:
        write_text(folder / CSV, found.to_csv(index=False))
        write_text(folder / PAGE, page(found, about, folder.name))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); choose another folder with out=") from error
    return found


def page(trials: pd.DataFrame, about: str, name: str) -> str:
    """The trials in Markdown: the paragraph, a line per method, a line per trial."""
    lines = [f"# How the settings of {name} were chosen", "", about, "",
             "| method | trials | settings | done | pruned | diverged | failed | proxy as it was | proxy of the chosen "
             "| chosen setting |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for method, own in trials.groupby("method", sort=False):
        counts = [str(int((own["state"] == state).sum())) for state in ("done", "pruned", "diverged", "failed")]
        before, best = own[own["default"] & (own["state"] != "failed")], own[own["chosen"]]
        differ = own["setting"].nunique()
        cells = [str(method), str(len(own)), str(differ), *counts, _score(before), _score(best), _settings(best)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| method | trial | state | rung | proxy | setting |", "|---|---|---|---|---|---|"]
    for row in trials.to_dict("records"):
        marks = "".join([" (untuned)" if row["default"] else "", " **chosen**" if row["chosen"] else ""])
        state = row["state"] + (f": {row['reason']}" if row["reason"] else "")
        lines.append(f"| {row['method']} | {row['trial']} | {state} | {row['rung']} | {_number(row['proxy'])} | "
                     f"{_setting(row['setting'])}{marks} |")
    return "\n".join(lines) + "\n"


def _score(rows: pd.DataFrame) -> str:
    return _number(float(rows["proxy"].iloc[0])) if len(rows) else ""


def _settings(rows: pd.DataFrame) -> str:
    return _setting(str(rows["setting"].iloc[0])) if len(rows) else ""


def _setting(text: str) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in json.loads(text).items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
