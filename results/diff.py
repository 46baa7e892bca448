"""Why do two runs differ, or two sweeps? `python -m results.diff A B`, two runs by their folders or two sweeps.

Of two runs the records are compared, not the scores: what was asked (config), the data's hash, versions and device, the
budget, what was spent and the protocols of the evaluation rows. Of two sweeps (a sweep's folder, a folder of runs, or
records.jsonl.gz) one page is written, diff-B.html beside the tables of A: what was run, the settings that differ, and for
each method, metric and step count both values with the difference; never one of different protocols. Exit status: 0 nothing
differs, 1 something does, 2 a record cannot be read.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from results import report, terminal
from results.records import RUN_FILE, Difference, ProtocolError, RecordError, StoreError, differences, load_run, near


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
    parser = argparse.ArgumentParser(prog="python -m results.diff", description=(__doc__ or "").splitlines()[0],
                                     epilog=" ".join((__doc__ or "").split("\n\n")[1].split()))
    parser.add_argument("places", nargs=2, type=Path, metavar="RUN|SWEEP", help="two run folders, or two sweeps or their names")
    parser.add_argument("--out", type=Path, help="where to write the page of two sweeps (default: the folder of the first)")
    parser.add_argument("--protocol", action="append", help="of two sweeps keep only rows of this protocol; may be repeated")
    options = parser.parse_args(arguments)
    try:
        options.places = [report.of_name(place) for place in options.places]
        sweeps = [place.exists() and not (place / RUN_FILE).exists() for place in options.places]
        if any(sweeps) and any(place.exists() for place, sweep in zip(options.places, sweeps, strict=True) if not sweep):
            raise ValueError(f"{options.places[sweeps.index(False)]} is a run and {options.places[sweeps.index(True)]} is not; "
                             "give two runs or two sweeps")
        if any(sweeps):
            first, second = options.places
            return _sweeps(first, second, options.out, options.protocol)
        if options.out or options.protocol:
            raise ValueError("--out and --protocol are of the page of two sweeps; two runs are compared here, in the terminal")
        a, b = (load_run(folder) for folder in options.places)
    except (ProtocolError, RecordError, StoreError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = differences(a, b)
    print(text(found, *(record.run_id for record, _ in (a, b))))
    return 1 if found else 0


def _sweeps(first: Path, second: Path, out: Path | None, protocols: Sequence[str] | None) -> int:
    """One page on two sweeps; 1 if anything differs."""
    from results.compared import sides
    from results.webpage import sides as page

    names = [report.name(place) for place in (first, second)]
    if names[0] == names[1]:
        names = [str(first), str(second)]
    gathered = [report.gather(place) for place in (first, second)]
    there = [{row.protocol for _, rows in runs for row in rows} for runs, _ in gathered]
    if missing := [id_ for id_ in protocols or () if id_ not in there[0] | there[1]]:
        known = sorted(there[0] | there[1])
        raise ValueError(f"--protocol: neither has {missing[0]!r}; nearest: {(near(missing[0], known, 1, 0) or ['none'])[0]!r}")
    asked = [[id_ for id_ in protocols or () if id_ in own] for own in there]  # a side keeps what it has of them
    both = sides.Both(*(sides.Side(name, runs, sweep.get("order") or (), own or sweep.get("protocols") or None)
                        for name, (runs, sweep), own in zip(names, gathered, asked, strict=True)))  # fmt: skip
    path = (out or report.default_out(first)) / f"diff-{re.sub(r'[^0-9A-Za-z.=_-]+', '_', names[1])}.html"
    page.write(path, both)
    print(f"A: {names[0]}\nB: {names[1]}\n")
    for fact in both.facts:
        print(f"{fact.name}: " + (f"A {fact.first}; B {fact.second}" if fact.differs else f"{fact.first}, the same"))
    for section in both.sections:
        print(f"{section.metric.name}: {sides.found(section)}")
    print(path)
    return int(both.differ)


if __name__ == "__main__":
    sys.exit(main())
