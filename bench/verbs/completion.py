"""`fewstep completion SHELL`: prints what makes bash, zsh or fish complete verbs, and the names behind `key=`.

    fewstep completion bash >> ~/.bashrc
    fewstep completion zsh >> ~/.zshrc
    fewstep completion fish > ~/.config/fish/completions/fewstep.fish
"""

import sys
from collections.abc import Sequence

import click
from click.shell_completion import get_completion_class

NAME, ASKED = "fewstep", "_FEWSTEP_COMPLETE"  # the variable in which the printed script asks what may come next
SHELLS = ("bash", "zsh", "fish")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 for another word than a shell."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    made = get_completion_class(arguments[0]) if len(arguments) == 1 and arguments[0] in SHELLS else None
    if made is None:
        print(f"error: {NAME} completion takes one of {', '.join(SHELLS)}, and not {' '.join(arguments) or 'nothing'}",
              file=sys.stderr)
        return 2
    print(made(click.Command(NAME), {}, NAME, ASKED).source())
    return 0
