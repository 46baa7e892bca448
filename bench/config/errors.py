"""What is said of a wrong configuration."""

from collections.abc import Iterable

from results.records import near


class ConfigError(ValueError):
    """A wrong name or value in a configuration; the message says which key, and what would be valid."""


def nearest(key: str, value: object, valid: Iterable[object]) -> ConfigError:
    """The error for `value` at `key` when only `valid` names are allowed."""
    names = sorted(str(v) for v in valid)
    close = near(value, names, 3, 0.4)
    hint = f"; nearest: {', '.join(close)}" if close else ""
    return ConfigError(f"{key}={value} is not valid{hint}. Valid: {', '.join(names)}")
