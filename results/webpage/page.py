"""index.html: the whole sweep in one file that needs no network, from the leaderboard and its records.

The file holds its data as JSON, and the styles and scripts of results/assets. Its content policy lets it load nothing and
run nothing else, so a label or reason taken from a record can only ever be shown as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from results.pictures import COLOURS
from results.records import Runs, write_text
from results.webpage.page_data import payload

FILE = "index.html"
CURVES = "curves"
ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("data.js", "text.js", "panel.js", "tables.js", "chart.js", "families.js", "page.js")


def write(
    out: Path,
    frame: pd.DataFrame,
    runs: Runs,
    title: str,
    samples: Mapping[str, bytes] | None = None,
    published: pd.DataFrame | None = None,
    note: str = "",
    remarks: Sequence[str] = (),
    columns: Sequence[str] | None = None,
) -> Path:
    """Write index.html into `out` and return its path; equal input gives equal bytes.

    `frame` is the leaderboard of `runs`. `samples` are PNG files by name, "curves" those of the trainings; `note` says what the
    sweep is; `remarks` are lines under the table; `columns` are the costs behind the switch, of `tables.costs.FACTS`.
    Raises StoreError if `out` cannot be written.
    """
    path = Path(out) / FILE
    write_text(path, document(payload(frame, runs, title, note, published, remarks, columns), samples or {}))
    return path


def document(data: Mapping[str, Any], samples: Mapping[str, bytes]) -> str:
    """The page's text around `data`."""
    style = _palette() + (ASSETS / "page.css").read_text(encoding="utf-8")
    parts = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"
    return Template((ASSETS / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(str(data["title"])), policy=html.escape(_policy(style, script)), style=style, script=script,
        data=_inline(data), samples="\n".join(_figure(name, png) for name, png in samples.items() if name != CURVES),
        training=_training(samples),
    )  # fmt: skip


def pictures(folder: Path) -> dict[str, bytes]:
    """The sample grid and the trainings' curves that stand in `folder`, for `samples` of `write`; those that there are."""
    paths = [Path(folder) / f"{name}.png" for name in ("samples", CURVES)]
    return {path.stem: path.read_bytes() for path in paths if path.exists()}


def _palette() -> str:
    """The colours of the pictures' lines, for the same lines on paper and on a light page."""
    return f":root {{ {' '.join(f'--c{slot}: {colour};' for slot, colour in enumerate(COLOURS))} }}\n"


def _inline(data: Mapping[str, Any]) -> str:
    """JSON that cannot close the script element it stands in."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("&", "\\u0026").replace("<", "\\u003c")


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and only these very texts run."""
    return f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _training(pictures: Mapping[str, bytes]) -> str:
    """The section of the trainings' curves, nothing where there are none."""
    figure = _figure("Loss and gradient norm of the trainings, and the metric at milestones", pictures.get(CURVES, b""))
    return f'<section id="training">\n<h2>Training</h2>\n{figure}\n</section>' if CURVES in pictures else ""


def _figure(name: str, png: bytes) -> str:
    label, source = html.escape(name), f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<figure class="box" tabindex="0"><img alt="{label}" src="{source}"><figcaption>{label}</figcaption></figure>'
