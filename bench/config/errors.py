"""What is said of a wrong configuration: one line for each fault, which names the key, the value and the way out."""

import re
from collections.abc import Iterable
from typing import Any

from results.records import near

LONG = 100  # characters of a list of names that is still read
HELP = "python -m bench.run --help"
BREAKS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What ends a line besides the newline that stands between faults: a value may hold it, and each fault is one line."""


class ConfigError(ValueError):
    """Wrong names or values in a configuration: a line for each, which says what would be valid."""

    def __init__(self, *faults: str) -> None:
        super().__init__(BREAKS.sub(" ", "\n".join(dict.fromkeys(faults))))

    @property
    def faults(self) -> list[str]:
        """Every fault, a line each."""
        return str(self).split("\n")


def unknown(key: str, value: object, valid: Iterable[object], also: str = HELP) -> str:
    """What is said of `value` at `key` when only `valid` names are allowed; `also`: the command that lists many."""
    return _not_valid(f"{key}={shown(value)}", value, valid, also)


def no_key(section: str, key: str, valid: Iterable[str], also: str = HELP) -> str:
    """What is said of a key that a section has not."""
    at = f"{section}." if section else ""
    return _not_valid(f"{at}{key}", key, valid, also, at)


def _not_valid(what: str, name: object, valid: Iterable[object], also: str, at: str = "") -> str:
    """`at` stands before what was perhaps meant."""
    names = sorted(str(v) for v in valid)
    listed = ", ".join(names)
    close = near(name, names, 3, 0.4)
    if len(listed) > LONG:
        close, listed = close or near(name, names, 3, 0), ""
    hint = f"; nearest: {', '.join(f'{at}{each}' for each in close)}" if close else ""
    rest = f"Valid: {listed}" if listed else f"All {len(names)}: {also}" if names else "There are none to choose from"
    return f"{what} is not valid{hint}. {rest}"


def nearest(key: str, value: object, valid: Iterable[object], also: str = HELP) -> ConfigError:
    """The error of `unknown`."""
    return ConfigError(unknown(key, value, valid, also))


def shown(value: Any) -> str:
    """A value as a command line or a YAML file would write it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    text = str(value)
    return text if text and text == text.strip() and "\n" not in text else repr(text)
