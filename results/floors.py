"""Whether our packages are ours. Python looks into the current folder first, and names like theirs are common there.

`bench` and `sweeps` run this file by its place before they import a floor below them.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).parents[1]


def check(*floors: str) -> None:
    """Ends a command (`python -m ...`) in one line if a floor is somebody else's; raises ImportError where there is none."""
    for floor in floors:
        spec = find_spec(floor)
        found = spec and (spec.origin or next(iter(spec.submodule_search_locations or []), None))
        if found and Path(found).parent.resolve() != (HOME / floor).resolve():
            told = (f"{found} hides the package {floor} of fewstep; write fewstep run for python -m bench.run, and so for "
                    "other commands: it does not look into the current folder; or give the command elsewhere")
            if sys.argv[:1] != ["-m"]:  # what Python puts there while it looks for the module of a command
                raise ImportError(told)
            print(f"error: {told}", file=sys.stderr)
            raise SystemExit(2)
