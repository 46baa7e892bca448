"""The runs' configurations for the page: each part once, then what differs from it.

Runs of a sweep share nearly all of their configuration. A part (`train`, `method`, `seed`) is stored as its first value, the
distinct changes to it, and for each run which change it has; so two thousand runs cost little more than one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from results.records import RunRecord, flat

_text = json.JSONEncoder(sort_keys=True, default=str).encode
Change = tuple[dict[str, str], list[str]]  # the keys that are other or more, and those that are gone


class Configs:
    """The configurations of `records`, in their order."""

    def __init__(self, records: Sequence[RunRecord]) -> None:
        self._texts = [{name: _text(value) for name, value in record.config.items()} for record in records]
        self._values = {(name, text): record.config[name] for record, texts in zip(records, self._texts, strict=True)
                        for name, text in texts.items()}  # fmt: skip

    @property
    def hashes(self) -> list[str]:
        """Of each record's whole configuration, whatever the order of its keys."""
        whole = ("{" + ", ".join(f"{_text(name)}: {texts[name]}" for name in sorted(texts)) + "}" for texts in self._texts)
        return [hashlib.sha256(text.encode()).hexdigest()[:12] for text in whole]

    def parts(self) -> list[list[Any]]:
        """For each part [first value, changes, change of each run]; the last is left out where all runs share one value.

        Values are {dotted key: text}. A run without the part has the change that removes all of it.
        """
        names = dict.fromkeys(name for texts in self._texts for name in texts)
        return [self._part(name) for name in names]

    def _part(self, name: str) -> list[Any]:
        found = [texts.get(name) for texts in self._texts]
        place = {text: index for index, text in enumerate(dict.fromkeys(found))}
        values = [{} if text is None else _readable({name: self._values[name, text]}) for text in place]
        base = next(value for value in values if value)
        changes = [_change(base, value) for value in values]
        return [base, changes] if len(changes) == 1 else [base, changes, [place[text] for text in found]]


def _readable(part: Mapping[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else _text(value) for key, value in flat(part).items()}


def _change(base: Mapping[str, str], value: Mapping[str, str]) -> Change:
    return {key: text for key, text in value.items() if base.get(key) != text}, [key for key in base if key not in value]
