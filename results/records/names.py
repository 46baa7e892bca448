"""The one helper for a name that is not known: which of the known ones may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUT = 3  # letters: fewer begin too many names


def near(value: object, known: Iterable[object], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """At most n of the known names, the most similar one first; cutoff 0 always finds one where there is any.

    Capitals do not count. Names that begin with the value are what it may have been cut from: they come before all others.
    """
    by_lower = {str(name).lower(): str(name) for name in sorted(map(str, known), reverse=True)}
    wanted = str(value).lower()
    begun = [name for name in sorted(by_lower) if len(wanted) >= CUT and name.startswith(wanted)]
    found = [*difflib.get_close_matches(wanted, begun, n, 0), *difflib.get_close_matches(wanted, sorted(by_lower), n, cutoff)]
    return [by_lower[name] for name in dict.fromkeys(found)][:n]
