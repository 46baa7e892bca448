"""The one helper for a name that is not known: which of the known ones may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near(value: object, known: Iterable[object], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """At most n of the known names, the most similar one first; cutoff 0 always finds one where there is any.

    Capitals do not count.
    """
    by_lower = {str(name).lower(): str(name) for name in sorted(map(str, known), reverse=True)}
    found = difflib.get_close_matches(str(value).lower(), sorted(by_lower), n, cutoff)
    return [by_lower[name] for name in found]
