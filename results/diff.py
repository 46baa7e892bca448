"""Why do two runs differ? `python -m results.diff RUN_A RUN_B` compares their records, not their scores.

A run is its folder. Compared are what was asked (config), the data's hash, versions and device, the budget, what was spent
and the protocols of the evaluation rows. Exit status: 0 nothing differs, 1 something does, 2 a record cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from results import terminal
from results.records import Difference, RecordError, StoreError, differences, load_run


def text(found: Sequence[Difference], first: str, second: str) -> str:
    """The differences for people, section by section."""
    if not found:
        return f"{first} and {second} do not differ in config, data, versions, budget, costs or protocol"
    lines = [f"A: {first}", f"B: {second}"]
    for section in dict.fromkeys(d.section for d in found):
        lines += ["", section]
        lines += [f"  {d.name}: {d.first} in A, {d.second} in B" for d in found if d.section == section]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    terminal.ready()
    parser = argparse.ArgumentParser(prog="python -m results.diff", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="a run folder")
    options = parser.parse_args(arguments)
    try:
        a, b = (load_run(folder) for folder in options.runs)
    except (RecordError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = differences(a, b)
    print(text(found, *(record.run_id for record, _ in (a, b))))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
