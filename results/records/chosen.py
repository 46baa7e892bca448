"""Some methods, some step counts: what a table is drawn of, chosen before anything is ranked."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from results.records.names import near
from results.records.record import Runs


def of_methods(runs: Runs, wanted: Sequence[str]) -> Runs:
    """The runs of `labels`, and the references. Raises ValueError naming the nearest of an unknown name."""
    chosen = set(labels(runs, wanted))
    return [run for run in runs if run[0].kind == "reference" or run[0].label in chosen]


def labels(runs: Runs, wanted: Sequence[str]) -> list[str]:
    """The labels that are meant, in the order of the names: of a label itself alone, of lsd* all that begin so, of a method
    that is no label all of its own. Raises ValueError naming the nearest of an unknown name."""
    own = {record.label: record.method for record, _ in runs if record.kind != "reference"}
    found: list[str] = []
    for name in wanted:
        meant = [name] if name in own else [label for label, method in own.items() if name == method or
                                            ("*" in name and fnmatchcase(label, name))]  # fmt: skip
        if not meant:
            known = dict.fromkeys(each for pair in own.items() for each in pair)
            raise ValueError(f"--methods: there is no {name!r}; nearest: {_nearest(name, known)}, all: {', '.join(known)}")
        found += sorted(meant)
    return list(dict.fromkeys(found))


def at_steps(runs: Runs, wanted: Sequence[int]) -> Runs:
    """The rows at these step counts, and those of references. Raises ValueError naming the nearest of one that nobody has."""
    known = sorted({row.steps for record, rows in runs for row in rows if record.kind != "reference"})
    for steps in wanted:
        if steps not in known:
            close = min(known, key=lambda other: abs(other - steps), default="none")
            raise ValueError(f"--steps: no method was scored at {steps} steps; nearest: {close}, all: "
                             f"{', '.join(map(str, known)) or 'none'}")  # fmt: skip
    return [(record, [row for row in rows if record.kind == "reference" or row.steps in wanted]) for record, rows in runs]


def names(texts: Sequence[str], known: Sequence[str] = ()) -> list[str]:
    """Comma lists as one list of names without repeats; one of the `known` that holds a comma is a whole name."""
    parts = [[text] if text in known else text.split(",") for text in texts]
    return list(dict.fromkeys(name.strip() for part in parts for name in part if name.strip()))


def counts(texts: Sequence[str]) -> list[int]:
    """Step counts of comma lists. Raises ValueError."""
    found = names(texts)
    if not all(name.isdecimal() and int(name) for name in found):
        raise ValueError(f"--steps {','.join(texts)}: give step counts such as 1,2,4")
    return sorted(map(int, found))


def _nearest(name: str, known: Sequence[str] | dict[str, None]) -> str:
    return repr(next(iter(near(name, known, 1, 0)), "none"))
