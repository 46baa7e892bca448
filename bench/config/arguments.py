"""The command line as overrides: `key=value`, and `key=a,b` for an axis. Hydra's grammar reads them."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString

from bench.config.errors import HELP, ConfigError

PRESETS = "preset"
"""The folder of sweep files that are papers' whole settings."""
OPEN = ("+sweep.search.space", "+sweep.search.prunable_from", "+sweep.knobs", "+sweep.remarks", "+sweep.axes", "+sweep.only")
"""Mappings of a sweep file whose keys are the user's own: to these one may add."""


@dataclass(frozen=True)
class Given:
    """One `key=value` of the command line; several values (`a,b`) make an axis."""

    key: str
    values: tuple[Any, ...]
    text: str

    @property
    def is_axis(self) -> bool:
        """Whether it has several values, one run each."""
        return len(self.values) > 1

    @property
    def listed(self) -> list[Any]:
        """The values of an axis, or those of a list."""
        only = self.values[0]
        return list(only) if not self.is_axis and isinstance(only, list) else list(self.values)


def quoted(text: str) -> str:
    """A text as a value of Hydra's grammar that means this text, whatever it is made of."""
    return QuotedString(re.sub(r"(\\*)\$\{", r"\1\1\\${", text), Quote.single).with_quotes()


def parse(arguments: Sequence[str], faults: list[str]) -> list[Given]:
    """The command line's overrides; what is not `key=value` is noted. Of a key that is given twice the last one counts.

    preset=NAME is sweep=preset/NAME: a paper's whole setting says all that a sweep does.
    """
    given = []
    for text in arguments:
        try:
            given.append(_one(text.replace("preset=", f"sweep={PRESETS}/", 1) if text.startswith("preset=") else text))
        except ConfigError as error:
            faults += error.faults
    chosen = [text for text in arguments if text.startswith(("preset=", "sweep="))]
    if any(text.startswith("preset=") for text in chosen) and len(chosen) > 1:
        faults.append(f"{' '.join(chosen)}: a preset is a paper's whole setting, and stands in place of a sweep; choose one")
    last = {g.key: n for n, g in enumerate(given)}
    return [g for n, g in enumerate(given) if last[g.key] == n or g.text.startswith("+")]


def _one(text: str) -> Given:
    if text.startswith(("+", "~")) and not text.startswith(OPEN):
        raise ConfigError(f"{text}: keys are neither added (+) nor removed (~): write key=value for one that there is; "
                          f"{HELP} shows them all")
    key, equals, value = text.removeprefix("+").partition("=")
    if not equals or not key:
        raise ConfigError(f"{text!r} is not of the form key=value, for example method=lsd or budget.images=100000")
    if not value.strip():
        raise ConfigError(f"{key}= has no value; write {key}=null for none where that is allowed, or leave it out")
    try:
        override: Override = OverridesParser.create().parse_override(text)
        read = override.sweep_iterator() if override.is_sweep_override() else (override.value(),)
        values: tuple[Any, ...] = tuple(v.text if isinstance(v, QuotedString) else v for v in read)
        if override.is_sweep_override() and len(values) == 1:  # choice(3)
            text = f"{key}={quoted(values[0]) if isinstance(values[0], str) else values[0]}"
    except Exception as error:  # ANTLR's, Hydra's and Python's own, by the kind of mistake
        why = str(error).split("\n")[0]
        raise ConfigError(f"{text!r} cannot be read ({why}); {_way_out(key, value)}") from error
    if override.package is not None or re.match(r"hydra\b", override.key_or_group):
        raise ConfigError(f"{text}: packages (@) and keys of Hydra mean nothing here; {HELP} shows the keys that there are")
    if not values:
        raise ConfigError(f"{text} is an axis without a value, and would leave no run")
    if {} in values:
        raise ConfigError(f"{text} changes nothing: a mapping sets the keys that it has; name one, or leave it out")
    return Given(override.key_or_group, values, text)


def _way_out(key: str, value: str) -> str:
    if value.startswith(("[", "{")):
        return "a list is written [1,2], a mapping {a:1,b:2}, and every text in it with other signs than a-z in quotes"
    whole = f"{key}={quoted(value if value.isprintable() else '...')}"
    shell = shlex.quote(whole) if set(whole) & set('"$`!\\') else f'"{whole}"'
    return f"put a text with spaces, umlauts or signs into quotes of its own: {shell}"
