"""The tables of published numbers that the package holds, by name; results/tables/published.py reads them."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "published"
SUFFIX = ".csv"


def names() -> list[str]:
    """Of the tables in results/published, without loading what reads them."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))
