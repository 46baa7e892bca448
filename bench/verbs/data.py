"""`fewstep data [data=NAME key=value ...]`: the data sets, or what one of them holds, and a picture of it as networks see it.

    fewstep data
    fewstep data data=digits
    fewstep data data=folder data.path=pictures data.size=32

The picture goes to previews/NAME.png in the output folder (out=). python -m bench.run --help data=NAME shows the keys.
"""

import sys
from collections.abc import Iterator, Sequence

from bench.conf import names
from bench.config import ConfigError, request
from bench.verbs import lists

HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the list, or what was found; returns the exit status, 2 after a line that says what is wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(word in HELP for word in words):
        print(__doc__)
        return 0
    plugins = next((word.partition("=")[2] for word in words if word.startswith("plugins=")), None)
    if all(word.startswith("plugins=") for word in words):
        return lists.told(lambda: lists.lines("data", names("data", plugins), plugins))
    return lists.told(lambda: _looked(words))


def _looked(words: Sequence[str]) -> Iterator[str]:
    """Lines about the data set of a command; its picture is written. Raises ConfigError."""
    wanted = request(["sweep=none", *words])
    from bench.data import inspect, load
    from bench.verbs.facts import facts, rows
    from results.pictures import preview

    experiment = wanted.experiments[0]
    found = inspect(experiment.data)
    if found.absent:
        raise ConfigError(found.absent)
    data = load(experiment.data, experiment.interpolant.base_scale)
    yield from facts(experiment.data, found, data)
    path = wanted.out / "previews" / f"{data.name}.png"
    try:
        preview.preview(rows(experiment.data, found, data), path, f"data={data.name}")
    except OSError as error:
        raise ConfigError(f"out={wanted.out} cannot be written ({error.strerror}); choose another folder with out=") from error
    yield f"picture: {path}"
