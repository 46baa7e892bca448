"""`python -m results.readme`: put the tables of reference runs into README.md, between their markers.

A block opens with `<!-- NAME -->` and ends with `<!-- end -->`; NAME is a folder of results/reference/, and the first table
of its leaderboard.md goes in between. A test compares the two, so that the README cannot drift from what was run.
"""

import re
from pathlib import Path

from results.store import write_text

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(readme: str, reference: Path) -> str:
    """The README's text with every block filled from `reference`/NAME/leaderboard.md."""
    return BLOCK.sub(lambda m: f"{m[1]}{first_table(reference / m[2] / 'leaderboard.md')}{m[4]}", readme)


def first_table(page: Path) -> str:
    """The first Markdown table of a page, its caption included, with a blank line on either side."""
    section = page.read_text().split("\n## ")[1].split("\n", 1)[1]
    return f"\n{section.strip()}\n\n"


if __name__ == "__main__":
    path = ROOT / "README.md"
    write_text(path, filled(path.read_text(), ROOT / "results" / "reference"))
