"""`python -m bench.check method=NAME plugins=FOLDER [key=value ...]`: whether a method keeps the contract of the training loop.

    python -m bench.check method=halves plugins=mine
    python -m bench.check method=halves plugins=mine data=mixture budget.batch=64

It takes some steps of it with the network and the data of the command, and says of every check whether it holds: seconds, where
a training that breaks the contract would end in numbers that mean nothing. While the losses are broken, what is checked of them
further is skipped. Whether the objective is right it does not know: train it where the exact map is known (data=gaussian) for
that.
"""

import dataclasses
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bench.config import ConfigError, Experiment, request, unlisted
from results import terminal

if TYPE_CHECKING:  # PyTorch is loaded where something is checked
    from bench.training import Subject


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each check; returns the exit status: 0 all hold, 1 some do not, 2 a wrong command."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    terminal.ready()
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        experiments = request(["sweep=none", *arguments]).experiments
        broken = sum(_check(experiment) for experiment in _methods(experiments))
    except ConfigError as error:
        print("\n".join(f"error: {fault}" for fault in error.faults), file=sys.stderr)
        return 2
    return 1 if broken else 0


def subject(arguments: Sequence[str]) -> "Subject":
    """What the checks of a command line's method are tried on, for tests of one's own: bench.training.CHECKS[name](subject).

    Raises ConfigError for a wrong command.
    """
    return _subject(request(["sweep=none", *arguments]).experiments[0])


def _methods(experiments: Sequence[Experiment]) -> Iterator[Experiment]:
    """The first experiment of each method."""
    seen = []
    for experiment in experiments:
        if experiment.method not in seen:
            seen.append(experiment.method)
            yield experiment


def _check(experiment: Experiment) -> int:
    """Print the checks of one method; returns how many are broken."""
    from bench.training import CHECKS, OF_LOSSES

    subject, broken = _subject(experiment), set[str]()
    data, backbone = experiment.data.name, experiment.backbone.name
    print(f"{experiment.label}: {subject.batch} samples a step, data={data}, backbone={backbone}")
    for name, check in CHECKS.items():
        if name in OF_LOSSES and "losses" in broken:
            continue
        assert check.__doc__ is not None
        try:
            check(subject)
        except Exception as error:
            broken.add(name)
            print(f"  BROKEN  {name:10} {_said(error, subject)}")
        else:
            print(f"  holds   {name:10} {check.__doc__}")
    if "losses" in broken:
        print(f"  skipped {', '.join(OF_LOSSES)}: they are about the losses; mend those first")
    if missing := unlisted(experiment.name, experiment.plugins):
        print(f"  note    its YAML file does not list {', '.join(missing)}: what it does not list cannot be set")
    return len(broken)


def _subject(experiment: Experiment) -> "Subject":
    import torch

    from bench.data import dataset
    from bench.nets import factory
    from bench.planning import with_classes
    from bench.training import Subject

    experiment = with_classes(experiment)
    method, data, budget = experiment.method, dataset(experiment), experiment.budget
    group = 2 * method.needs.group  # two slices of whole groups
    subject = Subject(method, factory(experiment, data.shape), data, budget.images, max(budget.batch // group, 1) * group)
    sharp = dataclasses.replace(subject, dtype=torch.float64)
    try:
        sharp.losses(sharp.models(), subject.stages[0])
    except Exception:  # in which precision, the checks tell
        return subject
    return sharp


def _said(error: Exception, subject: "Subject") -> str:
    """What a check says, or what a method raised, with the place in the method's file."""
    from bench.training import Broken

    text = " ".join(str(error).split())
    if isinstance(error, Broken):
        return text
    mine = inspect.getsourcefile(type(subject.method))
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == mine]
    return f"{type(error).__name__}: {text}" + (f" ({mine}, line {lines[-1]})" if lines else "")


if __name__ == "__main__":
    sys.exit(main())
