"""What may come next on a command line, by the names of the YAML files: `key=value` of the choices, else a path.

A shell waits for this at every press of a key, so it imports neither Hydra nor PyTorch.
"""

from collections.abc import Sequence

from click.shell_completion import CompletionItem

from bench.conf import GROUPS, names

FILES = [CompletionItem("", type="file")]
PRESET = "preset"  # sweep=preset/NAME by a name of its own
KEYS = (*GROUPS, PRESET)


def after(words: Sequence[str], begun: str) -> list[CompletionItem]:
    """What goes on with `begun` after the words of a verb that takes `key=value`.

    Bash ends a word at `=`, and is answered with values alone: words is then [..., "sweep", "="], or [..., "sweep"] where
    nothing of the value is begun. Other shells are answered with whole words.
    """
    said = [*words, "="] if not begun and words and words[-1] in KEYS else [*words]
    if said[-1:] == ["="]:
        return _values("", said[-2] if len(said) > 1 else "", begun, said) or FILES
    key, equals, value = begun.partition("=")
    if equals:
        return _values(f"{key}=", key, value, said) or FILES
    if not begun:
        return [CompletionItem(f"{each}=") for each in KEYS]
    return [item for each in KEYS if each.startswith(begun) for item in _values(f"{each}=", each, "", said)] or FILES


def _values(head: str, key: str, begun: str, said: Sequence[str]) -> list[CompletionItem]:
    """The names that a choice has; of a list the last one is begun."""
    if key not in KEYS:
        return []
    listed = names("sweep" if key == PRESET else key, _plugins(said))
    if key == PRESET:
        listed = [name.removeprefix(f"{PRESET}/") for name in listed if name.startswith(f"{PRESET}/")]
    before, comma, last = begun.rpartition(",")
    return [CompletionItem(f"{head}{before}{comma}{name}") for name in listed if name.startswith(last)]


def _plugins(said: Sequence[str]) -> str | None:
    whole = " ".join(said).replace(" = ", "=").split(" ")
    return next((word.partition("=")[2] for word in whole if word.startswith("plugins=")), None)
