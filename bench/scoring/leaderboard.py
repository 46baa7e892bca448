"""The leaderboard of a sweep: its runs' records as tables, pictures and the page."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.scoring.pictures import samples
from results import report
from results.records import archive, load_runs, read_curves, relabelled
from results.tables import numberless, plain, remarked

FILES = (*report.FILES, "published.md", "tuned.md", "trials.csv", "samples.png", "guidance.png", "curves.png")


def draw(out: Path, name: str, listing: Mapping[str, Any], published: str | None = None) -> tuple[str, str]:
    """Write the leaderboard and the pictures of one sweep; `listing` as in its runs.json.

    Returns what to print, and a line that says so if no method has a number.
    """
    folder, labels = out / "sweeps" / name, listing["labels"]
    folders = [path for run in listing["runs"] if (path := out / "runs" / run).exists()]
    records, protocols = relabelled(load_runs(folders), labels), report.present(folders) or None
    about = {"sweep": name, "order": listing["order"], "labels": labels, "published": published,
             "protocols": sorted(protocols or ())}
    about |= {key: listing[key] for key in ("tuned", "remarks", "note") if key in listing}
    archive.write(folder / archive.FILE, records, about)
    frame = report.write(records, folder, listing["order"], samples(folders, labels), protocols=protocols, published=published,
                         tuned=listing.get("tuned", ""), remarks=listing.get("remarks"),
                         note=listing.get("note", ""), asked=Counter(labels.values()),
                         looks={path.name: read_curves(path) for path in folders})
    said = [plain(frame), *remarked(frame, listing.get("remarks"))]
    return "\n".join([*said, *(str(folder / file) for file in FILES if (folder / file).exists())]), numberless(frame)
