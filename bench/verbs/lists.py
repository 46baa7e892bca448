"""`fewstep methods`, `fewstep sweeps`: what can be chosen, a line each, as the YAML files say it."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.conf import names
from bench.config import ConfigError
from bench.verbs import help as pages
from results import terminal

if TYPE_CHECKING:  # the mathematics brings PyTorch, and names are listed without it
    from methods.base import Needs

PRESET = "preset/"


def methods(arguments: Sequence[str] | None = None) -> int:
    """Print the methods; returns the exit status, 2 after a line that says what is wrong."""
    parser = _parser("methods", "List the methods; python -m bench.run --help method=NAME says more of one.")
    parser.add_argument("--long", action="store_true", help="also their papers and what they need; loads PyTorch")
    asked = parser.parse_args(arguments)
    return told(lambda: _methods(asked.long, _plugins(asked.plugins)))


def sweeps(arguments: Sequence[str] | None = None) -> int:
    """Print the sweeps and presets; returns the exit status, 2 after a line that says what is wrong."""
    asked = _parser("sweeps", "List the sweeps and the presets; python -m bench.run --help sweep=NAME shows one.")
    return told(lambda: _sweeps(_plugins(asked.parse_args(arguments).plugins)))


def lines(group: str, listed: Sequence[str], plugins: str | None = None) -> Iterator[str]:
    """A name and the first sentence about it; on a terminal no longer than it is wide."""
    width = max(map(len, listed), default=0)
    room = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else sys.maxsize
    for name in listed:
        text = f"{name.removeprefix(PRESET):<{width}}  {_sentence(group, name, plugins)}".rstrip()
        yield text if len(text) <= room else f"{text[: room - 3]}..."


def _sentence(group: str, name: str, plugins: str | None) -> str:
    return pages.line(group, name, plugins).partition(". ")[0].rstrip(".")


def told(lists: Callable[[], Iterator[str]]) -> int:
    """Print lines, or what is wrong; returns the exit status."""
    terminal.ready()
    try:
        print("\n".join(lists()))
    except ConfigError as error:
        print("\n".join(f"error: {fault}" for fault in error.faults), file=sys.stderr)
        return 2
    return 0


def _parser(verb: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"fewstep {verb}", description=about)
    parser.add_argument("plugins", nargs="?", metavar="plugins=FOLDER", help="also what a folder of your own holds")
    return parser


def _plugins(word: str | None) -> str | None:
    if word is None:
        return None
    key, _, folder = word.partition("=")
    if key != "plugins" or not Path(folder).expanduser().is_dir():
        raise ConfigError(f"{word} is not plugins=FOLDER with a folder that there is")
    return folder


def _methods(long: bool, plugins: str | None) -> Iterator[str]:
    listed = names("method", plugins)
    if not long:
        yield from lines("method", listed, plugins)
        return
    from bench.config import compose, registry
    from sweeps.plan import aligned

    registry.use_plugins(plugins)
    rows = [("method", "paper", "needs", "what it is")]
    for name in listed:
        made = registry.make_method(compose.section("method", name, plugins), registry.make_interpolant("linear", 1.0))
        rows.append((name, made.paper or "-", _needs(made.needs), _sentence("method", name, plugins)))
    yield from aligned(rows)


def _needs(needs: "Needs") -> str:
    """What must be there before it trains, or beside it, in words."""
    wanted = {"a teacher": needs.teacher, "a weaker teacher": needs.weak_teacher, "labels": needs.labels,
              "stored trajectories": needs.trajectories is not None}
    return ", ".join(word for word, is_so in wanted.items() if is_so) or "-"


def _sweeps(plugins: str | None) -> Iterator[str]:
    listed = names("sweep", plugins)
    yield "sweep=NAME"
    yield from lines("sweep", [name for name in listed if not name.startswith(PRESET)], plugins)
    yield from ("", "preset=NAME, a paper's whole setting in place of a sweep")
    yield from lines("sweep", [name for name in listed if name.startswith(PRESET)], plugins)
