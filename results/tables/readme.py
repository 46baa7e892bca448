"""`python -m results.tables.readme`: put the tables of reference runs into README.md, between their markers.

A block opens with `<!-- NAME -->` and ends with `<!-- end -->`. In between goes results/reference/NAME.md, or the tables
of NAME/published.md there (but for its long list), or the first one of NAME/leaderboard.md. A test compares the two, so that
the README cannot drift from what was run.
"""

import re
from pathlib import Path

from results.records import write_text
from results.tables.beside import LIST

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(readme: str, reference: Path) -> str:
    """The README's text with every block filled from `reference`."""
    return BLOCK.sub(lambda m: f"{m[1]}{block(reference, m[2])}{m[4]}", readme)


def block(reference: Path, name: str) -> str:
    """What stands under a name, with a blank line on either side."""
    page, published = reference / f"{name}.md", reference / name / "published.md"
    if page.exists():
        return f"\n{page.read_text().strip()}\n\n"
    found = tables(published) if published.exists() else tables(reference / name / "leaderboard.md")[:1]
    return "".join(f"\n{text}\n" for text in found) + "\n"


def tables(page: Path) -> list[str]:
    """The Markdown tables of a page, captions included, headings not; without the list of every published number."""
    sections = [section.split("\n", 1) for section in page.read_text().split("\n## ")[1:]]
    return [text.strip() for title, text in sections if title != LIST]


if __name__ == "__main__":
    path = ROOT / "README.md"
    write_text(path, filled(path.read_text(), ROOT / "results" / "reference"))
