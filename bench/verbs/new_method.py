"""`fewstep new-method NAME [--out FOLDER]`: a method of your own that trains, to be changed into what you mean.

It writes the class (FOLDER/NAME.py), its knobs (method/NAME.yaml), a sweep that runs it beside two packaged methods
(sweep/NAME.yaml), and its test (test_NAME.py), which needs pytest.
"""

import argparse
import importlib.util
import keyword
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

from bench.conf import names
from bench.config import ConfigError, arguments
from results import terminal

TEMPLATES = Path(__file__).parent / "templates"
FILES = {"method.py": "{}.py", "method.yaml": "method/{}.yaml", "sweep.yaml": "sweep/{}.yaml", "test.py": "test_{}.py"}


def main(words: Sequence[str] | None = None) -> int:
    """Write the files and say what to do with them; returns the exit status, 2 after a line that says what is wrong."""
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="fewstep new-method", description=about.partition(": ")[2], epilog=more)
    parser.add_argument("name", metavar="NAME", help="what commands and tables will call it: letters, digits, underscores")
    parser.add_argument("--out", type=Path, metavar="FOLDER", default=Path("mine"), help="where to (default: %(default)s)")
    asked = parser.parse_args(words)
    terminal.ready()
    try:
        made = write(asked.name, asked.out)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    plain = re.fullmatch(r"[\w./-]+", str(asked.out), re.ASCII)
    plugins = f"plugins={asked.out if plain else arguments.quoted(str(asked.out))}"
    print("\n".join(f"written: {path}" for path in made))
    print(f"""
It is flow matching with a second term, and trains as it is. Put your objective into {made[0].name}, then
  {shlex.join(['python', '-m', 'pytest', str(made[-1])])}
  {shlex.join(['fewstep', 'check', f'method={asked.name}', plugins])}
  {shlex.join(['fewstep', 'run', f'sweep={asked.name}', plugins])}""")
    return 0


def write(name: str, out: Path) -> list[Path]:
    """The files of a new method below `out`. Raises ConfigError, before anything is written, for a name or folder that cannot
    be used."""
    _check_name(name)
    out = out.expanduser()
    paths = {template: out / path.format(name) for template, path in FILES.items()}
    if taken := [path for path in paths.values() if path.exists()]:
        raise ConfigError(f"{taken[0]} is there already, and nothing was written; choose another NAME or --out")
    cls = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    try:
        for template, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
            path.write_text(Template(text).substitute(name=name, cls=cls), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out} cannot be written ({error.strerror}); choose another folder") from error
    return list(paths.values())


def _check_name(name: str) -> None:
    """Raise ConfigError for what cannot be a module, a class and a choice of its own."""
    if not (name.isascii() and name.isidentifier() and name.strip("_")) or keyword.iskeyword(name):
        raise ConfigError(f"NAME={name} cannot be the name of a Python module; use letters, digits and _, such as my_method")
    for group in ("method", "sweep"):
        if name in names(group):
            raise ConfigError(f"NAME={name} is a packaged {group}; choose another")
    if importlib.util.find_spec(name) is not None:
        raise ConfigError(f"NAME={name} is a module that Python has already; choose another")
