"""`python -m results.readme`: put the tables of reference runs into README.md, between their markers.

A block opens with `<!-- NAME -->` and ends with `<!-- end -->`. In between goes results/reference/NAME.md, or the first table
of NAME/leaderboard.md there. A test compares the two, so that the README cannot drift from what was run.
"""

import re
from pathlib import Path

from results.store import write_text

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(readme: str, reference: Path) -> str:
    """The README's text with every block filled from `reference`."""
    return BLOCK.sub(lambda m: f"{m[1]}{block(reference, m[2])}{m[4]}", readme)


def block(reference: Path, name: str) -> str:
    """What stands under a name, with a blank line on either side."""
    page = reference / f"{name}.md"
    return f"\n{page.read_text().strip()}\n\n" if page.exists() else first_table(reference / name / "leaderboard.md")


def first_table(page: Path) -> str:
    """The first Markdown table of a page, its caption included, with a blank line on either side."""
    section = page.read_text().split("\n## ")[1].split("\n", 1)[1]
    return f"\n{section.strip()}\n\n"


if __name__ == "__main__":
    path = ROOT / "README.md"
    write_text(path, filled(path.read_text(), ROOT / "results" / "reference"))
