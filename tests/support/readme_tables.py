"""`python tests/support/readme_tables.py`: put the tables of reference runs into the READMEs, between markers.

A block opens with `<!-- NAME -->` and ends with `<!-- end -->`. In between goes results/reference/NAME.md, or the tables
of NAME/published.md there (but for its long list), or the first one of NAME/leaderboard.md. `<!-- NAME compact -->` is that
first one as means with images and seconds. A test compares pages and records, so that no page can drift from what was run.
"""

import re
import sys
from pathlib import Path

sys.path.extend(map(str, Path(__file__).resolve().parents[2:0:-1]))  # as in a test

import pandas as pd
from places import ROOT

from results.compared.beside import LIST
from results.records import write_text
from results.tables import wide
from results.tables.render import markdown

PAGES = ("README.md", "methods/README.md", "results/README.md", "sweeps/README.md", "bench/README.md")
BLOCK = re.compile(r"(<!-- (\w+)( compact)? -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(page: str, reference: Path) -> str:
    """A page's text with every block filled from `reference`."""
    return BLOCK.sub(lambda m: f"{m[1]}{block(reference, m[2], bool(m[3]))}{m[5]}", page)


def block(reference: Path, name: str, compact: bool = False) -> str:
    """What stands under a name, with a blank line on either side."""
    page, published = reference / f"{name}.md", reference / name / "published.md"
    if page.exists():
        return "\n" + page.read_text(encoding="utf-8").strip() + "\n\n"
    if compact:
        frame = pd.read_csv(reference / name / "leaderboard.csv", keep_default_na=False, na_values=["NaN"])
        found = tables(markdown(frame, tables=[wide.compact(frame)]))
    elif published.exists():
        found = tables(published.read_text(encoding="utf-8"))
    else:
        found = tables((reference / name / "leaderboard.md").read_text(encoding="utf-8"))[:1]
    return "".join(f"\n{text}\n" for text in found) + "\n"


def tables(page: str) -> list[str]:
    """The Markdown tables of a page, captions included, headings not; without the list of every published number."""
    sections = [section.split("\n", 1) for section in page.split("\n## ")[1:]]
    return [text.strip() for title, text in sections if title != LIST]


if __name__ == "__main__":
    for each in PAGES:
        path = ROOT / each
        write_text(path, filled(path.read_text(encoding="utf-8"), ROOT / "results" / "reference"))
